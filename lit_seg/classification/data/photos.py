"""Photos of any size that are read from files, and the datasets that lists describe."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, get_args

from lit_seg.classification.data.base import IMAGENET_MEAN, IMAGENET_STD, ImageDataModule
from lit_seg.classification.data.image_format import ImageFormat
from lit_seg.classification.data.image_lists import (
    ImageList,
    check_folders,
    folder_names,
    read_image_list,
)
from lit_seg.classification.data.image_splits import PhotoSplit
from lit_seg.classification.data.image_transforms import CropAndJitter
from lit_seg.data.card import SplitName
from lit_seg.data.facts import from_home
from lit_seg.errors import DataError, NotThereError


class Photos(ImageDataModule):
    """Base of the datasets of image files.

    In evaluation the shorter side becomes 8/7 of ``size`` (256 for 224), and the centre is cut out.

    Args:
        size: height and width of the images that the network sees, in pixels.
        scale: the range of a training crop's share of the image.
        flip: probability that a training image is mirrored.
        jitter: strength of the changes of brightness, contrast and saturation, 0 for none.
        **options: options of :class:`ImageDataModule`.
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD

    def __init__(
        self,
        size: int = 224,
        scale: tuple[float, float] = (0.08, 1.0),
        flip: float = 0.5,
        jitter: float = 0.4,
        **options: Any,
    ) -> None:
        if not 4 <= size <= 2**14:
            raise ValueError(f"`size` must be 4 to {2**14} pixels, got {size}")
        self.size = size
        self._transform = CropAndJitter(size, scale, flip, jitter)
        super().__init__(**options)

    @property
    def data_format(self) -> ImageFormat:
        shape = (self.size, self.size, round(self.size * 8 / 7), 3)
        return ImageFormat(self.folder, *shape, list(self.mean), list(self.std))

    def train_transform(self) -> CropAndJitter:
        return self._transform

    @abstractmethod
    def images(self, name: SplitName) -> ImageList:
        """Find the images of a split; their files need not be there."""

    def prepare_data(self) -> None:
        """Refuse images that are listed more than once, also as those of a later test."""
        splits: dict[SplitName, PhotoSplit] = {}
        for name in get_args(SplitName):
            with suppress(NotThereError):
                splits[name] = self._split(name)  # type: ignore[assignment]
        check_repeats(splits)
        super().prepare_data()

    def split(self, name: SplitName) -> PhotoSplit:
        paths, targets, source = self.images(name)
        return PhotoSplit(self.root, paths, targets, source, self.card.how_to_get)


def check_repeats(splits: Mapping[SplitName, PhotoSplit]) -> None:
    """Refuse an image that is listed twice in a split, or in two of them.

    Where validation and test are the same list, as in public code, they are meant to be.

    Raises:
        DataError: naming the first such image.
    """
    known: dict[SplitName, set[str]] = {}
    for name, split in splits.items():
        paths = set(split.paths)
        if more := len(split) - len(paths):
            twice = next(path for path, times in Counter(split.paths).items() if times > 1)
            raise DataError(
                f"{split.source}: {twice} is listed more than once for {name} (lines too many: "
                f"{more}); remove them"
            )
        for other, of_other in known.items():
            shared = paths & of_other
            if shared and (other == "train" or paths != of_other):
                raise DataError(
                    f"{split.source}: {min(shared)} is listed for {name}, and for {other} too "
                    f"(images in both: {len(shared)}); leave each in one of the two, for scores of "
                    "images that trained or chose say nothing"
                )
        known[name] = paths


class Listed(Photos):
    """Base of the published long-tailed datasets, each split of which is a list.

    Args:
        lists: folder of the lists; ``root`` by default.
        own_lists: whether they are your own, of any length; published ones must be whole.
        size: height and width of the images that the network sees, in pixels.
        scale: the range of a training crop's share of the image.
        flip: probability that a training image is mirrored.
        jitter: strength of the changes of brightness, contrast and saturation, 0 for none.
        **options: options of :class:`ImageDataModule`.
    """

    num_classes: int
    list_name: str
    """The file of each list, with ``{}`` in place of the split."""
    lengths: ClassVar[Mapping[SplitName, int]]
    """The images in each published list."""

    def __init__(
        self,
        lists: str | None = None,
        own_lists: bool = False,
        size: int = 224,
        scale: tuple[float, float] = (0.08, 1.0),
        flip: float = 0.5,
        jitter: float = 0.4,
        **options: Any,
    ) -> None:
        super().__init__(size, scale, flip, jitter, **options)
        self.lists = from_home(lists) if lists else self.root
        self.own_lists = own_lists

    @cached_property
    def class_names(self) -> list[str]:
        return folder_names(self._train, self.num_classes)

    @cached_property
    def _train(self) -> ImageList:
        return self.images("train")

    def images(self, name: SplitName) -> ImageList:
        return self.listed(name)

    def listed(self, name: SplitName) -> ImageList:
        """Read a list.

        Raises:
            DataError: if it is missing, not whole, or gives a folder another class id than the
                training list.
        """
        found = self.read(name)
        if not self.own_lists and len(found.paths) != self.lengths[name]:
            raise DataError(
                f"{found.source}: lists {len(found.paths)} images, and as published "
                f"{self.lengths[name]}; fetch it again, or say that these lists are your own by "
                "`--data.init_args.own_lists true`"
            )
        if name != "train":
            with suppress(NotThereError):  # where the training list is not here
                check_folders(found, dict(enumerate(self.class_names)))
        return found

    def read(self, name: SplitName) -> ImageList:
        """Read a list as it is; a DataError says if it is missing."""
        path: Path = self.lists / self.list_name.format(name)
        if not path.is_file():
            raise self._missing(path)
        return read_image_list(path, self.root, self.num_classes)
