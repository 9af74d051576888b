"""Streets: an embedded set of rendered street scenes with a long tail; nothing to download."""

from pathlib import Path

import numpy as np
from rich.progress import track

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.class_table import read_classes
from lit_seg.data.datasets.streets.scene import render_scene
from lit_seg.data.transforms import Array

_SPLITS: dict[SplitName, tuple[int, int]] = {"train": (0, 400), "val": (1, 100), "test": (2, 100)}
"""The stream of random numbers and the number of scenes of each split."""


class RenderedSplit:
    """Scenes rendered once and kept in memory; those of different streams share nothing."""

    meaning = "rendered"

    def __init__(self, stream: int, size: int, height: int, width: int) -> None:
        self.images = np.empty((size, height, width, 3), np.uint8)
        self.labels = np.empty((size, height, width), np.uint8)
        for i in track(range(size), "rendering street scenes", transient=True, disable=size < 200):
            rng = np.random.default_rng((stream, i))
            self.images[i], self.labels[i] = render_scene(rng, height, width)

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        return f"scene_{index:04d}"

    def load(self, index: int) -> tuple[Array, Array]:
        return self.images[index], self.labels[index]

    def label(self, index: int) -> Array:
        return self.load(index)[1]

    def label_files(self) -> list[Path]:
        return []

    image_files = label_files


class Streets(SegDataModule):
    """400 / 100 / 100 street scenes of 128x192, 12 classes, rendered at start in a few seconds.

    The scenes are the same whatever ``seed`` is; the seed orders and augments them.
    """

    folder = "streets"
    names, colours, counts = read_classes("streets")
    native_size = (128, 192)
    card = DataCard(
        what="rendered street scenes, road 33 % to traffic light 0.1 %",
        images={"train": 400, "val": 100, "test": 100},
        licence="MIT, part of this project",
        citation="none: embedded for trying things",
        how_to_get="It is rendered, there is nothing to get.",
    )

    def split(self, name: SplitName) -> RenderedSplit:
        return RenderedSplit(*_SPLITS[name], *self.native_size)
