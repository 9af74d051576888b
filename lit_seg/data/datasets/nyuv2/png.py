"""NYUv2 as image files: 13 classes, numbered as in the .mat, or 40 classes in RGB/ and Label/."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NoReturn

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.nyuv2.mat import HOW_TO_GET, IMAGES, official_numbers
from lit_seg.data.file_lists import inside, listing_faults, read_lines, single_fault
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.errors import DataError, NotThereError
from lit_seg.metrics.labels import VOID

LABEL_13 = "new_nyu_class13_"
_IMAGE = "nyu_rgb_"


def has_class13(root: Path) -> bool:
    """Whether the root holds labels of 13 classes."""
    return any(_named(root, LABEL_13))


def class13_split(root: Path, name: SplitName) -> FileSplit:
    """Pair images and labels by their numbers, which ``splits.mat`` divides into splits.

    If there is no image at all, the labels can be counted but no sample can be loaded.
    """
    numbers = official_numbers(root, name, IMAGES)
    labels, images = (
        {number: found[number] for number in numbers if number in found}
        for found in (_by_number(root, stem) for stem in (LABEL_13, _IMAGE))
    )
    if not labels:
        raise NotThereError(
            f"{root}: holds no {LABEL_13}NNNN.png of the {name} split, such as "
            f"{LABEL_13}{numbers[0]:04}.png. {HOW_TO_GET}"
        )
    to_class = LabelMap({0: VOID} | {i: i - 1 for i in range(1, 14)})
    if not images:
        pairs = [(root / f"{_IMAGE}{number:04}.png", path) for number, path in labels.items()]
        refuse = partial(_refuse_image, labels=len(labels))
        return FileSplit(pairs, to_class, read_image=refuse)
    alone = sorted(labels.keys() ^ images.keys())
    if alone and not listing_faults():
        path = (labels | images)[alone[0]]
        other = _IMAGE if alone[0] in labels else LABEL_13
        raise DataError(
            f"{path}: has no {other}{alone[0]:04}.png ({len(alone)} files of the {name} split lack "
            f"their partner). {HOW_TO_GET}"
        )
    image, label = next(iter(images.values())), next(iter(labels.values()))
    for number in alone:  # to load such a pair is an error that names the missing half
        images.setdefault(number, image.with_name(f"{_IMAGE}{number:04}.png"))
        labels.setdefault(number, label.with_name(f"{LABEL_13}{number:04}.png"))
    return FileSplit([(images[n], labels[n]) for n in sorted(labels)], to_class)


def label40_split(root: Path, name: SplitName, ids: Mapping[int, int]) -> FileSplit:
    """Pair ``RGB/<x>.jpg`` (or .png) and ``Label/<x>.png`` for each line of a list."""
    train, test = (root / f"{part}.txt" for part in ("train", "test"))
    wanted, other = (train, test) if name == "train" else (test, train)
    if not wanted.is_file():
        raise NotThereError(f"{wanted}: not found. {HOW_TO_GET}")
    stems = _listed(root, wanted)
    with single_fault():
        if other.is_file() and (both := sorted(set(stems) & set(_listed(root, other)))):
            raise DataError(
                f"{wanted}: lists {both[0]}, as {other} does ({len(both)} such images); they must "
                f"share none. {HOW_TO_GET}"
            )
    pairs = []
    for stem in stems:
        image = root / "RGB" / f"{stem}.jpg"
        image = image if image.is_file() else image.with_name(f"{stem}.png")
        pairs.append((image, root / "Label" / f"{stem}.png"))
    return FileSplit(pairs, LabelMap(ids), how_to_get=HOW_TO_GET)


def _refuse_image(path: Path, labels: int) -> NoReturn:
    raise DataError(
        f"{path}: no such file, here or in a folder beside: there are {labels} labels and none of "
        f"their images. {HOW_TO_GET}"
    )


def _listed(root: Path, listing: Path) -> list[str]:
    """The stems in a list whose lines are ``RGB/5.jpg Label/5.png``, ``RGB/5.jpg`` or ``5``."""
    stems: dict[str, None] = {}
    for number, line in read_lines(listing):
        where = f"{listing}: line {number}"
        listed = line.split()[0]
        with single_fault():
            inside(root, listed, where)
            stem = PurePosixPath(listed).name.removesuffix(".jpg").removesuffix(".png")
            if stem in stems:
                raise DataError(
                    f"{where}: lists {stem} for the second time; remove one of the lines"
                )
            stems[stem] = None
    return list(stems)


def _by_number(root: Path, stem: str) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for number, path in _named(root, stem):
        with single_fault():
            if (first := found.setdefault(number, path)) != path:
                raise DataError(f"{path}: has the number of {first}; one of them must go")
    return found


def _named(root: Path, stem: str) -> Iterator[tuple[int, Path]]:
    """The files named stem and number, the flat ones first, without hidden ones."""
    # flat; in a folder per split; in such folders within a repository
    for depth in ("", "*/", "*/*/"):
        for path in sorted(root.glob(f"{depth}{stem}*")):
            match = re.fullmatch(rf"{stem}([0-9]+)\.(png|jpg)", path.name)
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if match and not hidden:
                yield int(match[1]), path
