"""How a user's images are divided: options that make sense, no leaks, fractions that stay."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args
from unicodedata import normalize

from lit_seg.data.card import SplitName
from lit_seg.data.file_lists import single_fault
from lit_seg.data.splits import Pair
from lit_seg.errors import DataError


def check_splits(splits: Mapping[str, float | str] | None, folders: bool) -> None:
    """Refuse what is no division of images; ``folders`` tells whether there is {split}.

    Raises:
        ValueError: naming it.
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


def refuse_leaks(
    given: Mapping[SplitName, Sequence[Pair]], splits: Mapping[str, float | str]
) -> None:
    """Refuse images that are trained and scored.

    Raises:
        DataError: naming the first.
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
    """The file itself, whatever links lead to it."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def drawn_parts(
    pool: Sequence[Pair], fractions: Mapping[SplitName, float], rest_trains: bool, root: Path
) -> dict[SplitName, list[Pair]]:
    """Parts of a pool in the order of a hash, so that a new image moves hardly any other.

    Raises:
        DataError: if one is left empty.
    """

    def place(pair: Pair) -> bytes:
        # an accent is written in two ways, and some systems change the one for the other
        path = normalize("NFC", pair[0].relative_to(root).as_posix())
        return hashlib.sha256(path.encode(errors="surrogateescape")).digest()

    order = sorted(pool, key=place)
    rest_trains = rest_trains or ("train" in fractions and sum(fractions.values()) > 1 - 1e-9)
    drawn: dict[SplitName, list[Pair]] = {}
    for name in ("test", "val", "train"):
        if name == "train" and rest_trains:
            drawn[name] = sorted(order)
        elif name in fractions:
            number = max(1, round(fractions[name] * len(pool)))
            drawn[name], order = sorted(order[:number]), order[number:]
    empty = [name for name, pairs in drawn.items() if not pairs]
    if empty:
        raise DataError(
            f"{root}: {len(pool)} images are too few for {', '.join(empty)} by fractions"
        )
    return drawn
