"""Small images that are kept in memory."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from lit_seg.classification.data.base import ImageDataModule
from lit_seg.classification.data.image_format import ImageFormat
from lit_seg.classification.data.image_splits import ArraySplit, Targets
from lit_seg.classification.data.image_transforms import ShiftAndFlip
from lit_seg.classification.data.long_tail import drawn_images, tail_counts
from lit_seg.data.card import SplitName
from lit_seg.data.sampling import Order
from lit_seg.errors import DataError
from lit_seg.images.open_and_save import Array


class SmallImages(ImageDataModule):
    """Base of the datasets that are kept in memory.

    Args:
        shift: how far a training image is moved at most, in pixels; what comes in is black.
        flip: probability that it is mirrored.
        **options: options of :class:`ImageDataModule`.
    """

    names: tuple[str, ...]
    """Class names in the order of their ids."""
    size: int
    """Height and width of an image."""
    mean: Sequence[float]
    std: Sequence[float]
    """Standard deviation of each channel; both over all images, before the set is long-tailed."""

    def __init__(self, shift: int = 0, flip: float = 0.0, **options: Any) -> None:
        self._transform = ShiftAndFlip(shift, flip)
        super().__init__(**options)

    @property
    def class_names(self) -> list[str]:
        return list(self.names)

    @property
    def data_format(self) -> ImageFormat:
        shape = (self.size, self.size, self.size, len(self.mean))
        return ImageFormat(self.folder, *shape, list(self.mean), list(self.std))

    def train_transform(self) -> ShiftAndFlip:
        return self._transform


class DrawnTail(SmallImages):
    """Base of the sets that come with a package and are made long-tailed by the seed.

    The seed draws which class has which count: in the order of the labels, digit 9 would always be
    the rarest, and how hard a class is could not be told from how rare it is. It also draws which
    images train, validate and test: each class has ``test_images``, and of what is then left up to
    ``val_images``, so that what is chosen (a strength, a checkpoint) is not chosen on the test.

    Args:
        largest: training images of the most frequent class.
        factor: the share of them that the rarest class has; counts fall exponentially.
        val_images: validation images of a class, at most.
        test_images: test images of a class.
        shift: how far a training image is moved at most, in pixels.
        **options: options of :class:`ImageDataModule`, but for ``root``.

    Raises:
        ValueError: if too few images of a class are left.
    """

    def __init__(
        self,
        largest: int,
        factor: float,
        val_images: int,
        test_images: int,
        shift: int = 0,
        **options: Any,
    ) -> None:
        self.counts = tail_counts(largest, factor, len(self.names))
        for name, value in (("val_images", val_images), ("test_images", test_images)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        self.val_images, self.test_images = val_images, test_images
        super().__init__(shift=shift, **options)

    @abstractmethod
    def images(self) -> tuple[Array, Targets]:
        """All ``(N, H, W, channels)`` images of the set, and their classes."""

    @cached_property
    def _parts(self) -> tuple[Array, Targets, Mapping[SplitName, Order]]:
        images, targets = self.images()
        held_out = self.val_images, self.test_images
        return images, targets, drawn_images(targets, self.counts, *held_out, self.seed)

    def split(self, name: SplitName) -> ArraySplit:
        images, targets, parts = self._parts
        chosen = parts[name]
        return ArraySplit(images[chosen], targets[chosen], chosen.tolist())


def missing_package(package: str, error: ModuleNotFoundError) -> DataError:
    """The error for images that come with a package which is not installed."""
    return DataError(f"the images come with {package} ({error}): `pip install {package}`")
