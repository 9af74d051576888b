"""Which images and masks of a user's folder belong together, and to which split."""

import os
import re
from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import get_args

import numpy as np
from lightning_utilities.core.rank_zero import rank_zero_info

from lit_seg.data.card import SplitName
from lit_seg.data.files import Pair, inside, read_lines, require_files
from lit_seg.errors import DataError

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
MASKS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")  # JPEG changes values
_HOW = "docs/own_data.md shows how to describe your images and masks"


class FolderFiles:
    """Pairs of images and masks below a folder; see :class:`lit_seg.data.Folder` for the options.

    Raises:
        ValueError: if the splits make no sense.
    """

    def __init__(
        self,
        root: Path,
        images: str,
        masks: str,
        image_suffix: str | None,
        mask_suffix: str | None,
        splits: Mapping[str, float | str] | None,
    ) -> None:
        _check_splits(splits)
        if ("{split}" in images) != ("{split}" in masks):
            raise ValueError(
                f"`images` and `masks` must both have {{split}} or neither, got {images!r} and "
                f"{masks!r}"
            )
        self.root = root
        self.images = images
        self.masks = masks
        self.image_suffix = image_suffix
        self.mask_suffix = mask_suffix
        self.splits = splits
        self._divided: dict[SplitName, list[Pair]] | None = None

    def pairs(self, name: SplitName) -> list[Pair]:
        """Image and mask of each sample of a split.

        Raises:
            DataError: if it is not there or not complete.
        """
        if self._divided is None:
            self._divided = self._divide()
        if name not in self._divided:
            raise DataError(
                f"{self.root}: there is no {name} split; `splits.{name}` gives it as a list, a "
                f"folder for {{split}} or a fraction such as 0.1. {_HOW}"
            )
        return self._divided[name]

    def _divide(self) -> dict[SplitName, list[Pair]]:
        if not self.root.is_dir():
            raise DataError(f"{self.root}: there is no such folder; `root` must lead to your data")
        splits = self.splits
        if splits is None:
            splits, told = self._found_splits()
            rank_zero_info(f"{self.root}: {told}")
        given: dict[SplitName, list[Pair]] = {}
        for name in get_args(SplitName):
            if isinstance(source := splits.get(name), str):
                given[name] = self._given(source)
        _refuse_leaks(given, splits)
        fractions = {n: f for n in get_args(SplitName) if isinstance(f := splits.get(n), float)}
        if not fractions:
            return given
        if "train" in given:
            pool = given["train"]
        else:
            taken = {image for pairs in given.values() for image, _ in pairs}
            pool = [pair for pair in self._all() if pair[0] not in taken]
        return given | _drawn(pool, fractions, rest_trains="train" in given)

    def _found_splits(self) -> tuple[Mapping[str, float | str], str]:
        """What the folder suggests, and how to say it."""
        names: tuple[SplitName, ...] = get_args(SplitName)
        if "{split}" not in self.images and (self.root / self.images / "train").is_dir():
            self.images, self.masks = f"{self.images}/{{split}}", f"{self.masks}/{{split}}"
        if "{split}" in self.images:
            found: dict[str, float | str] = {
                n: n for n in names if (self.root / self.images.format(split=n)).is_dir()
            }
            what = "folders " + ", ".join(found)
        else:
            found = {n: f"{n}.txt" for n in names if (self.root / f"{n}.txt").is_file()}
            what = ", ".join(str(source) for source in found.values())
        if "train" not in found:
            if "{split}" in self.images:
                raise DataError(
                    f"{self.root / self.images.format(split='train')}: there is no such folder; "
                    f"`splits.train` names another. {_HOW}"
                )
            fractions = {"train": 0.8, "val": 0.1, "test": 0.1}
            return fractions, "no lists, so .8 of the images train, .1 validate, .1 test"
        if "val" not in found:
            found["val"] = 0.1
            what += ", and a tenth of the training images validates"
        return found, f"splits by {what}"

    def _given(self, source: str) -> list[Pair]:
        """The pairs of a list, or of a folder for {split}."""
        if "{split}" in self.images:
            return self._all(source)
        listing = self.root / source
        if not listing.is_file():
            raise DataError(f"{listing}: there is no such list. {_HOW}")
        lines: dict[Pair, int] = {}
        for number, line in read_lines(listing):
            where = f"{listing}: line {number}"
            pair = self._line(line.strip(), where)
            if pair in lines:
                raise DataError(f"{where}: repeats line {lines[pair]}, {line.strip()!r}")
            lines[pair] = number
        if not lines:
            raise DataError(f"{listing}: lists no image")
        require_files(list(lines), _HOW + ".")
        return list(lines)

    def _line(self, line: str, where: str) -> Pair:
        """An image, or an image and a mask; names may hold spaces."""
        if image := self._image(line, where):
            return image, self._mask_of(image, where)
        cuts = [(line[: gap.start()], line[gap.end() :]) for gap in re.finditer(r"\s+", line)]
        for first, second in cuts:
            mask = inside(self.root, second, where)
            if mask.is_file() and (image := self._image(first, where)):
                return image, mask
        for first, second in cuts:
            if self._image(first, where):
                raise DataError(f"{where}: there is no mask {inside(self.root, second, where)}")
        raise DataError(
            f"{where}: there is no image {line!r} in {self.root / self.images} or {self.root}"
        )

    def _image(self, listed: str, where: str) -> Path | None:
        """The file that a list means, by its path or its name, with or without suffix."""
        folders = (self.root / self.images, self.root)
        ends = ("", self.image_suffix) if self.image_suffix else ("", *IMAGES)
        for folder in folders:
            for end in ends:
                path = inside(folder, f"{listed}{end}", where)
                if path.is_file():
                    return path
        return None

    def _all(self, split: str = "") -> list[Pair]:
        """Every image of a folder with its mask, sorted."""
        folder = self.root / self.images.replace("{split}", split)
        if not folder.is_dir():
            raise DataError(
                f"{folder}: there is no such folder; `images` names it below `root`. {_HOW}"
            )
        masks = self.root / self.masks.replace("{split}", split)
        if not masks.is_dir():
            raise DataError(
                f"{masks}: there is no such folder; `masks` names it below `root`. {_HOW}"
            )
        images = [path for path in _files_below(folder) if self._is_image(path.name)]
        if not images:
            end = self.image_suffix or ", ".join(IMAGES)
            raise DataError(f"{folder}: holds no image (*{end}). {_HOW}")
        stems: dict[Path, Path] = {}
        for path in images:
            stem = path.with_name(self._stem(path.name))
            if stem in stems:
                raise DataError(
                    f"{path}: would have the mask of {stems[stem].name} too; `image_suffix` tells "
                    "which of them is the image"
                )
            stems[stem] = path
        pairs = [(path, self._mask(path, folder, masks)) for path in images]
        require_files(pairs, f"`mask_suffix` may be wrong. {_HOW}.")
        return pairs

    def _is_image(self, name: str) -> bool:
        if self.image_suffix:
            return name.endswith(self.image_suffix)
        mask = self.mask_suffix  # in a folder that holds both
        both = mask is not None and self.images == self.masks
        return name.lower().endswith(IMAGES) and not (both and name.endswith(str(mask)))

    def _stem(self, name: str) -> str:
        if self.image_suffix and name.endswith(self.image_suffix):
            return name.removesuffix(self.image_suffix)
        return Path(name).stem

    def _mask_of(self, image: Path, where: str) -> Path:
        """The mask of an image that a list gives alone."""
        folder = self.root / self.images
        if not image.is_relative_to(folder):
            raise DataError(
                f"{where}: {image} lies outside {folder}, so its mask must be on the line too"
            )
        return self._mask(image, folder, self.root / self.masks)

    def _mask(self, image: Path, images: Path, masks: Path) -> Path:
        """Where the mask of an image is, or would be."""
        place = masks / image.relative_to(images).parent
        stem = self._stem(image.name)
        if self.mask_suffix is not None:
            return place / f"{stem}{self.mask_suffix}"
        there = [place / f"{stem}{end}" for end in MASKS if (place / f"{stem}{end}").is_file()]
        if len(there) > 1:
            raise DataError(
                f"{there[0]}: {there[1].name} could be the mask of {image.name} too; `mask_suffix` "
                "tells which"
            )
        if not there and (found := [*place.glob(f"{escape(stem)}.jp*g")]):
            raise DataError(
                f"{found[0]}: JPEG changes the values of masks; save them as PNG from their source"
            )
        return there[0] if there else place / f"{stem}.png"


def _check_splits(splits: Mapping[str, float | str] | None) -> None:
    if splits is None:
        return
    if not splits or (wrong := set(splits) - set(get_args(SplitName))):
        raise ValueError(f"`splits` must give train, val and maybe test, got {sorted(wrong)}")
    fractions = {name: value for name, value in splits.items() if not isinstance(value, str)}
    if any(not 0 < value < 1 for value in fractions.values()) or sum(fractions.values()) > 1 + 1e-9:
        raise ValueError(
            f"fractions in `splits` must be between 0 and 1 and add up to at most 1, got {fractions}"
        )


def _refuse_leaks(
    given: Mapping[SplitName, Sequence[Pair]], splits: Mapping[str, float | str]
) -> None:
    train = {image for image, _ in given.get("train", ())}
    for name in ("val", "test"):
        shared = sorted(image for image, _ in given.get(name, ()) if image in train)
        if shared:
            raise DataError(
                f"{shared[0]} is in {splits['train']} and in {splits[name]}, as are "
                f"{len(shared)} images in all: scores on trained images say nothing"
            )


def _drawn(
    pool: Sequence[Pair], fractions: Mapping[SplitName, float], rest_trains: bool
) -> dict[SplitName, list[Pair]]:
    """Parts of a pool, drawn with a seed that is always the same."""
    pool = sorted(pool)
    order = np.random.default_rng(0).permutation(len(pool)).tolist()
    drawn: dict[SplitName, list[Pair]] = {}
    for name in ("test", "val", "train"):
        if name in fractions:
            number = max(1, round(fractions[name] * len(pool)))
            number = min(number, len(order)) if name == "train" else number
            drawn[name] = [pool[i] for i in sorted(order[:number])]
            order = order[number:]
    if rest_trains:
        drawn["train"] = [pool[i] for i in sorted(order)]
    empty = [name for name, pairs in drawn.items() if not pairs]
    if empty:
        raise DataError(f"{len(pool)} images are too few for {', '.join(empty)} by fractions")
    return drawn


def _files_below(folder: Path) -> list[Path]:
    """Sorted, without hidden ones; linked folders are followed, each once."""
    found: list[Path] = []
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(here, name) for name in files if not name.startswith(".")]
    return sorted(found)
