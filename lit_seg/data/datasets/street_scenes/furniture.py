"""Street furniture: fences, and bins that belong to no class."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.colours import Colour, any_colour, pick, shade
from lit_seg.data.datasets.street_scenes.plan import Box, Street, Thing, random_depth, random_side
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import Wall, upright
from lit_seg.metrics.labels import VOID

_FENCE_PAINTS: tuple[Colour, ...] = (
    (70, 98, 62),  # green, like a tree
    (112, 84, 60),
    (140, 140, 138),  # galvanised, like the road
    (205, 203, 196),
    (52, 52, 56),
)
_PANEL_LENGTH = 4.0  # metres


def place_fences(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Fences along the kerb or the house fronts, cut into panels that sort by depth."""
    for _ in range(int(rng.integers(0, 5))):
        side, solid = random_side(rng), bool(rng.random() < 0.35)
        paint = pick(rng, _FENCE_PAINTS, 0.2)
        x = side * (street.road + 0.3 if rng.random() < 0.5 else street.front - 0.3)
        start = rng.uniform(6.0, 22.0)
        draw = partial(_draw_panel, paint=paint, solid=solid)
        for z in np.arange(start, start + rng.uniform(9.0, 24.0), _PANEL_LENGTH).tolist():
            yield Thing(Box(x, z, 0.1, _PANEL_LENGTH, 1.0), draw)


def place_bins(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """A few bins and boxes on the sidewalks."""
    for _ in range(int(rng.integers(0, 3))):
        x = random_side(rng) * rng.uniform(street.road + 0.5, street.front - 0.5)
        yield Thing(Box(x, random_depth(rng, 7.0, 30.0), 0.8, 0.6, 1.0), _draw_bin)


def _draw_panel(
    canvas: Canvas, rng: np.random.Generator, x: float, z: float, paint: Colour, solid: bool
) -> None:
    """One panel of a fence: boards, or rails and bars that one can look through."""
    panel, high, long = Wall(x, z, x, z + _PANEL_LENGTH), 1.1, _PANEL_LENGTH
    if solid:
        canvas.fill(panel.panel(0.0, long, 0.0, high), paint, StreetClass.FENCE)
        seams = np.arange(0.3, long, 0.6)
        canvas.fill_all(panel.panels(seams, 0.05, 0.0 * seams, high), shade(paint, 0.75), None)
        return
    bars = np.arange(0.0, long, 0.3)
    canvas.fill_all(panel.panels(bars, 0.05, 0.0 * bars, high), paint, StreetClass.FENCE)
    rails = panel.panels(np.zeros(2), long, np.array((0.3, high - 0.1)), 0.08)
    canvas.fill_all(rails, shade(paint, 0.9), StreetClass.FENCE)


def _draw_bin(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    wide, tall, paint = rng.uniform(0.25, 0.6), rng.uniform(0.7, 1.3), any_colour(rng)
    canvas.fill(upright(x - wide, x + wide, 0.0, tall, z), paint, VOID)
    canvas.fill(upright(x - wide, x + wide, 0.85 * tall, tall, z), shade(paint, 0.7), None)
