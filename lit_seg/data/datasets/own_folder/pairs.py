"""The pairs of images and masks in a user's folder, and the split that each belongs to."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from lightning_utilities.core.rank_zero import rank_zero_info

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.own_folder.division import (
    Splits,
    check_splits,
    divide_by_fractions,
    found_splits,
    refuse_leaks,
    split_folders,
)
from lit_seg.data.datasets.own_folder.matching import (
    HOW,
    IMAGES,
    NameMatcher,
    files_below,
    possible_pairs,
)
from lit_seg.data.file_lists import inside, leads_out, listing_faults, read_lines, single_fault
from lit_seg.data.splits import Pair
from lit_seg.errors import DataError, NotThereError


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
        splits: Splits | None,
    ) -> None:
        if ("{split}" in images) != ("{split}" in masks):
            raise ValueError(
                f"`images` and `masks` must both have {{split}} or neither, got {images!r} and "
                f"{masks!r}"
            )
        check_splits(splits, "{split}" in images)
        _check_below("images", images)
        _check_below("masks", masks)
        self.root = root
        self.images = images
        self.masks = masks
        self.names = NameMatcher(image_suffix, mask_suffix, Path(images) == Path(masks))
        self.splits = splits
        self._failed: dict[SplitName, DataError] = {}
        self._divided: Mapping[SplitName, list[Pair]] | None = None
        self._told = ""

    def pairs(self, name: SplitName) -> list[Pair]:
        """Image and mask of each sample of a split.

        Raises:
            DataError: if the split is missing or incomplete.
        """
        divided = self._divided or self._divide()
        self.names.forget()
        if not listing_faults():  # then wrong pairs are left out
            self._divided = divided
        if name in self._failed:
            raise self._failed[name]
        if name not in divided:
            raise NotThereError(
                f"{self.root}: there is no {name} split; `splits.{name}` gives it as a list, a "
                f"folder for {{split}} or a fraction such as 0.1. {HOW}"
            )
        return divided[name]

    def masks_without_image(self) -> list[Path]:
        """Masks that lie beside those of all images, as far as the folders tell."""
        sources = self._splits()[0].values()
        splits = [s for s in sources if isinstance(s, str)] if "{split}" in self.images else [""]
        alone: list[Path] = []
        for split in splits:
            folder, masks = self._folder(self.images, split), self._folder(self.masks, split)
            images = self.names.images_below(folder, masks)
            used = {mask for path in images for mask in self.names.masks(path, folder, masks)}
            used |= set(images)
            found = [p for p in files_below(masks, folder) if self.names.is_mask(p.name)]
            alone += [path for path in found if path not in used]
        return alone

    def _divide(self) -> Mapping[SplitName, list[Pair]]:
        if not self.root.is_dir():
            raise DataError(f"{self.root}: there is no such folder; `root` must lead to your data")
        splits, told = self._splits()
        if told != self._told:  # once, also where this fails and is tried for each split
            rank_zero_info(f"{self.root}: {told}")
        self._told = told
        given: dict[SplitName, list[Pair]] = {}
        fractions: dict[SplitName, float] = {}
        for name in get_args(SplitName):
            source = splits.get(name)
            if isinstance(source, str):
                try:
                    given[name] = self._all(source) if self._per_split else self._listed(source)
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
        return given | divide_by_fractions(pool, fractions, "train" in given, self.root)

    @property
    def _per_split(self) -> bool:
        return "{split}" in self.images

    def _splits(self) -> tuple[Splits, str]:
        """The splits, and how to tell of those that were found; sets ``{split}`` where it is due.

        It is where the splits are folders below that of the images, not lists.
        """
        if not self._per_split:
            below = f"{self.images}/{{split}}"
            if self.splits is None:
                folders = "train" in split_folders(self.root, below)
            else:
                folders = any(
                    (self.root / self.images / source).is_dir()
                    and not (self.root / source).is_file()
                    for source in self.splits.values()
                    if isinstance(source, str)
                )
            if folders:
                self.images, self.masks = below, f"{self.masks}/{{split}}"
        if self.splits is not None:
            return self.splits, self._told
        return found_splits(self.root, self.images, self.masks)

    def _listed(self, source: str) -> list[Pair]:
        """The pairs of a list."""
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
                pair = self._line(line.replace("\\", "/"), where)
                name = pair[0].with_suffix("")  # predictions are written by it
                if name in lines:
                    raise DataError(f"{where}: {line!r} is the image of line {lines[name]} again")
                lines[name] = number
                pairs.append(pair)
        return possible_pairs(pairs)

    def _line(self, line: str, where: str) -> Pair:
        """The pair of a line: an image, or an image and a mask; names may hold spaces."""
        images, masks = self.root / self.images, self.root / self.masks
        if image := self._image(line, where):
            if not image.is_relative_to(images):
                raise DataError(
                    f"{where}: {image} lies outside {images}, so its mask must be on the line too"
                )
            return image, self.names.mask(image, images, masks)
        cuts = [(line[: gap.start()], line[gap.end() :]) for gap in re.finditer(r"\s+", line)]
        found = [(image, second) for first, second in cuts if (image := self._image(first, where))]
        for image, second in found:
            for folder in (self.root, masks):
                path = inside(folder, second, where)
                if mask := self.names.find(path.parent, path.name):
                    return image, mask
        for _, second in found:
            raise DataError(f"{where}: there is no mask {inside(self.root, second, where)}")
        hint = (
            "; an image and its mask are separated by a space, not a comma" if "," in line else ""
        )
        raise DataError(f"{where}: there is no image {line!r} in {images} or {self.root}{hint}")

    def _image(self, listed: str, where: str) -> Path | None:
        """The file that a list names by its path or its name, with or without suffix."""
        for folder in (self.root / self.images, self.root):
            if image := self.names.image(inside(folder, listed, where), where):
                return image
        return None

    def _all(self, split: str = "") -> list[Pair]:
        """Every image of a folder with its mask, sorted."""
        folder, masks = self._folder(self.images, split), self._folder(self.masks, split)
        for option, path in (("images", folder), ("masks", masks)):
            if not path.is_dir():
                raise DataError(
                    f"{path}: there is no such folder; `{option}` names it below `root`. {HOW}"
                )
        images = self.names.images_below(folder, masks)
        if not images:
            end = self.names.image_suffix or ", *".join(IMAGES)
            raise DataError(f"{folder}: holds no image (*{end}). {HOW}")
        stems: dict[Path, Path] = {}
        for path in images:
            with single_fault():
                stem = path.with_name(self.names.stem(path.name))
                if stem in stems:
                    raise DataError(
                        f"{path}: would have the mask of {stems[stem].name} too; `image_suffix` "
                        "tells which of them is the image"
                    )
                stems[stem] = path
        pairs: list[Pair] = []
        for path in stems.values():
            with single_fault():
                pairs.append((path, self.names.mask(path, folder, masks)))
        return possible_pairs(pairs)

    def _folder(self, folder: str, split: str) -> Path:
        _check_below("splits", split)
        return self.root / folder.replace("{split}", split)


def _check_below(option: str, folder: str) -> None:
    if leads_out(folder):
        raise ValueError(
            f"`{option}` must name a folder below `root`, without `..`, got {folder!r}"
        )
