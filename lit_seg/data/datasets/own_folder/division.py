"""Divides a user's images into splits, given or found, without leaks and by stable draws."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args
from unicodedata import normalize

from lightning_utilities.core.rank_zero import rank_zero_info

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.own_folder.pairs import HOW, PairFinder
from lit_seg.data.file_lists import leads_out, listing_faults, single_fault
from lit_seg.data.splits import Pair
from lit_seg.errors import DataError, NotThereError, plural

Splits = Mapping[str, float | str]
"""The list, the folder or the fraction of each split."""
_FOLDERS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Usual names of the folders of splits, in lower case."""


@dataclass
class FolderSplits:
    """The splits of a user's folder; see :class:`lit_seg.data.Folder` for the options.

    Raises:
        ValueError: if the folders, suffixes or splits make no sense.
    """

    root: Path
    images: str
    masks: str
    image_suffix: str | None
    mask_suffix: str | None
    splits: Splits | None
    exclude: Sequence[str] = ()
    allows_jpeg: bool = False

    def __post_init__(self) -> None:
        if ("{split}" in self.images) != ("{split}" in self.masks):
            raise ValueError(
                f"`images` and `masks` must both have {{split}} or neither, got {self.images!r} "
                f"and {self.masks!r}"
            )
        _check_splits(self.splits, "{split}" in self.images)
        _check_below("images", self.images)
        _check_below("masks", self.masks)
        for option in ("image_suffix", "mask_suffix"):
            end = getattr(self, option)
            if end and (set(end) & set("/\\\0") or ".." in end):
                raise ValueError(
                    f"`{option}` must be the end of a file name, without slashes and `..`, got "
                    f"{end!r}"
                )
        if "" in self.exclude:
            raise ValueError("`exclude` must hold patterns such as `*_overlay.png`, got ''")
        self._failed: dict[SplitName, DataError] = {}
        self._divided: Mapping[SplitName, list[Pair]] | None = None
        self._told = ""

    def pairs(self, name: SplitName) -> list[Pair]:
        """Find image and mask of each sample of a split.

        Raises:
            DataError: if the split is missing or incomplete.
        """
        divided = self._divided or self._divide()
        if not listing_faults():  # then wrong pairs are left out
            self._divided = divided
        if name in self._failed:
            raise self._failed[name]
        if name not in divided:
            raise NotThereError(
                f"{self.root}: there is no {name} split; `splits.{name}` gives it as a list, a "
                f"folder for {{split}} or a fraction such as 0.1. {HOW}"
            )
        return divided[name]

    def masks_without_image(self) -> list[Path]:
        """List masks that belong to no image, as far as the folders tell."""
        images, masks, splits, _ = self._sources()
        folders = [""]
        if "{split}" in images:
            folders = [source for source in splits.values() if isinstance(source, str)]
        finders = [self._finder(images, masks, folder) for folder in folders]
        return [mask for finder in finders for mask in finder.masks_without_image()]

    def _divide(self) -> Mapping[SplitName, list[Pair]]:
        if not self.root.is_dir():
            raise DataError(f"{self.root}: there is no such folder; `root` must lead to your data")
        images, masks, splits, told = self._sources()
        if told != self._told:  # once, also where this fails and is tried for each split
            rank_zero_info(f"{self.root}: {told}")
        self._told = told
        whole = self._finder(images, masks)
        given: dict[SplitName, list[Pair]] = {}
        fractions: dict[SplitName, float] = {}
        for name in get_args(SplitName):
            source = splits.get(name)
            if isinstance(source, str):
                try:
                    if "{split}" in images:
                        given[name] = self._finder(images, masks, source).all()
                    else:
                        given[name] = whole.listed(source)
                except DataError as error:
                    if name != "test":
                        raise
                    self._failed[name] = error  # told when it is asked for: training needs none
            elif source is not None:
                fractions[name] = source
        _refuse_leaks(given, splits)
        if not fractions:
            return given
        if "train" in given:
            pool = given["train"]
        else:
            taken = {image for pairs in given.values() for image, _ in pairs}
            pool = [pair for pair in whole.all() if pair[0] not in taken]
        return given | _divide_by_fractions(pool, fractions, "train" in given, self.root)

    def _sources(self) -> tuple[str, str, Splits, str]:
        """Find the folders of images and masks and the splits, and write a line about found splits.

        The folders end in ``{split}`` where the splits are folders below that of the images.
        """
        images, masks, splits = self.images, self.masks, self.splits
        if "{split}" not in images:
            below = f"{images}/{{split}}"
            if splits is None:
                folders = "train" in _split_folders(self.root, below)
            else:
                folders = any(
                    isinstance(source, str)
                    and (self.root / images / source).is_dir()
                    and not (self.root / source).is_file()
                    for source in splits.values()
                )
            if folders:
                images, masks = below, f"{masks}/{{split}}"
        if splits is not None:
            return images, masks, splits, ""
        return images, masks, *_found_splits(self.root, images, masks)

    def _finder(self, images: str, masks: str, split: str = "") -> PairFinder:
        _check_below("splits", split)
        images, masks = (folder.replace("{split}", split) for folder in (images, masks))
        folders = self.root, self.root / images, self.root / masks
        suffixes = self.image_suffix, self.mask_suffix
        return PairFinder(*folders, *suffixes, self.exclude, self.allows_jpeg)


def _check_below(option: str, folder: str) -> None:
    if leads_out(folder):
        raise ValueError(
            f"`{option}` must name a folder below `root`, without `..`, got {folder!r}"
        )


def _check_splits(splits: Splits | None, folders: bool) -> None:
    """Refuse what is no division of images; ``folders`` says whether paths have {split}."""
    if splits is None:
        return
    names = get_args(SplitName)
    if not isinstance(splits, Mapping):
        raise ValueError(
            "`splits` must give each split a fraction, a list or a folder, such as `splits: "
            f"{{train: 0.8, val: 0.2}}` or `splits: {{train: train.txt, val: 0.1}}`, got {splits!r}"
        )
    if not splits or set(splits) - set(names):
        raise ValueError(f"`splits` must give train, val and maybe test, got {[*splits]}")
    fractions = {name: value for name, value in splits.items() if not isinstance(value, str)}
    for name, value in fractions.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(
                f"`splits.{name}` must be a fraction such as 0.1, or the name of a list or a "
                f"folder such as {name}.txt, got {value!r}"
            )
    if any(not 0 < value < 1 for value in fractions.values()) or sum(fractions.values()) > 1 + 1e-9:
        raise ValueError(
            f"fractions in `splits` must be in (0, 1) and add up to at most 1, got {fractions}"
        )
    if folders and not isinstance(splits.get("train"), str):
        raise ValueError(
            "`splits.train` must name the folder for {split}, got " + repr(splits.get("train"))
        )


def _split_folders(root: Path, images: str) -> dict[SplitName, str]:
    """Find the existing folders that ``{split}`` may stand for, by the usual names of splits."""
    before, _, after = images.partition("{split}")
    if not (root / before).is_dir():
        return {}
    there = [n for n in os.listdir(root / before) if (root / f"{before}{n}{after}").is_dir()]
    found = {split: [n for n in there if n.lower() in usual] for split, usual in _FOLDERS.items()}
    return {split: min(names) for split, names in found.items() if names}


def _found_splits(root: Path, images: str, masks: str) -> tuple[Splits, str]:
    """Find the splits that a folder suggests, and write a sentence about them."""
    found: dict[str, float | str] = {}
    if "{split}" in images:
        folders = _split_folders(root, images)
        if "test" in folders and not (root / masks.replace("{split}", folders["test"])).is_dir():
            del folders["test"]  # contests often keep the masks of their test images
        found = dict(folders.items())
        needed = root / images.replace("{split}", "train")
        what = f"folders {', '.join(folders.values())}"
    else:
        names = [name for name in get_args(SplitName) if (root / f"{name}.txt").is_file()]
        if not names:
            fractions = {"train": 0.8, "val": 0.1, "test": 0.1}
            return fractions, "no lists, so .8 of the images train, .1 validate, .1 test"
        found.update({name: f"{name}.txt" for name in names})
        needed, what = root / "train.txt", ", ".join(f"{name}.txt" for name in names)
    if "train" not in found:
        raise DataError(f"{needed}: is not there; `splits.train` tells what trains. {HOW}")
    if "val" not in found:
        found["val"] = 0.1
        what += ", and a tenth of the training images validates"
    return found, f"splits by {what}"


def _refuse_leaks(given: Mapping[SplitName, Sequence[Pair]], splits: Splits) -> None:
    """Refuse images that are in the training split and in another one."""
    if not given.keys() - {"train"}:  # each image is looked up on the disk
        return
    train = {_file(image) for image, _ in given.get("train", ())} - {None}
    for name in ("val", "test"):
        shared = sorted(image for image, _ in given.get(name, ()) if _file(image) in train)
        with single_fault():
            if shared:
                raise DataError(
                    f"{shared[0]} is in {splits['train']} and in {splits[name]} (images in both: "
                    f"{len(shared)}): scores on trained images say nothing"
                )


def _file(path: Path) -> tuple[int, int] | None:
    """Identify a file, whatever links lead to it."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _divide_by_fractions(
    pool: Sequence[Pair], fractions: Mapping[SplitName, float], rest_trains: bool, root: Path
) -> dict[SplitName, list[Pair]]:
    """Divide images in the order of a hash of their paths, so that a new one moves few others.

    With ``rest_trains``, all images that are in no fraction are the training split.
    """

    def place(pair: Pair) -> bytes:
        # an accent is written in two ways, and some systems change the one for the other
        path = normalize("NFC", pair[0].relative_to(root).as_posix())
        return hashlib.sha256(path.encode(errors="surrogateescape")).digest()

    order = sorted(pool, key=place)
    rest_trains = rest_trains or ("train" in fractions and sum(fractions.values()) > 1 - 1e-9)
    parts: dict[SplitName, list[Pair]] = {}
    for name in ("test", "val", "train"):
        if name == "train" and rest_trains:
            parts[name] = sorted(order)
        elif name in fractions:
            number = max(1, round(fractions[name] * len(pool)))
            parts[name], order = sorted(order[:number]), order[number:]
    empty = [name for name, pairs in parts.items() if not pairs]
    if empty:
        raise DataError(
            f"{root}: {plural(len(pool), 'image')}, too few for {', '.join(empty)} by fractions"
        )
    return parts
