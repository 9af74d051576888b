"""Trees: a row with gaps along each sidewalk."""

import math
from collections.abc import Iterator

import numpy as np

from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.colours import Colour, pick, shade
from lit_seg.data.datasets.street_scenes.plan import SIDES, Box, Street, Thing
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import Point, stick

_FOLIAGE: tuple[Colour, ...] = (
    (62, 96, 44),
    (84, 108, 56),
    (48, 74, 46),
    (104, 116, 58),
    (128, 96, 52),  # autumn
    (92, 88, 70),  # nearly bare
)
_BARK: tuple[Colour, ...] = ((84, 66, 52), (96, 90, 84), (58, 48, 40))


def place_trees(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """A row of trees on each side, with any share of them missing."""
    for side in SIDES:
        row = street.road + rng.uniform(0.8, 0.8 * (street.front - street.road))
        density = rng.uniform(0.15, 0.95)
        for z in np.arange(rng.uniform(8.0, 15.0), 70.0, 7.5).tolist():
            if rng.random() < density:
                yield Thing(Box(side * row, z + rng.uniform(-1.0, 1.0), 0.8, 0.8, 5.0), _draw_tree)


def _draw_tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A trunk under a crown of overlapping tufts, lit from above."""
    crown = rng.uniform(1.4, 2.7)
    middle = crown + rng.uniform(1.6, 3.0)
    trunk = rng.uniform(0.2, 0.4)
    bark = pick(rng, _BARK, 0.2)
    canvas.fill(stick(x, 0.0, x, middle, z, trunk), bark, StreetClass.TREE)
    _draw_crown(canvas, rng, (x, middle, z), crown, pick(rng, _FOLIAGE, 0.2))


def _draw_crown(
    canvas: Canvas, rng: np.random.Generator, centre: Point, radius: float, leaf: Colour
) -> None:
    """Tufts around ``centre``, drawn upwards because the higher ones are brighter; more if near."""
    x, y, z = centre
    canvas.blob(centre, 0.75 * radius, shade(leaf, 0.7), StreetClass.TREE)
    tufts = round(min(max(0.8 * radius * canvas.pixels_per_metre(z), 6.0), 20.0))
    angle = rng.uniform(0.0, 2.0 * math.pi, tufts)
    reach = radius * np.sqrt(rng.uniform(0.05, 0.8, tufts))
    rise = np.sort(1.05 * reach * np.sin(angle))
    aside = reach * np.cos(angle)
    size = radius * rng.uniform(0.16, 0.36, tufts)
    glow = 0.85 + 0.25 * rise / radius + rng.normal(0.0, 0.14, tufts)
    for right, up, extent, light in np.stack([aside, rise, size, glow], axis=-1).tolist():
        spot = (x + right, y + up, z)
        canvas.blob(spot, extent, shade(leaf, max(light, 0.4)), StreetClass.TREE)
