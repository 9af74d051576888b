"""The mask that belongs to an image, by the names of files, and pairs that cannot be."""

import os
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

from lit_seg.data.file_lists import listing_faults, single_fault
from lit_seg.data.splits import Pair
from lit_seg.errors import DataError

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
MASKS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
JPEG = (".jpg", ".jpeg")  # changes values
HOW = "docs/own_data.md shows how to describe your images and masks"


class NameMatcher:
    """Finds images and masks by their names, in capitals or not.

    Args:
        image_suffix: end of the names of images; that of any image by default.
        mask_suffix: end of the names of masks in its place; that of any lossless image by default.
        one_folder: whether masks lie among the images.
    """

    def __init__(self, image_suffix: str | None, mask_suffix: str | None, one_folder: bool) -> None:
        for option, end in (("image_suffix", image_suffix), ("mask_suffix", mask_suffix)):
            if end and (set(end) & set("/\\\0") or ".." in end):
                raise ValueError(
                    f"`{option}` must be the end of a file name, without slashes and `..`, got "
                    f"{end!r}"
                )
        self.image_suffix = image_suffix
        self.mask_suffix = mask_suffix
        self.one_folder = one_folder
        self._listings: dict[str, dict[str, list[str]]] = {}

    def forget(self) -> None:
        """List folders anew from now on."""
        self._listings = {}

    def is_image(self, name: str) -> bool:
        """Whether a file has the name of an image."""
        name = name.lower()
        image, mask = (self.image_suffix or "").lower(), (self.mask_suffix or "").lower()
        if mask and self.one_folder and name.endswith(mask):
            return len(image) >= len(mask) and name.endswith(image)
        return name.endswith(image or IMAGES)

    def is_mask(self, name: str) -> bool:
        """Whether a file has the name of a mask, in the folder of masks."""
        return name.lower().endswith((self.mask_suffix or "").lower() or MASKS)

    def stem(self, name: str) -> str:
        """The name of an image without its end: what its mask has in common with it."""
        end = self.image_suffix
        if end and name.lower().endswith(end.lower()):
            return name[: -len(end)]
        return Path(name).stem

    def image(self, path: Path, where: str) -> Path | None:
        """The image file of a path, which may lack its suffix.

        Raises:
            DataError: if it may be one of several; it names ``where``, the line of a list.
        """
        if exact := self.find(path.parent, path.name):
            return exact
        ends = (self.image_suffix,) if self.image_suffix else IMAGES
        found = [self.find(path.parent, f"{path.name}{end}") for end in ends]
        images = [image for image in found if image and self.is_image(image.name)]
        if len(images) > 1:
            raise DataError(
                f"{where}: {path.name!r} may be {images[0].name} or {images[1].name}; give the "
                "suffix"
            )
        return images[0] if images else None

    def images_below(self, folder: Path, masks: Path) -> list[Path]:
        """The images of a folder, sorted; those below ``masks`` are none."""
        return [path for path in files_below(folder, masks) if self.is_image(path.name)]

    def mask(self, image: Path, images: Path, masks: Path) -> Path:
        """The mask of an image, whether or not it exists.

        Raises:
            DataError: if there are several.
        """
        found = self.masks(image, images, masks)
        if len(found) > 1:
            raise DataError(
                f"{found[0]}: {found[1].name} could be the mask of {image.name} too; `mask_suffix` "
                "tells which"
            )
        return found[0]

    def masks(self, image: Path, images: Path, masks: Path) -> list[Path]:
        """The files that may be the mask of an image; the one that is expected if there is none."""
        folder, stem = masks / image.parent.relative_to(images), self.stem(image.name)
        if self.mask_suffix is not None:
            name = f"{stem}{self.mask_suffix}"
            return [self.find(folder, name) or folder / name]
        for ends in (MASKS, JPEG):
            found = [self.find(folder, f"{stem}{end}") for end in ends]
            if existing := [path for path in found if path]:
                return existing
        return [folder / f"{stem}.png"]

    def find(self, folder: Path, name: str) -> Path | None:
        """The file of a name, also if it ends in ``.PNG`` or writes its accents differently."""
        key = str(folder)
        if key not in self._listings:  # listing once is faster than a look for each suffix
            listing: dict[str, list[str]] = {}
            for entry in os.listdir(key) if os.path.isdir(key) else ():
                listing.setdefault(_folded(entry), []).append(entry)
            self._listings[key] = listing
        alike = self._listings[key].get(_folded(name), [])
        found = [name] if name in alike else alike
        if len(found) != 1:
            return None
        path = folder / found[0]
        return path if os.path.isfile(path) else None


def possible_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Refuse pairs of missing files, masks that are JPEG, and images that are their own mask.

    Raises:
        DataError: naming the first such file.
    """
    missing = [pair for pair in pairs if not all(map(os.path.isfile, pair))]
    if missing and not listing_faults():
        image, mask = missing[0]
        path = image if not os.path.isfile(image) else mask
        if path.is_symlink():
            what = f"is a link to {os.readlink(path)}, where no file is"
        else:
            what = "is a folder, not a file" if path.is_dir() else "there is no such file"
        of = "" if path == image else f", the mask of {image}"
        raise DataError(
            f"{path}: {what}{of} ({len(missing)} of {len(pairs)} pairs are not complete). {HOW}"
        )
    possible: list[Pair] = []
    for image, mask in pairs:
        with single_fault():
            if image == mask:
                raise DataError(
                    f"{image}: would be its own mask; `mask_suffix` tells masks from images. {HOW}"
                )
            if mask.suffix.lower() in JPEG:
                raise DataError(
                    f"{mask}: JPEG changes the values of masks; save them as PNG from their source"
                )
            possible.append((image, mask))
    return possible


def files_below(folder: Path, apart: Path) -> list[Path]:
    """The files below a folder, sorted, without hidden ones and those below ``apart``.

    Links to folders are followed, each folder once.

    Raises:
        DataError: if a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror})")

    found: list[Path] = []
    start = Path(os.path.realpath(folder))
    seen = {str(above) for above in start.parents}  # links may lead upwards
    seen |= {os.path.realpath(apart)} - {str(start)}
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here, name) for name in files if not name.startswith(".")]
    return sorted(found)


def _folded(name: str) -> str:
    stem, dot, end = name.rpartition(".")
    return normalize("NFC", f"{stem}{dot}{end.lower()}")
