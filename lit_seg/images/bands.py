"""Reads images with other bands than red, green and blue, as their numbers are stored."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lit_seg.errors import DataError, RunError, plural
from lit_seg.images.decode import decode_picture, read_image
from lit_seg.images.open_and_save import Array

_PICTURES = ("L", "LA", "RGB", "RGBA")
"""Pillow's modes whose bands are those of the file."""


def read_bands(path: Path, channels: int, upright: bool = False) -> Array:
    """Read an image file as ``(H, W, channels)`` uint8 or uint16, as its numbers are stored.

    Three channels are red, green and blue of 8 bits, as :func:`read_image` gives them, which turns
    them if they shall be ``upright``. TIFF of
    others is read by tifffile, whether a pixel's bands lie together, in planes or in pages.

    Raises:
        DataError: if the file cannot be read or holds other bands or numbers.
    """
    if channels == 3:
        return read_image(path, upright)
    found = _of_tiff(path) if path.suffix.lower() in (".tif", ".tiff") else _of_picture(path)
    image = found[..., None] if found.ndim == 2 else found
    if image.shape[2:] != (channels,):
        raise DataError(
            f"{path}: has {plural(image.shape[2], 'band')}, and `data.init_args.channels` is "
            f"{channels}; give the number of bands that all images have"
        )
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"{path}: holds numbers of type {image.dtype}; scale them to whole numbers of 8 or 16 "
            "bits without a sign"
        )
    return image


def as_picture(image: npt.NDArray[Any]) -> Array:
    """Show ``(H, W, channels)`` as ``(H, W, 3)`` uint8: the first three bands, or else the first.

    Numbers of more than 8 bits are scaled so that the largest of them is white.
    """
    bands = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    if bands.dtype == np.uint8:
        return bands
    scaled = bands * (255 / max(1, int(bands.max())))
    shown: Array = scaled.astype(np.uint8)
    return shown


def _of_picture(path: Path) -> npt.NDArray[Any]:
    found = decode_picture(path)  # which refuses damaged files, that OpenCV shows in part
    image = found.image
    if found.bits <= 8:
        if image.mode not in _PICTURES:  # a palette, or one bit
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        return np.asarray(image)
    stored: npt.NDArray[Any] | None = cv2.imdecode(
        np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED
    )
    if stored is None:
        raise DataError(f"{path}: cannot be read as an image of {found.bits} bits; save it as PNG")
    if stored.ndim == 3:  # OpenCV's order is blue, green, red
        stored = stored[..., [2, 1, 0, *range(3, stored.shape[2])]]
    return stored


def _of_tiff(path: Path) -> npt.NDArray[Any]:
    if find_spec("tifffile") is None:
        raise RunError(
            f"{path}: TIFF needs tifffile where `channels` is not 3: pip install tifffile"
        )
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            axes, image = series.axes, series.asarray()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # tifffile raises whatever its codecs do
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot be read as TIFF ({reason}); fetch it again") from None
    if image.ndim > 3 or not axes.replace("S", "").endswith("YX"):
        raise DataError(f"{path}: has the axes {axes}; one picture must have rows, columns, bands")
    bands: npt.NDArray[Any] = image if axes[0] == "Y" else np.moveaxis(image, 0, -1)
    return bands
