"""Decoding image files: as they are stored, or refused with what is wrong with them.

Pillow is silent where it changes numbers: it keeps the high byte of deep colours, and spreads
shades of 2 or 4 bits, or of a PGM with a small maximum, over 0 to 255. Labels must stay.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from lit_seg.data.transforms import Array
from lit_seg.errors import DataError

_BITS_PER_SAMPLE = 258
"""The TIFF tag for the bits of each channel."""


def read_image(path: Path) -> Array:
    """Read an image file as ``(H, W, 3)`` uint8 RGB.

    Raises:
        DataError: if the file cannot be decoded to its end, holds more than 8 bits per channel, or
            is a TIFF of several pages.
    """
    found = _decode(path)
    image = found.image
    if _holds_numbers(image):  # conversion would clip them to white
        raise _too_deep(path, image.mode)
    _refuse_deep_colours(path, found)
    if image.format == "TIFF":  # of an animation, the first picture is the natural one
        _refuse_pages(path, found)
    return np.asarray(image.convert("RGB"))


def decode_label(path: Path) -> Image.Image:
    """Decode a label file; its numbers or palette indices stay as they are stored.

    Raises:
        DataError: if it cannot be decoded to its end, has several pages, or was compressed in a way
            that changes values.
    """
    found = _decode_label(path)
    image = found.image
    if found.spread:
        top = 255 if image.mode == "L" else 65535
        numbers = np.rint(np.asarray(image, np.float64) * (found.spread / top))
        return Image.fromarray(numbers.astype(np.uint8 if found.spread < 256 else np.uint16))
    return image


def decode_colour_label(path: Path) -> Image.Image:
    """Decode a label file whose classes are colours.

    Raises:
        DataError: as :func:`decode_label`, or if it holds numbers or colours of more than 8 bits
            per channel.
    """
    found = _decode_label(path)
    if _holds_numbers(found.image):
        raise DataError(
            f"{path}: holds numbers ({found.image.mode}), not colours; give the classes by `ids`"
        )
    _refuse_deep_colours(path, found)
    return found.image


class _Decoded(NamedTuple):
    image: Image.Image
    bits: int
    """Bits per channel in the file: 8 unless PNG, TIFF, PNM or SGI say otherwise."""
    spread: int
    """The largest stored shade if Pillow has spread the shades over all values, else 0."""
    pages: int


def _decode(path: Path) -> _Decoded:
    try:
        with Image.open(path) as image:
            # before the pixels are loaded: then the decoder's arguments are gone
            bits, spread = _bits(image), _spread(image)
            pages = getattr(image, "n_frames", 1) if image.format in ("TIFF", "GIF") else 1
            image.load()
            return _Decoded(image, bits, spread, pages)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, not an image") from None
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{path}: is too large to be decoded at each step ({error}); cut it into tiles"
        ) from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all of these on damage
        reason = error if path.stat().st_size else "it is empty"
        raise DataError(f"{path}: cannot be read as an image ({reason}); fetch it again") from None


def _decode_label(path: Path) -> _Decoded:
    found = _decode(path)
    _refuse_pages(path, found)
    if found.image.format in ("JPEG", "MPO") or found.image.info.get("compression") == "jpeg":
        raise DataError(
            f"{path}: holds JPEG data, which changes the values of masks; save them as PNG from "
            "their source"
        )
    return found


def _holds_numbers(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _refuse_deep_colours(path: Path, found: _Decoded) -> None:
    if found.bits > 8:
        raise _too_deep(path, f"{found.image.mode} from {found.bits} bits")


def _refuse_pages(path: Path, found: _Decoded) -> None:
    if found.pages > 1:
        raise DataError(f"{path}: holds {found.pages} pages, of which one is the picture; split it")


def _too_deep(path: Path, mode: str) -> DataError:
    return DataError(
        f"{path}: images must have 8 bits per channel, this one is of Pillow's mode {mode}; scale "
        "it to 0..255 first"
    )


def _decoder_args(image: ImageFile) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The name of each decoder that Pillow would use, and its arguments."""
    for tile in image.tile:
        yield tile.codec_name, tile.args if isinstance(tile.args, tuple) else (tile.args,)


def _bits(image: ImageFile) -> int:
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))
    for codec, args in _decoder_args(image):
        if codec.startswith("ppm") and isinstance(args[-1], int):
            return args[-1].bit_length()  # the last argument is the largest value
        # a suffix tells the order of two bytes; `BGR;16` of BMP has 16 bits for three channels
        deep = any(isinstance(arg, str) and re.search(";16[BLN]$", arg) for arg in args)
        if deep or codec == "SGI16":
            return 16
    return 8


def _spread(image: ImageFile) -> int:
    for codec, args in _decoder_args(image):
        if codec.startswith("ppm") and isinstance(args[-1], int):
            return 0 if args[-1] in (255, 65535) else args[-1]
        for arg in args:
            if isinstance(arg, str) and (few := re.match(r"L;([24])", arg)):
                return int(2 ** int(few[1])) - 1
    return 0
