"""Streets: an embedded set of rendered street scenes with a long tail; nothing to download."""

import numpy as np
from rich.progress import track

from lit_seg.data.base import SegDataModule, SplitName
from lit_seg.data.street_scene import CLASS_NAMES, PALETTE, render_scene
from lit_seg.data.transforms import Array
from lit_seg.labels import ClassCounts

_SPLITS: dict[SplitName, tuple[int, int]] = {"train": (0, 400), "val": (1, 100), "test": (2, 100)}
"""Stream of the random numbers, and number of scenes, of each split."""


class RenderedSplit:
    """Scenes rendered once and kept in memory.

    Args:
        stream: scenes of different streams share nothing.
        size: number of scenes.
        height: in pixels.
        width: in pixels.
    """

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


class Streets(SegDataModule):
    """400 / 100 / 100 street scenes of 128x192, 12 classes, rendered at start in a few seconds.

    The scenes are the same whatever ``seed`` is; the seed orders and augments them.
    """

    name = "streets"
    names = CLASS_NAMES
    colours = PALETTE
    native_size = (128, 192)
    how_to_get = "It is rendered, there is nothing to get."
    # python -m lit_seg.data.count streets
    counts = ClassCounts(
        pixels=(
            1409800,
            2308098,
            3120926,
            922301,
            986308,
            113626,
            424423,
            94165,
            42211,
            61106,
            32197,
            12281,
            302958,
        ),
        images=(400, 400, 400, 400, 400, 318, 394, 399, 377, 365, 240, 246, 400),
        image_pixels=(
            9527442,
            9527442,
            9527442,
            9527442,
            9527442,
            7570716,
            9383432,
            9503759,
            8976021,
            8688947,
            5715965,
            5869441,
            9527442,
        ),
    )

    def split(self, name: SplitName) -> RenderedSplit:
        return RenderedSplit(*_SPLITS[name], *self.native_size)
