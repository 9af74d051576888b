"""How a user's images are divided into splits: given or found, without leaks, by stable draws."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args
from unicodedata import normalize

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.own_folder.matching import HOW
from lit_seg.data.file_lists import single_fault
from lit_seg.data.splits import Pair
from lit_seg.errors import DataError

Splits = Mapping[str, float | str]
"""Each split to its list, its folder or its fraction."""
_FOLDERS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Usual names of the folders of splits, in lower case."""


def check_splits(splits: Splits | None, folders: bool) -> None:
    """Refuse what is no division of images; ``folders`` tells whether there is {split}.

    Raises:
        ValueError: naming the splits and what they must be.
    """
    if splits is None:
        return
    names = get_args(SplitName)
    if not splits or set(splits) - set(names):
        raise ValueError(f"`splits` must give train, val and maybe test, got {sorted(splits)}")
    fractions = {name: value for name, value in splits.items() if not isinstance(value, str)}
    if any(not 0 < value < 1 for value in fractions.values()) or sum(fractions.values()) > 1 + 1e-9:
        raise ValueError(
            f"fractions in `splits` must be in (0, 1) and add up to at most 1, got {fractions}"
        )
    if folders and not isinstance(splits.get("train"), str):
        raise ValueError(
            "`splits.train` must name the folder for {split}, got " + repr(splits.get("train"))
        )


def split_folders(root: Path, images: str) -> dict[SplitName, str]:
    """The existing folders that ``{split}`` may stand for, by the usual names of splits."""
    before, _, after = images.partition("{split}")
    if not (root / before).is_dir():
        return {}
    found: dict[SplitName, str] = {}
    for name in sorted(os.listdir(root / before)):
        split = _FOLDERS.get(name.lower())
        if split and split not in found and (root / f"{before}{name}{after}").is_dir():
            found[split] = name
    return {split: found[split] for split in get_args(SplitName) if split in found}


def found_splits(root: Path, images: str, masks: str) -> tuple[Splits, str]:
    """The splits that a folder suggests, and a sentence that tells the user of them.

    Raises:
        DataError: if there are splits, but none to train on.
    """
    found: dict[str, float | str] = {}
    if "{split}" in images:
        folders = split_folders(root, images)
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


def refuse_leaks(given: Mapping[SplitName, Sequence[Pair]], splits: Splits) -> None:
    """Refuse images that are in the training split and in another one.

    Raises:
        DataError: naming the first such image.
    """
    if not given.keys() - {"train"}:  # each image is looked up on the disk
        return
    train = {_file(image) for image, _ in given.get("train", ())} - {None}
    for name in ("val", "test"):
        shared = sorted(image for image, _ in given.get(name, ()) if _file(image) in train)
        with single_fault():
            if shared:
                raise DataError(
                    f"{shared[0]} is in {splits['train']} and in {splits[name]}, as are "
                    f"{len(shared)} images in all: scores on trained images say nothing"
                )


def _file(path: Path) -> tuple[int, int] | None:
    """The identity of a file, the same by whatever links it is reached."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def divide_by_fractions(
    pool: Sequence[Pair], fractions: Mapping[SplitName, float], rest_trains: bool, root: Path
) -> dict[SplitName, list[Pair]]:
    """Divide images in the order of a hash of their paths, so that a new one moves few others.

    Args:
        pool: all of the pairs.
        fractions: share of each split.
        rest_trains: whether all others are the training split.
        root: the folder that the hashed paths start from.

    Raises:
        DataError: if a split would be empty.
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
            f"{root}: {len(pool)} images are too few for {', '.join(empty)} by fractions"
        )
    return parts
