"""Streets: an embedded set of rendered street scenes with a long tail; nothing to download."""

import numpy as np
from numpy.random import Generator
from rich.progress import track

from lit_seg.data.base import SegDataModule
from lit_seg.data.card import DataCard, SplitName, read_classes
from lit_seg.data.datasets.streets import backdrop, furniture, traffic
from lit_seg.data.datasets.streets.canvas import Camera, Canvas
from lit_seg.data.datasets.streets.photo import photograph
from lit_seg.data.datasets.streets.plan import Street, Thing
from lit_seg.data.splits import Split
from lit_seg.images.open_and_save import Array

_SPLITS: dict[SplitName, tuple[int, int]] = {"train": (0, 400), "val": (1, 100), "test": (2, 100)}
"""The stream of random numbers and the number of scenes of each split."""


class Streets(SegDataModule):
    """400 / 100 / 100 street scenes of 128x192, 12 classes, rendered at start in a few seconds.

    The scenes are the same whatever ``seed`` is; the seed orders and augments them.
    """

    folder = "streets"
    names, colours, counts = read_classes("streets")
    native_size = (128, 192)
    card = DataCard(
        what="rendered street scenes, road 33 % to traffic light 0.1 %",
        images={name: size for name, (_, size) in _SPLITS.items()},
        licence="MIT, part of this project",
        citation="none: embedded for trying things",
        how_to_get="It is rendered, there is nothing to get.",
    )

    def split(self, name: SplitName) -> "RenderedSplit":
        return RenderedSplit(*_SPLITS[name], *self.native_size)


class RenderedSplit(Split):
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


_LAST_SHADOW = 32.0  # metres ahead; the shadows of things farther off could not be seen
_REACH = 3.0  # metres; hardly anything spreads farther to the side from where it stands
_PLACES = (
    traffic.place_people,
    furniture.place_posts,
    traffic.place_cars,
    furniture.place_trees,
    furniture.place_fences,
    furniture.place_bins,
)
"""The rarest things come first, since the first to come keeps its place when two collide."""


def render_scene(rng: Generator, height: int, width: int) -> tuple[Array, Array]:
    """Lay out a random street scene, paint it from far to near, and photograph it.

    The same state of ``rng`` gives the same scene bit for bit. Things scale with ``height``; a
    wider image shows more to the sides.

    Returns:
        The RGB image, (H, W, 3) uint8, and its label map, (H, W) uint8, whose values are those of
        `StreetClass`, or ``VOID`` where a pixel is not labelled.
    """
    road = rng.uniform(2.9, 4.1)
    street = Street(
        road=road,
        front=road + rng.uniform(2.4, 4.8),
        sun=(rng.uniform(-1.1, 1.1), rng.uniform(-0.5, 0.8)),
        dusk=rng.uniform(0.45, 0.98),
    )
    camera = Camera(  # on or beside the middle of the road
        horizon=height * rng.uniform(0.36, 0.5),
        centre=width * rng.uniform(0.42, 0.58),
        focal=height * rng.uniform(1.0, 1.2),
        eye_x=road * rng.uniform(-0.2, 0.65),
        eye_height=rng.uniform(1.4, 2.1),
        bend=rng.normal(0.0, 0.0018),
    )
    overcast = rng.uniform(150.0, 235.0)
    haze = (overcast - rng.uniform(-6.0, 14.0), overcast, overcast + rng.uniform(0.0, 18.0))
    canvas = Canvas(height, width, camera, haze, haze_density=rng.uniform(0.001, 0.014))

    houses = list(backdrop.place_houses(rng, street))
    things: list[Thing] = []
    for place in _PLACES:
        for thing in place(rng, street):
            if not any(thing.box.overlaps(other.box) for other in things):
                things.append(thing)
    things.sort(key=lambda thing: thing.box.z + 0.5 * thing.box.depth, reverse=True)

    backdrop.paint_sky(canvas, rng)
    backdrop.paint_ground(canvas, rng, street)
    near = [thing.box for thing in things if thing.box.z < _LAST_SHADOW]
    backdrop.paint_shadows(canvas, street, near + houses)
    backdrop.paint_skyline(canvas, rng)
    for house in houses:
        backdrop.draw_house(canvas, rng, house)
    for thing in things:
        x, z = thing.box.x, thing.box.z
        if canvas.columns_across((x - _REACH, z), (x + _REACH, z)) > 0:
            thing.draw(canvas, rng, x, z)
    return photograph(canvas, rng)
