"""From a split to the samples that a DataLoader collates, of one or of two orders at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lit_seg.classification.data.image_splits import ImageSplit
from lit_seg.classification.data.image_transforms import ImageTransform
from lit_seg.data.sampling import FILLER, Key, TrainSampler
from lit_seg.images.open_and_save import Array
from lit_seg.metrics.labels import void_of


class ClassSample(TypedDict):
    """One sample, or a collated batch of them."""

    image: Tensor
    """``(channels, H, W)`` uint8; the classifier normalises it, so fewer bytes travel."""
    target: Tensor
    """The class id, int64, or ``void_of(C)`` for a sample that no score counts."""
    name: str
    image2: NotRequired[Tensor]
    """The image of the second order, where there is one."""
    target2: NotRequired[Tensor]


class ImageDataset(Dataset[ClassSample]):
    """A split and a transform; each sample's augmentation depends on (seed, key) alone.

    The sample ``FILLER`` is an image without a name and class. A pair of keys gives a sample of
    each order. The second has random numbers of its own: an image may be in both orders.
    """

    def __init__(
        self, split: ImageSplit, num_classes: int, transform: ImageTransform, seed: int = 0
    ) -> None:
        self.split = split
        self.void = void_of(num_classes)
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key | tuple[Key, Key]) -> ClassSample:
        if isinstance(key[0], int):
            return self._sample(key)
        first, second = key
        sample, other = self._sample(first), self._sample(second, 1)
        return {**sample, "image2": other["image"], "target2": other["target"]}

    def _sample(self, key: Key, *order: int) -> ClassSample:
        index = key[1]
        if index == FILLER:
            return {**self._sample((0, 0, 0)), "target": torch.tensor(self.void), "name": ""}
        words = np.random.SeedSequence((self.seed, *key, *order)).generate_state(1)
        image: Array = self.transform(self.split.load(index), int(words[0]))
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            "target": torch.tensor(int(self.split.targets[index])),
            "name": self.split.name(index),
        }


class TwoOrderSampler(TrainSampler):
    """The samples of two orders of the training images side by side, as BBN needs them."""

    def __init__(
        self,
        order: Callable[[int], Sequence[int]],
        second: Callable[[int], Sequence[int]],
        size: int,
        rank: int = 0,
        ranks: int = 1,
        epoch: int = 0,
        done: int = 0,
    ) -> None:
        super().__init__(order, size, rank, ranks, epoch, done)
        self.second = TrainSampler(second, size, rank, ranks, epoch, done)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        super().set_epoch(epoch)
        self.second.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[Key, Key]]:  # type: ignore[override]
        return zip(super().__iter__(), self.second, strict=True)
