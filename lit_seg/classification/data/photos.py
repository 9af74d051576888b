"""Photos of any size that are read from files, and the datasets that lists describe."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lit_seg.classification.data.base import IMAGENET_MEAN, IMAGENET_STD, ImageDataModule
from lit_seg.classification.data.image_format import ImageFormat
from lit_seg.classification.data.image_lists import ImageList, folder_names, read_image_list
from lit_seg.classification.data.image_splits import PhotoSplit
from lit_seg.classification.data.image_transforms import CropAndJitter
from lit_seg.data.card import SplitName
from lit_seg.data.facts import from_home


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

    def split(self, name: SplitName) -> PhotoSplit:
        paths, targets, source = self.images(name)
        return PhotoSplit(self.root, paths, targets, source, self.card.how_to_get)


class Listed(Photos):
    """Base of the published long-tailed datasets, each split of which is a list.

    Args:
        lists: folder of the lists; ``root`` by default.
        size: height and width of the images that the network sees, in pixels.
        scale: the range of a training crop's share of the image.
        flip: probability that a training image is mirrored.
        jitter: strength of the changes of brightness, contrast and saturation, 0 for none.
        **options: options of :class:`ImageDataModule`.
    """

    num_classes: int
    list_name: str
    """The file of each list, with ``{}`` in place of the split."""

    def __init__(
        self,
        lists: str | None = None,
        size: int = 224,
        scale: tuple[float, float] = (0.08, 1.0),
        flip: float = 0.5,
        jitter: float = 0.4,
        **options: Any,
    ) -> None:
        super().__init__(size, scale, flip, jitter, **options)
        self.lists = from_home(lists) if lists else self.root

    @cached_property
    def class_names(self) -> list[str]:
        return folder_names(self._train, self.num_classes)

    @cached_property
    def _train(self) -> ImageList:
        return self.images("train")

    def images(self, name: SplitName) -> ImageList:
        return self.listed(self.list_name.format(name))

    def listed(self, name: str) -> ImageList:
        """Read a list; a DataError says if it is missing."""
        path: Path = self.lists / name
        if not path.is_file():
            raise self._missing(path)
        return read_image_list(path, self.root, self.num_classes)
