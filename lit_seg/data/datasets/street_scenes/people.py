"""People: pedestrians and cyclists, in clothes of any colour."""

import math
from collections.abc import Iterator

import numpy as np

from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.colours import RUBBER, Colour, any_colour, pick, shade
from lit_seg.data.datasets.street_scenes.plan import Box, Street, Thing, random_depth, random_side
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import CIRCLE, Point, shrunk, stick

_SKIN: tuple[Colour, ...] = ((224, 178, 150), (190, 138, 104), (138, 94, 66), (86, 58, 44))
_BROWN_HAIR: Colour = (70.0, 54.0, 40.0)


def place_people(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Pedestrians, mostly on the sidewalks, and cyclists, mostly near the kerb."""
    for _ in range(int(rng.poisson(2.8))):
        x = random_side(rng) * rng.uniform(street.road + 0.4, street.front - 0.4)
        if rng.random() < 0.2:
            x = rng.uniform(-street.road, street.road)
        yield Thing(Box(x, random_depth(rng, 8.5, 29.0), 0.5, 0.3, 1.7), _draw_pedestrian)
    for _ in range(int(rng.poisson(0.85))):
        x = random_side(rng) * street.road * rng.uniform(0.2, 0.9)
        yield Thing(Box(x, random_depth(rng, 9.0, 30.0), 1.2, 1.0, 1.6), _draw_cyclist)


def _draw_pedestrian(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A walking or standing person, now and then a child."""
    tall = rng.uniform(1.55, 1.9) if rng.random() < 0.88 else rng.uniform(1.0, 1.35)
    trousers, jacket = any_colour(rng), any_colour(rng)
    stride = tall * rng.uniform(0.04, 0.17)
    hip, neck = 0.48 * tall, 0.84 * tall
    broad = tall * rng.uniform(0.11, 0.15)
    for foot in (-stride, stride):
        leg = stick(x + foot, 0.0, x + 0.3 * foot, hip, z, 0.09 * tall)
        canvas.fill(leg, trousers, StreetClass.PEDESTRIAN)
    torso = [(x - 0.8 * broad, hip, z), (x + 0.8 * broad, hip, z)]
    torso += [(x + broad, neck, z), (x - broad, neck, z)]
    canvas.fill(torso, jacket, StreetClass.PEDESTRIAN)
    for hand in (-1.25 * broad, 1.2 * broad):
        arm = stick(x + 0.8 * hand, neck - 0.03, x + hand, hip, z, 0.05 * tall)
        canvas.fill(arm, shade(jacket, 0.8), StreetClass.PEDESTRIAN)
    _draw_head(canvas, rng, (x, 0.92 * tall, z), 0.075 * tall, StreetClass.PEDESTRIAN)


def _draw_cyclist(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A rider on a two-wheeler, anywhere between seen from behind and seen from the side."""
    # Turning away from the camera only foreshortens what lies along the bicycle.
    turn = math.copysign(rng.uniform(0.3, 1.0), rng.uniform(-1.0, 1.0))
    frame, jacket, trousers = any_colour(rng), any_colour(rng), any_colour(rng)

    def part(x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour) -> None:
        bar = stick(x + turn * x0, y0, x + turn * x1, y1, z, width)
        canvas.fill(bar, colour, StreetClass.CYCLIST)

    for hub in (-0.52, 0.52):
        _draw_bicycle_wheel(canvas, x + turn * hub, z, abs(turn))
    part(-0.52, 0.34, 0.0, 0.4, 0.06, frame)
    part(-0.2, 0.85, 0.0, 0.4, 0.06, frame)
    part(-0.15, 0.75, 0.42, 0.85, 0.06, frame)
    part(0.52, 0.34, 0.42, 1.0, 0.06, frame)
    part(-0.2, 0.95, 0.15, 0.55, 0.17, trousers)
    part(0.15, 0.6, 0.02, 0.2, 0.13, trousers)
    part(-0.22, 0.9, 0.12, 1.42, 0.34, jacket)
    part(0.12, 1.36, 0.42, 1.02, 0.1, shade(jacket, 0.8))
    _draw_head(canvas, rng, (x + turn * 0.2, 1.6, z), 0.14, StreetClass.CYCLIST)


def _draw_bicycle_wheel(canvas: Canvas, x: float, z: float, turn: float) -> None:
    """A ring that one can look through, in one outline: around the rim and back inside it."""
    rim = [(x + 0.36 * turn * along, 0.36 + 0.36 * up, z) for along, up in CIRCLE]
    hollow = shrunk(rim, 0.7)
    ring = [*rim, rim[0], hollow[0], *reversed(hollow)]
    canvas.fill(ring, RUBBER, StreetClass.CYCLIST)


def _draw_head(
    canvas: Canvas, rng: np.random.Generator, centre: Point, radius: float, label: int
) -> None:
    """A head with hair, or a hat or helmet of any colour."""
    x, y, z = centre
    hair = any_colour(rng) if rng.random() < 0.3 else shade(_BROWN_HAIR, rng.uniform(0.4, 2.0))
    canvas.blob(centre, radius, pick(rng, _SKIN, 0.15), label)
    canvas.blob((x, y + 0.5 * radius, z), 0.75 * radius, hair, label)
