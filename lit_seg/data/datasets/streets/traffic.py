"""The traffic: cars, pedestrians and cyclists."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.random import Generator

from lit_seg.data.datasets.streets.canvas import CIRCLE, Canvas, Point, flat, shrunk, stick, upright
from lit_seg.data.datasets.streets.colours import (
    DARK_GLASS,
    RUBBER,
    Colour,
    StreetClass,
    any_colour,
    mix,
    pick,
    shade,
)
from lit_seg.data.datasets.streets.plan import SIDES, Box, Street, Thing, random_depth, random_side

_SCALE_OF_DETAILS = 4.5  # pixels per metre; car lamps are less than a pixel below it


def place_cars(rng: Generator, street: Street) -> Iterator[Thing]:
    """Place parked cars, if any, and at most one driving car on each side."""
    for side in SIDES:
        parked = rng.uniform(0.2, 1.0) if rng.random() < 0.55 else 0.0
        for z in np.arange(rng.uniform(5.5, 10.0), 42.0, 6.0).tolist():
            if rng.random() < parked:
                yield Thing(Box(side * (street.road - 1.05), z, 1.8, 4.8, 1.3), _draw_car)
        if rng.random() < 0.85:
            lane = side * rng.uniform(0.3, 0.45) * street.road
            z = random_depth(rng, 6.5, 35.0)
            yield Thing(Box(lane, z, 1.8, 4.8, 1.3), _draw_car)


def _draw_car(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a car or a van from its shadow and flank to its nearer end, parallel to the road."""
    van = bool(rng.random() < 0.15)
    high = rng.uniform(1.9, 2.3) if van else rng.uniform(1.38, 1.6)
    half, long = rng.uniform(0.8, 0.95), rng.uniform(3.8, 4.8)
    waist = 0.62 * high  # the height at which the windows start
    tuck = 0.04 if van else 0.16  # the roof is that much narrower on either side
    roof_start, roof_end = z + (0.02 if van else 0.14) * long, z + 0.7 * long
    paint = any_colour(rng)
    canvas.fill(flat(x - half, x + half, 0.0, z - 0.1, z + long), (30.0, 30.0, 33.0), None)

    # The flank that is turned to the middle of the picture; a van has no windows there.
    on_the_right = x + canvas.camera.bend * z * z > canvas.camera.eye_x
    inward = -1.0 if on_the_right else 1.0
    low_x, top_x = x + inward * half, x + inward * (half - tuck)
    side = shade(paint, rng.uniform(0.65, 0.95))
    door = [(low_x, 0.22, z), (low_x, 0.22, z + long), (low_x, waist, z + long), (low_x, waist, z)]
    canvas.fill(door, side, StreetClass.CAR)
    cabin = [(low_x, waist, z), (top_x, high, roof_start)]
    cabin += [(top_x, high, roof_end), (low_x, waist, z + 0.8 * long)]
    canvas.fill(cabin, side if van else DARK_GLASS, StreetClass.CAR)
    for hub in (z + 0.2 * long, z + 0.8 * long):
        rim = [(low_x, 0.32 + 0.32 * up, hub + 0.32 * ahead) for ahead, up in CIRCLE]
        canvas.fill(rim, RUBBER, StreetClass.CAR)

    left, right = x - half, x + half
    roof = flat(left + tuck, right - tuck, high, roof_start, roof_end)
    canvas.fill(roof, shade(paint, 1.1), StreetClass.CAR)
    for tyre in (left + 0.03, right - 0.25):
        canvas.fill(upright(tyre, tyre + 0.22, 0.0, 0.35, z), RUBBER, StreetClass.CAR)
    canvas.fill(upright(left, right, 0.25, waist, z), paint, StreetClass.CAR)
    window = [(left, waist, z), (right, waist, z), roof[1], roof[0]]
    canvas.fill(window, shade(paint, 0.9), StreetClass.CAR)
    sheen = mix(DARK_GLASS, canvas.haze_colour, rng.uniform(0.0, 0.5))
    canvas.fill(shrunk(window, 0.86), sheen, None)
    if canvas.pixels_per_metre(z) < _SCALE_OF_DETAILS:
        return
    bumper, plate = shade(paint, 0.6), (215.0, 212.0, 190.0)
    canvas.fill(upright(left, right, 0.25, 0.42, z), bumper, None)
    lamps = (190.0, 30.0, 30.0) if rng.random() < 0.6 else (235.0, 232.0, 205.0)
    for lamp in (left, right - 0.28):
        canvas.fill(upright(lamp, lamp + 0.28, waist - 0.3, waist - 0.1, z), lamps, None)
    canvas.fill(upright(x - 0.25, x + 0.25, 0.45, 0.57, z), plate, None)


_SKIN: tuple[Colour, ...] = ((224, 178, 150), (190, 138, 104), (138, 94, 66), (86, 58, 44))
_BROWN_HAIR: Colour = (70.0, 54.0, 40.0)


def place_people(rng: Generator, street: Street) -> Iterator[Thing]:
    """Place pedestrians, mostly on the sidewalks, and cyclists, mostly near the kerb."""
    for _ in range(int(rng.poisson(2.8))):
        x = random_side(rng) * rng.uniform(street.road + 0.4, street.front - 0.4)
        if rng.random() < 0.2:
            x = rng.uniform(-street.road, street.road)
        yield Thing(Box(x, random_depth(rng, 8.5, 29.0), 0.5, 0.3, 1.7), _draw_pedestrian)
    for _ in range(int(rng.poisson(0.85))):
        x = random_side(rng) * street.road * rng.uniform(0.2, 0.9)
        yield Thing(Box(x, random_depth(rng, 9.0, 30.0), 1.2, 1.0, 1.6), _draw_cyclist)


def _draw_pedestrian(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a walking or standing person, now and then a child."""
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


def _draw_cyclist(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a rider on a bicycle, seen from behind, from the side, or between."""
    # Turning away from the camera only foreshortens what lies along the bicycle.
    turn = math.copysign(rng.uniform(0.3, 1.0), rng.uniform(-1.0, 1.0))
    frame, jacket, trousers = any_colour(rng), any_colour(rng), any_colour(rng)

    def part(x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour) -> None:
        bar = stick(x + turn * x0, y0, x + turn * x1, y1, z, width)
        canvas.fill(bar, colour, StreetClass.CYCLIST)

    for hub in (-0.52, 0.52):
        # A wheel is a ring in one outline: around the rim and back inside it.
        middle, wide = x + turn * hub, 0.36 * abs(turn)
        rim = [(middle + wide * along, 0.36 + 0.36 * up, z) for along, up in CIRCLE]
        hollow = shrunk(rim, 0.7)
        ring = [*rim, rim[0], hollow[0], *reversed(hollow)]
        canvas.fill(ring, RUBBER, StreetClass.CYCLIST)
    part(-0.52, 0.34, 0.0, 0.4, 0.06, frame)
    part(-0.2, 0.85, 0.0, 0.4, 0.06, frame)
    part(-0.15, 0.75, 0.42, 0.85, 0.06, frame)
    part(0.52, 0.34, 0.42, 1.0, 0.06, frame)
    part(-0.2, 0.95, 0.15, 0.55, 0.17, trousers)
    part(0.15, 0.6, 0.02, 0.2, 0.13, trousers)
    part(-0.22, 0.9, 0.12, 1.42, 0.34, jacket)
    part(0.12, 1.36, 0.42, 1.02, 0.1, shade(jacket, 0.8))
    _draw_head(canvas, rng, (x + turn * 0.2, 1.6, z), 0.14, StreetClass.CYCLIST)


def _draw_head(canvas: Canvas, rng: Generator, centre: Point, radius: float, label: int) -> None:
    """Paint a head with hair, or a hat or helmet of any colour."""
    x, y, z = centre
    hair = any_colour(rng) if rng.random() < 0.3 else shade(_BROWN_HAIR, rng.uniform(0.4, 2.0))
    canvas.blob(centre, radius, pick(rng, _SKIN, 0.15), label)
    canvas.blob((x, y + 0.5 * radius, z), 0.75 * radius, hair, label)
