"""Opening pictures: those of a few formats, none of which needs another program."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "SGI", "TIFF", "WEBP")


def open_picture(path: Path) -> ImageFile:
    """Open a picture, which is decoded later; an OSError if it is of none of the formats.

    Pillow looks at the first bytes, not at the name. Without a list of formats it would hand a file
    that begins as PostScript to Ghostscript.
    """
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(f"it is none of {', '.join(FORMATS)}") from None
