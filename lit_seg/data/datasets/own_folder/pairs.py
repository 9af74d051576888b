"""Finds the pairs of images and masks in a user's folder, by names of files or by a list."""

import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from lightning_utilities.core.rank_zero import rank_zero_warn

from lit_seg.data.file_lists import inside, listing_faults, read_lines, single_fault
from lit_seg.data.splits import Pair
from lit_seg.errors import DataError
from lit_seg.images.decode import NO_JPEG
from lit_seg.images.open_and_save import IMAGE_SUFFIXES, JPEG_SUFFIXES, LOSSLESS_SUFFIXES

HOW = "docs/own_data.md shows how to describe your images and masks"


@dataclass
class PairFinder:
    """Pairs the images of a folder with the masks of another, whose names may be in capitals.

    See :class:`lit_seg.data.Folder` for the options. Each folder is listed once.
    """

    root: Path
    images: Path
    masks: Path
    image_suffix: str | None = None
    mask_suffix: str | None = None
    exclude: Sequence[str] = ()
    allows_jpeg: bool = False
    _listings: dict[str, dict[str, list[str]]] = field(default_factory=dict, init=False)

    def all(self) -> list[Pair]:
        """Find every image of the folder with its mask, sorted.

        Raises:
            DataError: if a folder or a mask is missing, or it is not clear which is whose.
        """
        for option, folder in (("images", self.images), ("masks", self.masks)):
            if not folder.is_dir():
                raise DataError(
                    f"{folder}: there is no such folder; `{option}` names it below `root`. {HOW}"
                )
        files = self._below(self.images, self.masks)
        images = [path for path in files if self._is_image(path.name)]
        if not images:
            end = self.image_suffix or ", *".join(IMAGE_SUFFIXES)
            raise DataError(f"{self.images}: holds no image (*{end}). {HOW}")
        pairs: list[Pair] = []
        stems: dict[Path, Path] = {}
        for path in images:
            with single_fault():
                stem = path.with_name(self._stem(path.name))
                if stem in stems:
                    raise DataError(
                        f"{path}: would have the mask of {stems[stem].name} too; `image_suffix` "
                        "tells which of them is the image"
                    )
                stems[stem] = path
                pairs.append((path, self._mask(path)))
        self._tell_of_skipped(files, stems)
        return _possible(pairs, self.allows_jpeg)

    def listed(self, source: str) -> list[Pair]:
        """Read the pairs of a list, which is a text file below the root, in its order.

        Raises:
            DataError: if the list or a file is missing, or naming a line that is wrong.
        """
        listing = self.root / source
        if not listing.is_file():
            raise DataError(f"{listing}: there is no such list. {HOW}")
        listed = read_lines(listing)
        if not listed:
            raise DataError(f"{listing}: lists no image")
        pairs: list[Pair] = []
        lines: dict[Path, int] = {}
        for number, text in listed:
            where, line = f"{listing}: line {number}", text.removeprefix("\ufeff").strip()
            with single_fault():
                pair = self._pair(line.replace("\\", "/"), where)
                name = pair[0].with_suffix("")  # predictions are written by it
                if name in lines:
                    raise DataError(f"{where}: {line!r} is the image of line {lines[name]} again")
                lines[name] = number
                pairs.append(pair)
        return _possible(pairs, self.allows_jpeg)

    def masks_without_image(self) -> list[Path]:
        """List masks that belong to no image, as far as the folders tell."""
        images = [
            path for path in self._below(self.images, self.masks) if self._is_image(path.name)
        ]
        used = {*images, *(mask for image in images for mask in self._masks(image))}
        ends = (self.mask_suffix or "").lower() or LOSSLESS_SUFFIXES
        masks = [path for path in self._below(self.masks, self.images) if path not in used]
        return [path for path in masks if path.name.lower().endswith(ends)]

    def _below(self, folder: Path, apart: Path) -> list[Path]:
        """List the files of :func:`_files_below` that are not excluded."""
        return [path for path in _files_below(folder, apart) if not self._is_excluded(path)]

    def _is_excluded(self, path: Path) -> bool:
        if not self.exclude:
            return False
        below = path.relative_to(self.root)
        parts = (below, *below.parents)
        return any(part.match(pattern) for part in parts for pattern in self.exclude)

    def _tell_of_skipped(self, files: Sequence[Path], stems: Collection[Path]) -> None:
        """Warn of files beside the images whose suffix is not that of an image.

        Raises:
            DataError: if masks belong to more than a few of them.
        """
        skipped = [path for path in files if not path.name.lower().endswith(IMAGE_SUFFIXES)]
        if self.image_suffix or not skipped:  # the option says which files are images
            return
        ends = Counter(path.suffix.lower() or "without suffix" for path in skipped)
        shown = ", ".join(f"{number} {end}" for end, number in ends.most_common(5))
        what = f"{self.images}: files left out: {len(skipped)}, their suffix is of no image"
        lost = [
            path
            for path in skipped
            if path.with_suffix("") not in stems and any(map(os.path.isfile, self._masks(path)))
        ]
        with single_fault():
            if 10 * len(lost) > len(stems):
                raise DataError(
                    f"{what} ({shown}), though {len(lost)} have a mask, the first is "
                    f"{lost[0].name}; save them as PNG, or give "
                    f"`exclude: ['*{lost[0].suffix}']` to train on the other {len(stems)} alone"
                )
        rank_zero_warn(f"{what} ({shown})")

    def _is_image(self, name: str) -> bool:
        name = name.lower()
        image, mask = (self.image_suffix or "").lower(), (self.mask_suffix or "").lower()
        if mask and self.images == self.masks and name.endswith(mask):
            return len(image) >= len(mask) and name.endswith(image)
        return name.endswith(image or IMAGE_SUFFIXES)

    def _stem(self, name: str) -> str:
        """The part of an image's name that its mask has, too."""
        end = self.image_suffix
        if end and name.lower().endswith(end.lower()):
            return name[: -len(end)]
        return Path(name).stem

    def _mask(self, image: Path) -> Path:
        """Find the mask of an image; the path may not exist."""
        first, *others = self._masks(image)
        if others:
            raise DataError(
                f"{first}: {others[0].name} could be the mask of {image.name} too; `mask_suffix` "
                "tells which"
            )
        return first

    def _masks(self, image: Path) -> list[Path]:
        """List files that may be the mask of an image, or else the path that is expected."""
        folder, stem = self.masks / image.parent.relative_to(self.images), self._stem(image.name)
        if self.mask_suffix is not None:
            expected = folder / f"{stem}{self.mask_suffix}"
            return [self._find(expected) or expected]
        for ends in (LOSSLESS_SUFFIXES, JPEG_SUFFIXES):
            found = [self._find(folder / f"{stem}{end}") for end in ends]
            if existing := [path for path in found if path]:
                return existing
        return [folder / f"{stem}.png"]

    def _find(self, path: Path) -> Path | None:
        """Find the file of a path, also if it ends in ``.PNG`` or writes accents differently."""
        folder = str(path.parent)
        if folder not in self._listings:  # listing once is faster than a look for each suffix
            listing: dict[str, list[str]] = {}
            for entry in os.listdir(folder) if os.path.isdir(folder) else ():
                if not self._is_excluded(path.with_name(entry)):
                    listing.setdefault(_folded(entry), []).append(entry)
            self._listings[folder] = listing
        alike = self._listings[folder].get(_folded(path.name), [])
        found = [path.name] if path.name in alike else alike
        if len(found) != 1:
            return None
        path = path.with_name(found[0])
        return path if os.path.isfile(path) else None

    def _pair(self, line: str, where: str) -> Pair:
        """Read the pair of a line: an image, or an image and a mask; names may hold spaces."""
        if image := self._image(line, where):
            if not image.is_relative_to(self.images):
                raise DataError(
                    f"{where}: {image} lies outside {self.images}, so its mask must be on the line "
                    "too"
                )
            return image, self._mask(image)
        cuts = [(line[: gap.start()], line[gap.end() :]) for gap in re.finditer(r"\s+", line)]
        found = [(image, second) for first, second in cuts if (image := self._image(first, where))]
        for image, second in found:
            for folder in (self.root, self.masks):
                if mask := self._find(inside(folder, second, where)):
                    return image, mask
        for _, second in found:
            raise DataError(f"{where}: there is no mask {inside(self.root, second, where)}")
        comma = "; an image and its mask are separated by a space, not a comma"
        raise DataError(
            f"{where}: there is no image {line!r} in {self.images} or {self.root}"
            f"{comma if ',' in line else ''}"
        )

    def _image(self, listed: str, where: str) -> Path | None:
        """Find the file that a list names by its path or its name, with or without suffix."""
        for folder in (self.images, self.root):
            path = inside(folder, listed, where)
            if exact := self._find(path):
                return exact
            ends = (self.image_suffix,) if self.image_suffix else IMAGE_SUFFIXES
            found = [self._find(path.with_name(f"{path.name}{end}")) for end in ends]
            images = [image for image in found if image and self._is_image(image.name)]
            if len(images) > 1:
                raise DataError(
                    f"{where}: {path.name!r} may be {images[0].name} or {images[1].name}; give the "
                    "suffix"
                )
            if images:
                return images[0]
        return None


def _possible(pairs: Sequence[Pair], allows_jpeg: bool) -> list[Pair]:
    """Refuse pairs of missing files, masks that are JPEG, and images that are their own mask."""
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
            f"{path}: {what}{of} (incomplete pairs: {len(missing)} of {len(pairs)}). {HOW}"
        )
    possible: list[Pair] = []
    for image, mask in pairs:
        with single_fault():
            if image == mask:
                raise DataError(
                    f"{image}: would be its own mask; `mask_suffix` tells masks from images. {HOW}"
                )
            if mask.suffix.lower() in JPEG_SUFFIXES and not allows_jpeg:
                raise DataError(f"{mask}: JPEG changes the values of masks; {NO_JPEG}")
            possible.append((image, mask))
    return possible


def _files_below(folder: Path, apart: Path) -> list[Path]:
    """List the files below a folder, sorted, without hidden ones and those below ``apart``.

    Links to folders are followed, each folder once.
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
