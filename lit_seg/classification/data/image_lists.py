"""Reads the lists of long-tailed datasets: an image and its class id in each line."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lit_seg.classification.data.image_splits import Targets
from lit_seg.data.file_lists import inside, read_lines
from lit_seg.errors import DataError

_MAY_LEAD_OUT = re.compile(r"^/|[\\:\0]|\.\.")
"""A quick look, since to take a path apart takes long for half a million of them."""


class ImageList(NamedTuple):
    """The images of a split, and where they are listed."""

    paths: list[str]
    """Below the root, with forward slashes."""
    targets: Targets
    source: Path


def read_image_list(listing: Path, root: Path, classes: int) -> ImageList:
    """Read lines ``path label``.

    Raises:
        DataError: if a line is no such pair, leads out of ``root`` or names no class.
    """
    paths, targets = [], []
    for number, line in read_lines(listing):
        path, _, label = line.strip().rpartition(" ")
        where = f"{listing}: line {number}"
        if not path or not re.fullmatch("[0-9]{1,9}", label):
            raise DataError(
                f"{where}: expected the path of an image and its class id, got {line!r}"
            )
        if int(label) >= classes:
            raise DataError(f"{where}: {label} is no class id, these are 0 to {classes - 1}")
        if _MAY_LEAD_OUT.search(path):
            inside(root, path, where)
        paths.append(path)
        targets.append(int(label))
    return ImageList(paths, np.array(targets, np.int64), listing)


def folder_names(images: ImageList, classes: int) -> list[str]:
    """Name each class after the folder of its images, without the first part of the path.

    Ids need not be in the order of the names: in Places-LT five are not.

    Raises:
        DataError: if a class has no image, or the folder of a class holds images of another.
    """
    names: dict[int, str] = {}
    check_folders(images, names)
    if absent := sorted(set(range(classes)) - names.keys()):
        raise DataError(
            f"{images.source}: {len(absent)} of {classes} classes have no training image, such as "
            f"class {absent[0]}; fetch the whole list"
        )
    return [names[c] for c in range(classes)]


def check_folders(images: ImageList, names: dict[int, str]) -> None:
    """Refuse images whose class id is not that of their folder.

    Args:
        images: of which held-out ones may lie in no folder of a class, and are not looked at then.
        names: the folder of each class id by the training list; while that is read they are filled
            in.

    Raises:
        DataError: naming the first such image.
    """
    held_out = bool(names)
    ids = {name: target for target, name in names.items()}
    for path, target in zip(images.paths, images.targets.tolist(), strict=True):
        folder = _folder(path)
        if held_out and not folder:
            continue
        if names.setdefault(target, folder) != folder or ids.setdefault(folder, target) != target:
            if not held_out:
                raise DataError(_two_lines(images, path, target, folder))
            raise DataError(
                f"{images.source}: {path} has the class id {target}, which the training list gives "
                f"to {names[target]!r}, and {folder!r} has {ids.get(folder, 'none')}; take the "
                "labels from the lists of the dataset's authors, not from the order of folders"
            )


def _folder(path: str) -> str:
    """The folder of an image, without the first part of the path."""
    return path.rpartition("/")[0].partition("/")[2]


def _two_lines(images: ImageList, path: str, target: int, folder: str) -> str:
    """Name a line of the training list and the first one it contradicts: either may be wrong."""
    other, its = next(
        (one, each)
        for one, each in zip(images.paths, images.targets.tolist(), strict=True)
        if (_folder(one) == folder) != (each == target)
    )
    return (
        f"{images.source}: {path} has the class id {target} and {other} has {its}, but all images "
        "of a folder have one class id, which no other folder has: correct the line of the two "
        "that is wrong, by the lists of the dataset's authors, not by the order of folders"
    )


def held_back(images: ImageList, per_class: int, first: bool) -> ImageList:
    """The first images of each class in a list, or all others."""
    seen: dict[int, int] = {}
    chosen = []
    for index, target in enumerate(images.targets.tolist()):
        seen[target] = seen.get(target, 0) + 1
        if (seen[target] <= per_class) == first:
            chosen.append(index)
    paths = [images.paths[index] for index in chosen]
    return ImageList(paths, images.targets[chosen], images.source)
