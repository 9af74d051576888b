"""NYUv2 as single files: PNGs of 13 or of 40 classes, and the arrays of MTAN.

The 13 classes are numbered as in the .mat, the 40 lie in RGB/ and Label/. The arrays of 288x384
were prepared for MTAN and are usual in multi-task papers.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.nyuv2.mat import HOW_TO_GET, IMAGES, official_numbers
from lit_seg.data.file_lists import listing_faults, read_stems, single_fault
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.errors import DataError, NotThereError, plural, reason_of
from lit_seg.images.open_and_save import Array
from lit_seg.metrics.labels import VOID

LABEL_13 = "new_nyu_class13_"
_IMAGE = "nyu_rgb_"
MTAN_SIZES = {"train": 795, "val": 654}
_CLASSES_OF_MTAN = 13


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
            f"{path}: has no {other}{alone[0]:04}.png ({plural(len(alone), 'file')} of the "
            f"{name} split without a partner). {HOW_TO_GET}"
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
    stems = read_stems(root, wanted)
    with single_fault():
        if other.is_file() and (both := sorted(set(stems) & set(read_stems(root, other)))):
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
        f"{path}: no such file, here or in a folder beside: found {plural(labels, 'label')} and no "
        f"image of them. {HOW_TO_GET}"
    )


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


def mtan_split(root: Path, name: SplitName) -> FileSplit:
    """``{train,val}/{image,label}/<i>.npy``, in the order of the numbers from 0."""
    part = "train" if name == "train" else "val"
    images, labels = (root / part / kind for kind in ("image", "label"))
    pairs = [(images / f"{i}.npy", labels / f"{i}.npy") for i in range(MTAN_SIZES[part])]
    return FileSplit(pairs, _read_label, root, _read_image, HOW_TO_GET)


def _read_image(path: Path) -> Array:
    """Read an array ``(H, W, 3)`` of floats in [0, 1] or uint8, as uint8."""
    image = _read_array(path)
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(
            f"{path}: is an array of shape {image.shape}, expected (height, width, 3); fetch it "
            "again"
        )
    if image.dtype == np.uint8:
        return image
    # not <= also finds NaN
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):
        values = f"{image.min()} to {image.max()}" if image.dtype.kind in "iuf" else "no numbers"
        raise DataError(
            f"{path}: holds {values} of {image.dtype}, expected floats from 0 to 1 or uint8"
        )
    scaled: Array = np.rint(image.astype(np.float64) * 255).astype(np.uint8)
    return scaled


def _read_label(path: Path) -> Array:
    """Read an array ``(H, W)`` of any numeric type, -1 for void and 0 to 12, as class ids."""
    label = _read_array(path)
    if label.ndim != 2 or label.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: is an array of shape {label.shape} of {label.dtype}, expected numbers of "
            "shape (height, width)"
        )
    illegal = ~((label >= -1) & (label < _CLASSES_OF_MTAN) & (label == np.floor(label)))
    if illegal.any():
        raise DataError(
            f"{path}: holds the label values {np.unique(label[illegal]).tolist()[:10]}, expected "
            f"only -1 (void) to {_CLASSES_OF_MTAN - 1}"
        )
    ids: Array = np.where(label == -1, VOID, label).astype(np.uint8)
    return ids


def _read_array(path: Path) -> npt.NDArray[Any]:
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # NumPy has a dozen kinds for damaged files
        reason = reason_of(error) if path.stat().st_size else "it is empty"
        raise DataError(f"{path}: cannot be read as an array ({reason}); fetch it again") from None
