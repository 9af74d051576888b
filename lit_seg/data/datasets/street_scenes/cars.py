"""Cars: parked along the kerb, and driving."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.colours import (
    DARK_GLASS,
    RUBBER,
    Colour,
    any_colour,
    mix,
    shade,
)
from lit_seg.data.datasets.street_scenes.plan import SIDES, Box, Street, Thing, random_depth
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import CIRCLE, flat, shrunk, upright

_SCALE_OF_DETAILS = 4.5  # pixels per metre; car lamps are less than a pixel below it


def place_cars(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """A row of parked cars or none, and at most one driving car, on each side."""
    for side in SIDES:
        parked = rng.uniform(0.2, 1.0) if rng.random() < 0.55 else 0.0
        for z in np.arange(rng.uniform(5.5, 10.0), 42.0, 6.0).tolist():
            if rng.random() < parked:
                yield _car_at(side * (street.road - 1.05), z)
        if rng.random() < 0.85:
            lane = side * rng.uniform(0.3, 0.45) * street.road
            yield _car_at(lane, random_depth(rng, 6.5, 35.0))


def _car_at(x: float, z: float) -> Thing:
    return Thing(Box(x, z, 1.8, 4.8, 1.3), _draw_car)


@dataclass(frozen=True)
class _Body:
    """Measures of a car in metres, parallel to the road, its nearer end at depth ``z``."""

    x: float
    z: float
    half: float  # of the width
    long: float
    high: float
    van: bool

    @property
    def waist(self) -> float:
        """Height at which the windows start."""
        return 0.62 * self.high

    @property
    def tuck(self) -> float:
        """How much narrower the roof is on either side."""
        return 0.04 if self.van else 0.16

    @property
    def roof_start(self) -> float:
        """Depth of the nearer end of the roof."""
        return self.z + (0.02 if self.van else 0.14) * self.long

    @property
    def roof_end(self) -> float:
        """Depth of the farther end of the roof."""
        return self.z + 0.7 * self.long


def _draw_car(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A car, sometimes a van, over the dark ground below it."""
    van = bool(rng.random() < 0.15)
    high = rng.uniform(1.9, 2.3) if van else rng.uniform(1.38, 1.6)
    half, long = rng.uniform(0.8, 0.95), rng.uniform(3.8, 4.8)
    body = _Body(x, z, half, long, high, van)
    paint = any_colour(rng)
    canvas.fill(flat(x - half, x + half, 0.0, z - 0.1, z + long), (30.0, 30.0, 33.0), None)
    _draw_flank(canvas, body, shade(paint, rng.uniform(0.65, 0.95)))
    _draw_end(canvas, rng, body, paint)


def _draw_flank(canvas: Canvas, body: _Body, paint: Colour) -> None:
    """The side turned to the middle of the picture; a van has no windows there."""
    x, z, waist, long = body.x, body.z, body.waist, body.long
    on_the_right = x + canvas.camera.bend * z * z > canvas.camera.eye_x
    inward = -1.0 if on_the_right else 1.0
    low_x, top_x = x + inward * body.half, x + inward * (body.half - body.tuck)
    side = [(low_x, 0.22, z), (low_x, 0.22, z + long)]
    side += [(low_x, waist, z + long), (low_x, waist, z)]
    canvas.fill(side, paint, StreetClass.CAR)
    cabin = [(low_x, waist, z), (top_x, body.high, body.roof_start)]
    cabin += [(top_x, body.high, body.roof_end), (low_x, waist, z + 0.8 * long)]
    canvas.fill(cabin, paint if body.van else DARK_GLASS, StreetClass.CAR)
    for hub in (z + 0.2 * long, z + 0.8 * long):
        rim = [(low_x, 0.32 + 0.32 * up, hub + 0.32 * ahead) for ahead, up in CIRCLE]
        canvas.fill(rim, RUBBER, StreetClass.CAR)


def _draw_end(canvas: Canvas, rng: np.random.Generator, body: _Body, paint: Colour) -> None:
    """The roof and the end turned to the camera, with red tail lamps or white head lamps."""
    z, waist = body.z, body.waist
    left, right = body.x - body.half, body.x + body.half
    roof_left, roof_right = left + body.tuck, right - body.tuck
    roof = flat(roof_left, roof_right, body.high, body.roof_start, body.roof_end)
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
    canvas.fill(upright(body.x - 0.25, body.x + 0.25, 0.45, 0.57, z), plate, None)
