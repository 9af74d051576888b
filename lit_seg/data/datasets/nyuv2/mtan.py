"""NYUv2 as arrays of 288x384, which were prepared for MTAN and are usual in multi-task papers."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.nyuv2.mat import HOW_TO_GET
from lit_seg.data.splits import FileSplit
from lit_seg.data.transforms import Array
from lit_seg.errors import DataError, reason_of
from lit_seg.metrics.labels import VOID

SIZES = {"train": 795, "val": 654}
_CLASSES = 13


def mtan_split(root: Path, name: SplitName) -> FileSplit:
    """``{train,val}/{image,label}/<i>.npy``, in the order of the numbers from 0."""
    part = "train" if name == "train" else "val"
    images, labels = (root / part / kind for kind in ("image", "label"))
    pairs = [(images / f"{i}.npy", labels / f"{i}.npy") for i in range(SIZES[part])]
    return FileSplit(pairs, read_label, root, read_image, HOW_TO_GET)


def read_image(path: Path) -> Array:
    """Read an array ``(H, W, 3)`` of floats in [0, 1] or uint8, as uint8."""
    image = _read(path)
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


def read_label(path: Path) -> Array:
    """Read an array ``(H, W)`` of any numeric type, -1 for void and 0 to 12, as class ids."""
    label = _read(path)
    if label.ndim != 2 or label.dtype.kind not in "iuf":
        raise DataError(
            f"{path}: is an array of shape {label.shape} of {label.dtype}, expected numbers of "
            "shape (height, width)"
        )
    illegal = ~((label >= -1) & (label < _CLASSES) & (label == np.floor(label)))
    if illegal.any():
        raise DataError(
            f"{path}: holds the label values {np.unique(label[illegal]).tolist()[:10]}, expected "
            f"only -1 (void) to {_CLASSES - 1}"
        )
    ids: Array = np.where(label == -1, VOID, label).astype(np.uint8)
    return ids


def _read(path: Path) -> npt.NDArray[Any]:
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # NumPy has a dozen kinds for damaged files
        reason = reason_of(error) if path.stat().st_size else "it is empty"
        raise DataError(f"{path}: cannot be read as an array ({reason}); fetch it again") from None
