"""Opens pictures in a few formats that need no other program, and saves them without links."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from lit_seg.files.atomic_io import new_file, writing

Array = npt.NDArray[np.uint8]
"""An ``(H, W, 3)`` RGB image, or ``(H, W)`` class ids."""
Colour = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "SGI", "TIFF", "WEBP")


def open_picture(path: Path) -> ImageFile:
    """Open a picture, which is decoded later.

    Raises:
        OSError: if it has none of the formats.

    Pillow looks at the first bytes, not at the name. Without a list of formats it would hand a file
    that begins as PostScript to Ghostscript.
    """
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(f"it is none of {', '.join(FORMATS)}") from None


def save_picture(path: Path, pixels: npt.NDArray[np.uint8], **options: Any) -> None:
    """Save ``(H, W)`` or ``(H, W, 3)`` pixels in the format of the suffix, in place of a link.

    ``options`` are those of Pillow's ``save``. A WriteError says why it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)  # the name of an image may hold "/"
        with new_file(path) as file:
            Image.fromarray(pixels).save(file, **options)
