"""Which images and masks of a user's folder belong together, and to which split."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args
from unicodedata import normalize

from lightning_utilities.core.rank_zero import rank_zero_info

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.own_folder.division import check_splits, drawn_parts, refuse_leaks
from lit_seg.data.file_lists import inside, leads_out, listing_faults, read_lines, single_fault
from lit_seg.data.splits import Pair
from lit_seg.errors import DataError, NotThereError

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
MASKS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
JPEG = (".jpg", ".jpeg")  # changes values
_SPLITS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What folders of splits are called, in capitals or not."""
_HOW = "docs/own_data.md shows how to describe your images and masks"


class FolderFiles:
    """Pairs of images and masks below a folder; see :class:`lit_seg.data.Folder` for the options.

    Raises:
        ValueError: if the folders or splits make no sense.
    """

    def __init__(
        self,
        root: Path,
        images: str,
        masks: str,
        image_suffix: str | None,
        mask_suffix: str | None,
        splits: Mapping[str, float | str] | None,
    ) -> None:
        if ("{split}" in images) != ("{split}" in masks):
            raise ValueError(
                f"`images` and `masks` must both have {{split}} or neither, got {images!r} and "
                f"{masks!r}"
            )
        check_splits(splits, "{split}" in images)
        for key, folder in (("images", images), ("masks", masks)):
            _check_below(key, folder)
        for key, end in (("image_suffix", image_suffix), ("mask_suffix", mask_suffix)):
            if end and (set(end) & set("/\\\0") or ".." in end):
                raise ValueError(
                    f"`{key}` must be the end of a file name, without slashes and `..`, got {end!r}"
                )
        self.root = root
        self.images = images
        self.masks = masks
        self.image_suffix = image_suffix
        self.mask_suffix = mask_suffix
        self.splits = splits
        self._failed: dict[SplitName, DataError] = {}
        self._divided: dict[SplitName, list[Pair]] | None = None
        self._told = ""
        self._listings: dict[str, dict[str, list[str]]] = {}

    def pairs(self, name: SplitName) -> list[Pair]:
        """Image and mask of each sample of a split.

        Raises:
            DataError: if it is not there or not complete.
        """
        divided = self._divided or self._divide()
        self._listings = {}
        if not listing_faults():  # which leaves some out
            self._divided = divided
        if name in self._failed:
            raise self._failed[name]
        if name not in divided:
            raise NotThereError(
                f"{self.root}: there is no {name} split; `splits.{name}` gives it as a list, a "
                f"folder for {{split}} or a fraction such as 0.1. {_HOW}"
            )
        return divided[name]

    def masks_without_image(self) -> list[Path]:
        """Masks that lie beside those of all images, as far as the folders tell."""
        splits: tuple[str, ...] = ("",)
        if "{split}" in self.images:
            given = self.splits or self._found_splits()[0]
            splits = tuple(s for s in given.values() if isinstance(s, str))
        alone: list[Path] = []
        for split in splits:
            folder, masks = self._folder(self.images, split), self._folder(self.masks, split)
            images = [path for path in _files_below(folder, masks) if self._is_image(path.name)]
            used = {mask for path in images for mask in self._masks_of(path, folder, masks)}
            used |= set(images)
            end = (self.mask_suffix or "").lower() or MASKS
            found = [p for p in _files_below(masks, folder) if p.name.lower().endswith(end)]
            alone += [path for path in found if path not in used]
        return alone

    def _divide(self) -> dict[SplitName, list[Pair]]:
        if not self.root.is_dir():
            raise DataError(f"{self.root}: there is no such folder; `root` must lead to your data")
        splits = self.splits
        if splits is None:
            splits, told = self._found_splits()
            if told != self._told:  # once, also where this fails and is tried for each split
                rank_zero_info(f"{self.root}: {told}")
            self._told = told
        if "{split}" not in self.images and self._name_folders(splits):
            self._per_split()
        given: dict[SplitName, list[Pair]] = {}
        fractions: dict[SplitName, float] = {}
        for name in get_args(SplitName):
            source = splits.get(name)
            if isinstance(source, str):
                try:
                    given[name] = self._given(source)
                except DataError as error:
                    if name != "test":
                        raise
                    self._failed[name] = error  # told when it is asked for: training needs none
            elif source is not None:
                fractions[name] = source
        refuse_leaks(given, splits)
        if not fractions:
            return given
        if "train" in given:
            pool = given["train"]
        else:
            taken = {image for pairs in given.values() for image, _ in pairs}
            pool = [pair for pair in self._all() if pair[0] not in taken]
        return given | drawn_parts(pool, fractions, "train" in given, self.root)

    def _name_folders(self, splits: Mapping[str, float | str]) -> bool:
        """Whether splits are folders below that of the images, not lists."""
        sources = [source for source in splits.values() if isinstance(source, str)]
        images = self.root / self.images
        return any((images / s).is_dir() and not (self.root / s).is_file() for s in sources)

    def _per_split(self) -> None:
        self.images, self.masks = f"{self.images}/{{split}}", f"{self.masks}/{{split}}"

    def _split_folders(self, images: str) -> dict[str, str]:
        """The folders of a {split}, by the names that are in use for them."""
        before, _, after = images.partition("{split}")
        if not (self.root / before).is_dir():
            return {}
        found: dict[str, str] = {}
        for name in sorted(os.listdir(self.root / before)):
            split = _SPLITS.get(name.lower())
            if split and split not in found and (self.root / f"{before}{name}{after}").is_dir():
                found[split] = name
        return {split: found[split] for split in get_args(SplitName) if split in found}

    def _found_splits(self) -> tuple[Mapping[str, float | str], str]:
        """What the folder suggests, and how to say it."""
        names: tuple[SplitName, ...] = get_args(SplitName)
        found: dict[str, float | str]
        if "{split}" not in self.images and "train" in self._split_folders(
            f"{self.images}/{{split}}"
        ):
            self._per_split()
        if "{split}" in self.images:
            folders = self._split_folders(self.images)
            if "test" in folders and not self._folder(self.masks, folders["test"]).is_dir():
                del folders["test"]  # its masks are not public, as of many a contest
            found = {**folders}
            needed = self._folder(self.images, "train")
            what = f"folders {', '.join(folders.values())}"
        else:
            found = {n: f"{n}.txt" for n in names if (self.root / f"{n}.txt").is_file()}
            needed, what = self.root / "train.txt", ", ".join(f"{n}.txt" for n in found)
            if not found:
                fractions = {"train": 0.8, "val": 0.1, "test": 0.1}
                return fractions, "no lists, so .8 of the images train, .1 validate, .1 test"
        if "train" not in found:
            raise DataError(f"{needed}: is not there; `splits.train` tells what trains. {_HOW}")
        if "val" not in found:
            found["val"] = 0.1
            what += ", and a tenth of the training images validates"
        return found, f"splits by {what}"

    def _given(self, source: str) -> list[Pair]:
        """The pairs of a list, or of a folder for {split}."""
        if "{split}" in self.images:
            return self._all(source)
        listing = self.root / source
        if not listing.is_file():
            raise DataError(f"{listing}: there is no such list. {_HOW}")
        listed = read_lines(listing)
        if not listed:
            raise DataError(f"{listing}: lists no image")
        pairs: list[Pair] = []
        lines: dict[Path, int] = {}
        for number, text in listed:
            where, line = f"{listing}: line {number}", text.removeprefix("\ufeff").strip()
            with single_fault():
                pair = self._line(line.replace("\\", "/"), where)
                name = pair[0].with_suffix("")  # predictions are written by it
                if name in lines:
                    raise DataError(f"{where}: {line!r} is the image of line {lines[name]} again")
                lines[name] = number
                pairs.append(pair)
        return _possible(pairs)

    def _line(self, line: str, where: str) -> Pair:
        """An image, or an image and a mask; names may hold spaces."""
        if image := self._image(line, where):
            return image, self._mask_of(image, where)
        gaps = list(re.finditer(r"\s+", line))
        cuts = [(line[: gap.start()], line[gap.end() :]) for gap in gaps]
        images = [(image, second) for first, second in cuts if (image := self._image(first, where))]
        for image, second in images:
            for folder in (self.root, self.root / self.masks):
                path = inside(folder, second, where)
                if mask := self._find(path.parent, path.name):
                    return image, mask
        for _, second in images:
            raise DataError(f"{where}: there is no mask {inside(self.root, second, where)}")
        hint = (
            "; an image and its mask are separated by a space, not a comma" if "," in line else ""
        )
        raise DataError(
            f"{where}: there is no image {line!r} in {self.root / self.images} or {self.root}{hint}"
        )

    def _image(self, listed: str, where: str) -> Path | None:
        """The file that a list means, by its path or its name, with or without suffix."""
        for folder in (self.root / self.images, self.root):
            path = inside(folder, listed, where)
            if exact := self._find(path.parent, path.name):
                return exact
            ends = (self.image_suffix,) if self.image_suffix else IMAGES
            found = [self._find(path.parent, f"{path.name}{end}") for end in ends]
            images = [image for image in found if image and self._is_image(image.name)]
            if len(images) > 1:
                raise DataError(
                    f"{where}: {listed!r} may be {images[0].name} or {images[1].name}; give the "
                    "suffix"
                )
            if images:
                return images[0]
        return None

    def _all(self, split: str = "") -> list[Pair]:
        """Every image of a folder with its mask, sorted."""
        folder, masks = self._folder(self.images, split), self._folder(self.masks, split)
        for key, path in (("images", folder), ("masks", masks)):
            if not path.is_dir():
                raise DataError(
                    f"{path}: there is no such folder; `{key}` names it below `root`. {_HOW}"
                )
        images = [path for path in _files_below(folder, masks) if self._is_image(path.name)]
        if not images:
            end = self.image_suffix or ", *".join(IMAGES)
            raise DataError(f"{folder}: holds no image (*{end}). {_HOW}")
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
        pairs: list[Pair] = []
        for path in stems.values():
            with single_fault():
                pairs.append((path, self._mask(path, folder, masks)))
        return _possible(pairs)

    def _folder(self, folder: str, split: str) -> Path:
        _check_below("splits", split)
        return self.root / folder.replace("{split}", split)

    def _is_image(self, name: str) -> bool:
        name = name.lower()
        image, mask = (self.image_suffix or "").lower(), (self.mask_suffix or "").lower()
        if mask and Path(self.images) == Path(self.masks) and name.endswith(mask):
            return len(image) >= len(mask) and name.endswith(image)
        return name.endswith(image or IMAGES)

    def _stem(self, name: str) -> str:
        end = self.image_suffix
        if end and name.lower().endswith(end.lower()):
            return name[: -len(end)]
        return Path(name).stem

    def _mask_of(self, image: Path, where: str) -> Path:
        """The mask of an image that a list gives alone."""
        folder = self.root / self.images
        if not image.is_relative_to(folder):
            raise DataError(
                f"{where}: {image} lies outside {folder}, so its mask must be on the line too"
            )
        return self._mask(image, folder, self.root / self.masks)

    def _mask(self, image: Path, images: Path, masks: Path) -> Path:
        """Where the mask of an image is, or would be."""
        found = self._masks_of(image, images, masks)
        if len(found) > 1:
            raise DataError(
                f"{found[0]}: {found[1].name} could be the mask of {image.name} too; `mask_suffix` "
                "tells which"
            )
        return found[0]

    def _masks_of(self, image: Path, images: Path, masks: Path) -> list[Path]:
        """What may be the mask of an image, or the one that would be."""
        folder, stem = masks / image.parent.relative_to(images), self._stem(image.name)
        if self.mask_suffix is not None:
            name = f"{stem}{self.mask_suffix}"
            return [self._find(folder, name) or folder / name]
        for ends in (MASKS, JPEG):
            found = [self._find(folder, f"{stem}{end}") for end in ends]
            if there := [path for path in found if path]:
                return there
        return [folder / f"{stem}.png"]

    def _find(self, folder: Path, name: str) -> Path | None:
        """The file, also if it is a ``.PNG`` or its accents are written in the other way."""
        place = str(folder)
        if place not in self._listings:  # one look in place of one for each suffix
            listing: dict[str, list[str]] = {}
            for there in os.listdir(place) if os.path.isdir(place) else ():
                listing.setdefault(_folded(there), []).append(there)
            self._listings[place] = listing
        alike = self._listings[place].get(_folded(name), [])
        found = [name] if name in alike else alike
        if len(found) != 1:
            return None
        path = folder / found[0]
        return path if os.path.isfile(path) else None


def _folded(name: str) -> str:
    stem, dot, end = name.rpartition(".")
    return normalize("NFC", f"{stem}{dot}{end.lower()}")


def _check_below(key: str, folder: str) -> None:
    if leads_out(folder):
        raise ValueError(f"`{key}` must name a folder below `root`, without `..`, got {folder!r}")


def _possible(pairs: Sequence[Pair]) -> list[Pair]:
    """Refuse pairs that cannot be."""
    missing = [pair for pair in pairs if not all(map(os.path.isfile, pair))]
    if listing_faults():
        missing = []
    for image, mask in missing:
        path = image if not os.path.isfile(image) else mask
        if path.is_symlink():
            what = f"is a link to {os.readlink(path)}, where no file is"
        else:
            what = "is a folder, not a file" if path.is_dir() else "there is no such file"
        of = "" if path == image else f", the mask of {image}"
        raise DataError(
            f"{path}: {what}{of} ({len(missing)} of {len(pairs)} pairs are not complete). {_HOW}"
        )
    possible: list[Pair] = []
    for image, mask in pairs:
        with single_fault():
            if image == mask:
                raise DataError(
                    f"{image}: would be its own mask; `mask_suffix` tells masks from images. {_HOW}"
                )
            if mask.suffix.lower() in JPEG:
                raise DataError(
                    f"{mask}: JPEG changes the values of masks; save them as PNG from their source"
                )
            possible.append((image, mask))
    return possible


def _files_below(folder: Path, apart: Path) -> list[Path]:
    """Sorted, without hidden ones and those ``apart``; linked folders are followed, each once."""

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror})")

    found: list[Path] = []
    start = Path(os.path.realpath(folder))
    seen = {str(above) for above in start.parents}  # where links upwards lead
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
