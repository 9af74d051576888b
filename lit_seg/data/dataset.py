"""From a split's images and labels to the samples that a DataLoader collates."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lit_seg.data.sampling import FILLER, Key
from lit_seg.data.splits import Split
from lit_seg.data.transforms import Transform
from lit_seg.errors import RunError
from lit_seg.images.resize import CHANNELS
from lit_seg.metrics.labels import VOID


class Sample(TypedDict):
    """One sample, or a collated batch of them."""

    image: Tensor
    """``(3, H, W)`` uint8 RGB; the network normalises it, so fewer bytes travel. Of other channels,
    ``(channels, H, W)`` uint8, or int32 where the files hold 16 bits."""
    target: Tensor
    """``(H, W)`` class ids or ``VOID``: uint8 from the loader, int64 on the device."""
    name: str


def check_batch(batch: Any, keys: Sequence[str]) -> None:
    """Refuse a batch of another kind, such as the pairs that most datasets give.

    Raises:
        RunError: naming what is missing.
    """
    if not isinstance(batch, Mapping) or not set(keys) <= batch.keys():
        given = sorted(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
        raise RunError(
            f"a batch must be a dict with {', '.join(map(repr, keys))}, got {given}; "
            "`lit_seg.data.dataset.Sample` says what each holds"
        )


class SegDataset(Dataset[Sample]):
    """A split and a transform; each sample's augmentation depends on (seed, key) alone.

    The sample ``FILLER`` is an image without a name whose pixels are all void: no score counts it.
    Void pixels of the split train as ``void_class``; ``VOID`` ignores them.
    """

    def __init__(
        self, split: Split, transform: Transform, seed: int = 0, void_class: int = VOID
    ) -> None:
        self.split = split
        self.transform = transform
        self.seed = seed
        self.void_class = void_class

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key) -> Sample:
        index = key[1]
        if index == FILLER:
            sample = self[0, 0, 0]
            return {**sample, "target": torch.full_like(sample["target"], VOID), "name": ""}
        image, label = self.split.load(index)
        if self.void_class != VOID:
            label = np.where(label == VOID, np.uint8(self.void_class), label)
        words = np.random.SeedSequence((self.seed, *key)).generate_state(1)
        image, label = self.transform(image, label, int(words[0]))
        if image.dtype != np.uint8:
            image = image.astype(np.int32)  # torch can do little with 16 bits
        if image.shape[2] > CHANNELS:  # of more than 128, OpenCV 5 would write none
            planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        else:
            planes = np.empty((image.shape[2], *image.shape[:2]), image.dtype)
            cv2.split(image, list(planes))  # six times as fast as a transposed copy
        return {
            "image": torch.from_numpy(planes),
            "target": torch.from_numpy(label.copy()),  # which a cache may hold
            "name": self.split.name(index),
        }
