"""What stands on a post by the kerb: street lamps, traffic signs, traffic lights."""

import math
from collections.abc import Iterator

import numpy as np

from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.colours import Colour, any_colour, pick
from lit_seg.data.datasets.street_scenes.plan import (
    SIDES,
    Box,
    Street,
    Thing,
    random_depth,
    random_side,
)
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import CIRCLE, shrunk, stick, upright

_POSTS: tuple[Colour, ...] = (
    (128, 130, 132),
    (74, 76, 78),
    (168, 168, 164),
    (56, 68, 58),
    (120, 100, 84),  # timber
)
_HOUSINGS: tuple[Colour, ...] = ((34, 36, 36), (58, 60, 58), (40, 50, 42))
_LAMPS: tuple[Colour, ...] = ((255, 60, 44), (255, 186, 40), (60, 240, 130))


def place_posts(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Lampposts at regular distances, signs anywhere, traffic lights in pairs at a junction."""
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


def _draw_lamppost(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A tall street lamp with an arm over the road."""
    high, width = rng.uniform(5.5, 8.0), rng.uniform(0.08, 0.14)
    paint = pick(rng, _POSTS, 0.25)
    reach = x - math.copysign(rng.uniform(0.8, 1.8), x)
    canvas.fill(stick(x, 0.0, x, high, z, width), paint, StreetClass.POLE)
    canvas.fill(stick(x, high, reach, high + 0.25, z, 0.09), paint, StreetClass.POLE)


def _draw_sign(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A traffic sign (disk, triangle, square or board) on a post, in any pair of colours."""
    size = rng.uniform(0.3, 0.42)
    middle = rng.uniform(2.0, 2.7)
    post = pick(rng, _POSTS, 0.25)
    canvas.fill(stick(x, 0.0, x, middle, z, 0.07), post, StreetClass.POLE)
    outline = [(x + right, middle + up, z) for right, up in _sign_outline(rng, size)]
    border, face = any_colour(rng), any_colour(rng)
    if rng.random() < 0.45:
        face = (228.0, 228.0, 222.0)
    canvas.fill(outline, border, StreetClass.SIGN)
    canvas.fill(shrunk(outline, 0.65), face, None)


def _sign_outline(rng: np.random.Generator, size: float) -> list[tuple[float, float]]:
    """Corners of a sign around the origin; ``size`` is half its width."""
    shape = int(rng.integers(4))
    if shape == 0:
        return [(size * right, size * up) for right, up in CIRCLE]
    if shape == 1:
        return [(-1.1 * size, -0.8 * size), (1.1 * size, -0.8 * size), (0.0, 1.1 * size)]
    wide, tall = (0.9 if shape == 2 else 1.3) * size, 0.85 * size
    return [(-wide, -tall), (wide, -tall), (wide, tall), (-wide, tall)]


def _draw_traffic_light(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A signal on a post; on some posts a second signal hangs over the road."""
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
    canvas: Canvas, rng: np.random.Generator, x: float, bottom: float, z: float, lit: int
) -> None:
    """A housing with one of three lamps lit, counted from the top."""
    box = upright(x - 0.17, x + 0.17, bottom, bottom + 0.9, z)
    canvas.fill(box, pick(rng, _HOUSINGS, 0.2), StreetClass.TRAFFIC_LIGHT)
    canvas.blob((x, bottom + 0.72 - 0.27 * lit, z), 0.13, _LAMPS[lit], None)
