"""Things that stand still beside the road: trees, posts, fences, and bins without a class."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.random import Generator

from lit_seg.data.datasets.streets.canvas import CIRCLE, Canvas, Wall, shrunk, stick, upright
from lit_seg.data.datasets.streets.colours import Colour, StreetClass, any_colour, pick, shade
from lit_seg.data.datasets.streets.plan import SIDES, Box, Street, Thing, random_depth, random_side
from lit_seg.metrics.labels import VOID

_FOLIAGE: tuple[Colour, ...] = (
    (62, 96, 44),
    (84, 108, 56),
    (48, 74, 46),
    (104, 116, 58),
    (128, 96, 52),  # autumn
    (92, 88, 70),  # nearly bare
)
_BARK: tuple[Colour, ...] = ((84, 66, 52), (96, 90, 84), (58, 48, 40))


def place_trees(rng: Generator, street: Street) -> Iterator[Thing]:
    """Place a row of trees on each side; any share of them may be missing."""
    for side in SIDES:
        row = street.road + rng.uniform(0.8, 0.8 * (street.front - street.road))
        density = rng.uniform(0.15, 0.95)
        for z in np.arange(rng.uniform(8.0, 15.0), 70.0, 7.5).tolist():
            if rng.random() < density:
                yield Thing(Box(side * row, z + rng.uniform(-1.0, 1.0), 0.8, 0.8, 5.0), _draw_tree)


def _draw_tree(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a trunk under a crown of overlapping tufts, lit from above."""
    radius = rng.uniform(1.4, 2.7)
    middle = radius + rng.uniform(1.6, 3.0)
    trunk = rng.uniform(0.2, 0.4)
    bark = pick(rng, _BARK, 0.2)
    canvas.fill(stick(x, 0.0, x, middle, z, trunk), bark, StreetClass.TREE)
    leaf = pick(rng, _FOLIAGE, 0.2)
    canvas.blob((x, middle, z), 0.75 * radius, shade(leaf, 0.7), StreetClass.TREE)
    # The tufts are painted upwards because the higher ones are brighter; near trees have more.
    tufts = round(min(max(0.8 * radius * canvas.pixels_per_metre(z), 6.0), 20.0))
    angle = rng.uniform(0.0, 2.0 * math.pi, tufts)
    reach = radius * np.sqrt(rng.uniform(0.05, 0.8, tufts))
    rise = np.sort(1.05 * reach * np.sin(angle))
    aside = reach * np.cos(angle)
    size = radius * rng.uniform(0.16, 0.36, tufts)
    glow = 0.85 + 0.25 * rise / radius + rng.normal(0.0, 0.14, tufts)
    for right, up, extent, light in np.stack([aside, rise, size, glow], axis=-1).tolist():
        spot = (x + right, middle + up, z)
        canvas.blob(spot, extent, shade(leaf, max(light, 0.4)), StreetClass.TREE)


_POSTS: tuple[Colour, ...] = (
    (128, 130, 132),
    (74, 76, 78),
    (168, 168, 164),
    (56, 68, 58),
    (120, 100, 84),  # timber
)
_HOUSINGS: tuple[Colour, ...] = ((34, 36, 36), (58, 60, 58), (40, 50, 42))
_LAMPS: tuple[Colour, ...] = ((255, 60, 44), (255, 186, 40), (60, 240, 130))


def place_posts(rng: Generator, street: Street) -> Iterator[Thing]:
    """Place lampposts at equal distances, signs anywhere, traffic lights in pairs at a junction."""
    kerb = street.road + 0.45
    spacing = rng.uniform(20.0, 34.0)
    for side in SIDES:
        if rng.random() < 0.25:
            continue
        for z in np.arange(rng.uniform(7.0, 22.0), 60.0, spacing).tolist():
            yield Thing(Box(side * kerb, z, 0.2, 0.2, 7.0), _draw_lamppost)
    for _ in range(int(rng.poisson(2.8))):
        x = random_side(rng) * (kerb + rng.uniform(0.0, 0.6))
        yield Thing(Box(x, random_depth(rng, 8.0, 30.0), 0.4, 0.1, 2.5), _draw_sign)
    if rng.random() < 0.65:
        junction = random_depth(rng, 11.0, 28.0)
        for side in SIDES:
            if rng.random() < 0.85:
                yield Thing(Box(side * kerb, junction, 0.3, 0.2, 3.5), _draw_traffic_light)


def _draw_lamppost(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a tall street lamp with an arm over the road."""
    high, width = rng.uniform(5.5, 8.0), rng.uniform(0.08, 0.14)
    paint = pick(rng, _POSTS, 0.25)
    reach = x - math.copysign(rng.uniform(0.8, 1.8), x)
    canvas.fill(stick(x, 0.0, x, high, z, width), paint, StreetClass.POLE)
    canvas.fill(stick(x, high, reach, high + 0.25, z, 0.09), paint, StreetClass.POLE)


def _draw_sign(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a disk, triangle, square or board in any two colours on a post."""
    size = rng.uniform(0.3, 0.42)  # half the width
    middle = rng.uniform(2.0, 2.7)
    post = pick(rng, _POSTS, 0.25)
    canvas.fill(stick(x, 0.0, x, middle, z, 0.07), post, StreetClass.POLE)
    shape = int(rng.integers(4))
    if shape == 0:
        corners = [(size * right, size * up) for right, up in CIRCLE]
    elif shape == 1:
        corners = [(-1.1 * size, -0.8 * size), (1.1 * size, -0.8 * size), (0.0, 1.1 * size)]
    else:
        wide, tall = (0.9 if shape == 2 else 1.3) * size, 0.85 * size
        corners = [(-wide, -tall), (wide, -tall), (wide, tall), (-wide, tall)]
    outline = [(x + right, middle + up, z) for right, up in corners]
    border, face = any_colour(rng), any_colour(rng)
    if rng.random() < 0.45:
        face = (228.0, 228.0, 222.0)
    canvas.fill(outline, border, StreetClass.SIGN)
    canvas.fill(shrunk(outline, 0.65), face, None)


def _draw_traffic_light(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a signal on a post; on some posts a second signal hangs over the road."""
    high = rng.uniform(3.1, 3.7)
    post = pick(rng, _POSTS, 0.25)
    lit = int(rng.integers(len(_LAMPS)))
    canvas.fill(stick(x, 0.0, x, high, z, 0.12), post, StreetClass.POLE)
    _draw_signal(canvas, rng, x, high - 0.9, z, lit)
    if rng.random() < 0.35:
        over, arm = x - math.copysign(rng.uniform(2.0, 3.5), x), high + 1.3
        canvas.fill(stick(x, high - 0.1, x, arm, z, 0.12), post, StreetClass.POLE)
        canvas.fill(stick(x, arm, over, arm, z, 0.09), post, StreetClass.POLE)
        _draw_signal(canvas, rng, over, arm - 0.8, z, lit)


def _draw_signal(
    canvas: Canvas, rng: Generator, x: float, bottom: float, z: float, lit: int
) -> None:
    """Paint a housing with one of three lamps lit, counted from the top."""
    box = upright(x - 0.17, x + 0.17, bottom, bottom + 0.9, z)
    canvas.fill(box, pick(rng, _HOUSINGS, 0.2), StreetClass.TRAFFIC_LIGHT)
    canvas.blob((x, bottom + 0.72 - 0.27 * lit, z), 0.13, _LAMPS[lit], None)


_FENCE_PAINTS: tuple[Colour, ...] = (
    (70, 98, 62),  # green, like a tree
    (112, 84, 60),
    (140, 140, 138),  # galvanised, like the road
    (205, 203, 196),
    (52, 52, 56),
)
_PANEL_LENGTH = 4.0  # metres


def place_fences(rng: Generator, street: Street) -> Iterator[Thing]:
    """Place fences along the kerb or the house fronts, cut into panels that sort by depth."""
    for _ in range(int(rng.integers(0, 5))):
        side, solid = random_side(rng), bool(rng.random() < 0.35)
        paint = pick(rng, _FENCE_PAINTS, 0.2)
        x = side * (street.road + 0.3 if rng.random() < 0.5 else street.front - 0.3)
        start = rng.uniform(6.0, 22.0)
        draw = partial(_draw_panel, paint=paint, solid=solid)
        for z in np.arange(start, start + rng.uniform(9.0, 24.0), _PANEL_LENGTH).tolist():
            yield Thing(Box(x, z, 0.1, _PANEL_LENGTH, 1.0), draw)


def place_bins(rng: Generator, street: Street) -> Iterator[Thing]:
    """Place a few bins and boxes on the sidewalks."""
    for _ in range(int(rng.integers(0, 3))):
        x = random_side(rng) * rng.uniform(street.road + 0.5, street.front - 0.5)
        yield Thing(Box(x, random_depth(rng, 7.0, 30.0), 0.8, 0.6, 1.0), _draw_bin)


def _draw_panel(
    canvas: Canvas, rng: Generator, x: float, z: float, paint: Colour, solid: bool
) -> None:
    """Paint a fence panel of boards, or of rails and bars that one can look through."""
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


def _draw_bin(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    wide, tall, paint = rng.uniform(0.25, 0.6), rng.uniform(0.7, 1.3), any_colour(rng)
    canvas.fill(upright(x - wide, x + wide, 0.0, tall, z), paint, VOID)
    canvas.fill(upright(x - wide, x + wide, 0.85 * tall, tall, z), shade(paint, 0.7), None)
