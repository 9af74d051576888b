"""Decodes image files as they are stored, or refuses them and says what is wrong.

Pillow is silent where it changes numbers: it keeps the high byte of deep colours, and spreads
shades of 2 or 4 bits, or of a PGM with a small maximum, over 0 to 255. Labels must stay.
"""

import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from lit_seg.errors import DataError
from lit_seg.images.open_and_save import Array, open_picture

NO_JPEG = "save them as PNG from their source, or give `threshold` if there are two classes"
_BITS_PER_SAMPLE = 258
"""The TIFF tag for the bits of each channel."""
_SAMPLES_PER_PIXEL = 277
"""The TIFF tag for the number of channels."""


def read_image(path: Path, upright: bool = False) -> Array:
    """Read an image file as ``(H, W, 3)`` uint8 RGB; it must hold 8 bits per channel.

    A warning tells of what is left out: transparency, and further bands. ``upright`` turns the
    pixels by the EXIF orientation, as viewers do; otherwise they stay as they are stored.
    """
    found = decode_picture(path)
    if upright:
        turn_upright(found.image)
    image = _eight_bits(path, found)
    if found.image.format == "TIFF":  # of an animation, the first picture is the natural one
        _refuse_pages(path, found)
    _tell_what_is_left_out(path, image, found)
    _tell_what_is_turned(path, found.image)
    return np.asarray(image.convert("RGB"))


def turn_upright(image: Image.Image) -> None:
    """Turn the pixels of a picture by its EXIF orientation, in place, as viewers do."""
    image.getexif()  # Pillow keeps what it has read
    image.info.pop("exif", None)  # or it would be written anew, which fails if a field is damaged
    ImageOps.exif_transpose(image, in_place=True)


def decode_label(path: Path, lossy: bool = False) -> Image.Image:
    """Decode a label file; its numbers or palette indices stay as they are stored.

    It must have one page, and no compression that changes values unless ``lossy`` allows it.
    """
    found = _decode_label(path, lossy)
    image = found.image
    if found.spread:
        top = 255 if image.mode == "L" else 65535
        numbers = np.rint(np.asarray(image, np.float64) * (found.spread / top))
        return Image.fromarray(numbers.astype(np.uint8 if found.spread < 256 else np.uint16))
    return image


def decode_colour_label(path: Path) -> Image.Image:
    """Decode a label file whose classes are colours that hold 8 bits per channel."""
    found = _decode_label(path)
    if _holds_numbers(found.image) and not _spread_to_16_bits(path, found):
        raise DataError(
            f"{path}: holds numbers ({found.image.mode}), not colours; give the classes by `ids`"
        )
    return _eight_bits(path, found)


def is_jpeg(image: Image.Image) -> bool:
    """Whether a file that was just decoded holds JPEG data."""
    return image.format in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"


class _Decoded(NamedTuple):
    image: Image.Image
    bits: int
    """Bits per channel in the file: 8 unless PNG, TIFF, PNM or SGI say otherwise."""
    spread: int
    """The largest stored shade if Pillow has spread the shades over all values, else 0."""
    pages: int


def decode_picture(path: Path) -> _Decoded:
    """Decode a picture as Pillow does, and say what it stores; a DataError says what is wrong."""
    try:
        with open_picture(path) as image:
            # before the pixels are loaded: then the decoder's arguments are gone
            bits, spread = _bits_and_spread(image)
            pages = getattr(image, "n_frames", 1)
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


def _decode_label(path: Path, lossy: bool = False) -> _Decoded:
    found = decode_picture(path)
    _refuse_pages(path, found)
    if is_jpeg(found.image) and not lossy:
        raise DataError(f"{path}: holds JPEG data, which changes the values of masks; {NO_JPEG}")
    return found


def _holds_numbers(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _eight_bits(path: Path, found: _Decoded) -> Image.Image:
    """Convert an image to 8 bits per channel; refuse it if it holds more."""
    image, has_numbers = found.image, _holds_numbers(found.image)
    if found.bits <= 8 and not has_numbers:
        return image
    if not _spread_to_16_bits(path, found):  # conversion would clip numbers to white
        raise DataError(
            f"{path}: images must have 8 bits per channel, this one is of Pillow's mode "
            f"{image.mode} from {found.bits} bits; scale it to 0..255 first"
        )
    if has_numbers:  # of colours, Pillow keeps the high bytes itself
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def _spread_to_16_bits(path: Path, found: _Decoded) -> bool:
    """Whether channels of 16 bits hold 8 bits times 257 or 256, so that the high byte is enough."""
    if found.bits != 16:
        return False
    try:
        stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return False
    if stored is None or stored.dtype != np.uint16:
        return False
    low = stored & 255
    return not low.any() or np.array_equal(low, stored >> 8)


def _warn(message: str) -> None:
    """Warn on the first rank of a job, which needs no Lightning: prediction has none."""
    if os.environ.get("RANK", "0") == "0":
        warnings.warn(message, stacklevel=2)


def _tell_what_is_left_out(path: Path, image: Image.Image, found: _Decoded) -> None:
    bands = image.getbands()
    stored = len(bands)
    if isinstance(found.image, TiffImageFile):
        stored = found.image.tag_v2.get(_SAMPLES_PER_PIXEL, stored)
    see_through = bands[-1] in ("A", "a", "X") and image.getextrema()[-1] != (255, 255)
    if see_through or stored > len(bands):
        # without the name of the file: Python says the same sentence only once
        _warn(
            f"{path.parent}: images have {stored} bands, and the network sees red, green and blue: "
            "what else they hold, such as transparency or infrared, is left out"
        )


def _tell_what_is_turned(path: Path, image: Image.Image) -> None:
    """Warn of pictures that viewers show turned, where the size of a mask does not tell it."""
    if "exif" in image.info and image.format != "TIFF":  # of which Pillow has turned the pixels
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        if orientation in (2, 3, 4) or (
            orientation in (5, 6, 7, 8) and image.width == image.height
        ):
            _warn(
                f"{path.parent}: images have an EXIF orientation, by which viewers turn them, and "
                "are used as stored; if the masks were drawn on turned ones, turn the images for "
                "good, such as by `mogrify -auto-orient`"
            )


def _refuse_pages(path: Path, found: _Decoded) -> None:
    if found.pages > 1:
        raise DataError(f"{path}: holds {found.pages} pages, of which one is the picture; split it")


def _bits_and_spread(image: ImageFile) -> tuple[int, int]:
    """Read the bits per channel and the spread from the arguments of Pillow's decoders."""
    bits, spread = 8, 0
    for tile in image.tile:
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if tile.codec_name.startswith("ppm") and isinstance(args[-1], int):
            largest = args[-1]
            return largest.bit_length(), 0 if largest in (255, 65535) else largest
        for mode in (arg for arg in args if isinstance(arg, str)):
            # a suffix tells the order of two bytes; `BGR;16` of BMP has 16 bits for three channels
            if re.search(";16[BLN]$", mode):
                bits = 16
            elif few := re.match("L;([24])", mode):
                spread = int(2 ** int(few[1])) - 1
        if tile.codec_name == "SGI16":
            bits = 16
    if isinstance(image, TiffImageFile):
        bits = int(max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))
    return bits, spread
