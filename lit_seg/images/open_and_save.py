"""Opens pictures in a few formats that need no other program, and saves them without links."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from lit_seg.files.atomic_io import replace_file, writing

Array = npt.NDArray[np.uint8]
"""An ``(H, W, 3)`` RGB image, or ``(H, W)`` class ids."""
Colour = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")  # changes values
LOSSLESS_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
IMAGE_SUFFIXES = (*JPEG_SUFFIXES, *LOSSLESS_SUFFIXES, ".webp")
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


def save_picture(
    path: Path,
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    instead: str = "another folder by --run_dir",
    shared: bool = False,
    **options: Any,
) -> None:
    """Save ``(H, W)`` or ``(H, W, 3)`` pixels, whole or not at all, in the format of the suffix.

    ``options`` are those of Pillow's ``save``. A WriteError says why it cannot be written, and
    what to give ``instead``. ``shared`` is that of :func:`replace_file`: drafts that a kill left
    are looked for only where it is false, which takes a look at the whole folder.
    """
    kind = Image.registered_extensions()[path.suffix]
    with writing(path, instead):
        replace_file(path, lambda f: Image.fromarray(pixels).save(f, kind, **options), shared)
