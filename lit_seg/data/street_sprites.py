"""Draw the single things a street scene is made of: houses, trees, cars, people, signs.

Everything is described in metres and projected by one `Camera`, so the size of a thing on the
picture follows from where it stands.  A `Canvas` paints each shape twice: antialiased into the
image and crisply into the label map, which keeps the two in register by construction.

The ``draw_*`` functions paint over what is already there, so the caller goes from far to near; most
take ``(canvas, rng, x, z)``, where ``(x, z)`` is the spot on the ground to stand on.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Point = tuple[float, float, float]
Floats = NDArray[np.float64]
Scalars = TypeVar("Scalars", float, Floats)

_SUBPIXEL_BITS = 4
_SUBPIXELS = 1 << _SUBPIXEL_BITS
_CIRCLE = [(math.cos(math.pi * i / 6), math.sin(math.pi * i / 6)) for i in range(12)]
_DARK_GLASS: Colour = (38.0, 44.0, 52.0)
_RUBBER: Colour = (28.0, 28.0, 30.0)


class StreetClass(IntEnum):
    """Label ids of the things that are drawn."""

    SKY = 0
    BUILDING = 1
    ROAD = 2
    SIDEWALK = 3
    TREE = 4
    FENCE = 5
    CAR = 6
    POLE = 7
    SIGN = 8
    PEDESTRIAN = 9
    CYCLIST = 10
    TRAFFIC_LIGHT = 11


@dataclass(frozen=True)
class Camera:
    """Pinhole camera that looks along a gently bending road.

    World coordinates are metres: ``x`` to the right of the road's centre line, ``y`` up from the
    ground, ``z`` ahead of the camera.  ``horizon`` (row), ``centre`` (column) and ``focal`` are
    pixels; ``bend`` is the sideways drift of the road in metres per squared metre ahead.
    """

    horizon: float
    centre: float
    focal: float
    eye_x: float
    eye_height: float
    bend: float

    def project(self, x: Scalars, y: Scalars, z: Scalars) -> tuple[Scalars, Scalars]:
        """Column and row, in pixels, of world points given as numbers or as equal-shape arrays."""
        scale = self.focal / z
        column = self.centre + scale * (x - self.eye_x + self.bend * z * z)
        return column, self.horizon + scale * (self.eye_height - y)

    def ground(self, height: int, width: int) -> tuple[int, Floats, Floats]:
        """First row below the horizon, and ``x`` (rows, W) and ``z`` (rows, 1) of ground pixels."""
        top = math.floor(self.horizon) + 1
        rows = np.arange(top, height, dtype=np.float64)[:, None]
        columns = np.arange(width, dtype=np.float64)[None, :]
        z = self.focal * self.eye_height / (rows - self.horizon)
        x = (columns - self.centre) * z / self.focal + self.eye_x - self.bend * z * z
        return top, x, z


class Canvas:
    """An RGB image and its label map, painted together through a camera in hazy air."""

    def __init__(
        self, height: int, width: int, camera: Camera, haze_colour: Colour, haze_density: float
    ) -> None:
        self.image: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        self.labels: NDArray[np.uint8] = np.full((height, width), StreetClass.SKY, np.uint8)
        self.camera = camera
        self.haze_colour = haze_colour
        self.haze_density = haze_density

    def pixels_per_metre(self, z: float) -> float:
        """Scale of upright things at depth ``z``."""
        return self.camera.focal / z

    def columns_across(self, *ground_points: tuple[float, float]) -> float:
        """How many columns of the picture the span between ``(x, z)`` ground points takes."""
        columns = [self.camera.project(x, 0.0, z)[0] for x, z in ground_points]
        width: int = self.labels.shape[1]
        return min(max(columns), width) - max(min(columns), 0.0)

    def fill(self, outline: Sequence[Point], colour: Colour, label: int | None) -> None:
        """Fill one polygon given by its world points.

        With ``label=None`` only the image changes: marks on a surface keep the surface's label.
        """
        columns, rows = zip(*[self.camera.project(*point) for point in outline], strict=True)
        shape = np.array(list(zip(_inset(columns), _inset(rows), strict=True)), np.int32)
        self._paint([shape], self._through_haze(colour, outline[0][2]), label)

    def fill_all(self, outlines: Floats, colour: Colour, label: int | None) -> None:
        """Fill n disjoint polygons of k world points each, shape (n, k, 3), in one go."""
        column, row = self.camera.project(outlines[..., 0], outlines[..., 1], outlines[..., 2])
        shapes = list(_inset_all(np.stack([column, row], axis=-1)))
        self._paint(shapes, self._through_haze(colour, float(outlines[0, 0, 2])), label)

    def blob(self, centre: Point, radius: float, colour: Colour, label: int | None) -> None:
        """Fill a disk of ``radius`` metres that faces the camera."""
        column, row = self.camera.project(*centre)
        at = (round(column * _SUBPIXELS), round(row * _SUBPIXELS))
        # As in `_inset`, half a pixel comes from drawing the border.
        size = round(max(radius * self.pixels_per_metre(centre[2]) - 0.5, 0.0) * _SUBPIXELS)
        seen = self._through_haze(colour, centre[2])
        cv2.circle(self.image, at, size, seen, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        if label is not None:
            cv2.circle(self.labels, at, size, (int(label),), -1, cv2.LINE_8, _SUBPIXEL_BITS)

    def _through_haze(self, colour: Colour, z: float) -> tuple[int, int, int]:
        seen = mix(self.haze_colour, colour, math.exp(-self.haze_density * z))
        return round(seen[0]), round(seen[1]), round(seen[2])

    def _paint(
        self, shapes: list[NDArray[np.int32]], colour: tuple[int, int, int], label: int | None
    ) -> None:
        """Paint polygons, each (k, 2) columns and rows in subpixels."""
        cv2.fillPoly(self.image, shapes, colour, cv2.LINE_AA, _SUBPIXEL_BITS)
        if label is not None:
            cv2.fillPoly(self.labels, shapes, (int(label),), cv2.LINE_8, _SUBPIXEL_BITS)


def _inset(values: Sequence[float]) -> list[int]:
    """Columns (or rows) of a polygon's corners in subpixels, pulled half a pixel inwards.

    OpenCV draws a polygon's border too.  That keeps thin shapes at one pixel, but widens every
    shape by half a pixel on either side, which this makes up for.
    """
    middle = sum(values) / len(values)
    low, high = middle - 0.5, middle + 0.5
    inset = [v - 0.5 if v > high else v + 0.5 if v < low else middle for v in values]
    return [round(v * _SUBPIXELS) for v in inset]


def _inset_all(pixels: Floats) -> NDArray[np.int32]:
    """`_inset` for n polygons of k corners at once, (n, k, 2)."""
    offset = pixels - pixels.sum(axis=1, keepdims=True) / pixels.shape[1]
    inset: Floats = pixels - np.minimum(np.maximum(offset, -0.5), 0.5)
    return np.rint(inset * _SUBPIXELS).astype(np.int32)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Blend two colours; ``share`` is the weight of the second."""
    keep = 1.0 - share
    return (
        keep * first[0] + share * second[0],
        keep * first[1] + share * second[1],
        keep * first[2] + share * second[2],
    )


def shade(colour: Colour, factor: float) -> Colour:
    """Brighten or darken a colour, staying within 0..255."""
    red, green, blue = colour
    return min(red * factor, 255.0), min(green * factor, 255.0), min(blue * factor, 255.0)


def any_colour(rng: np.random.Generator) -> Colour:
    """A colour of paint or cloth; classes share it so that colour does not give them away."""
    if rng.random() < 0.45:
        grey = rng.uniform(25.0, 225.0)
        tint = rng.uniform(-10.0, 10.0)
        return grey + tint, grey, grey - tint
    hue, saturation, value = rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.25, 0.9)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return 255.0 * red, 255.0 * green, 255.0 * blue


def pick(rng: np.random.Generator, colours: Sequence[Colour], spread: float) -> Colour:
    """One of the colours, with its brightness varied by up to ``spread`` (a fraction)."""
    return shade(colours[int(rng.integers(len(colours)))], rng.uniform(1 - spread, 1 + spread))


def upright(x0: float, x1: float, y0: float, y1: float, z: float) -> list[Point]:
    """Corners of a rectangle that faces the camera."""
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def stick(x0: float, y0: float, x1: float, y1: float, z: float, width: float) -> list[Point]:
    """Corners of a bar of ``width`` metres from one point to another at depth ``z``."""
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    across, along = (x1 - x0) * width / (2 * length), (y1 - y0) * width / (2 * length)
    return [
        (x0 - along, y0 + across, z),
        (x0 + along, y0 - across, z),
        (x1 + along, y1 - across, z),
        (x1 - along, y1 + across, z),
    ]


def _shrunk(outline: Sequence[Point], factor: float) -> list[Point]:
    """The outline pulled towards the mean of its corners."""
    x, y, z = (sum(values) / len(outline) for values in zip(*outline, strict=True))
    return [
        (x + factor * (px - x), y + factor * (py - y), z + factor * (pz - z))
        for px, py, pz in outline
    ]


@dataclass(frozen=True)
class Wall:
    """A vertical plane over the ground line from ``(x0, z0)`` to ``(x1, z1)``."""

    x0: float
    z0: float
    x1: float
    z1: float

    @property
    def length(self) -> float:
        """Length of the ground line in metres."""
        return math.hypot(self.x1 - self.x0, self.z1 - self.z0)

    def panel(self, start: float, end: float, bottom: float, top: float) -> list[Point]:
        """A rectangle on the wall, from metres along it and metres above the ground."""
        x0, z0 = self._at(start)
        x1, z1 = self._at(end)
        return [(x0, bottom, z0), (x1, bottom, z1), (x1, top, z1), (x0, top, z0)]

    def panels(self, starts: Floats, wide: float, bottoms: Floats, tall: float) -> Floats:
        """Rectangles of one size on the wall, shape (n, 4, 3)."""
        along = starts[:, None] + np.array((0.0, wide, wide, 0.0))
        x, z = self._at(along)
        y = bottoms[:, None] + np.array((0.0, 0.0, tall, tall))
        return np.stack([x, y, z], axis=-1)

    def _at(self, along: Scalars) -> tuple[Scalars, Scalars]:
        share = along / self.length
        return self.x0 + share * (self.x1 - self.x0), self.z0 + share * (self.z1 - self.z0)


_FACADES: tuple[Colour, ...] = (
    (150, 84, 66),  # brick
    (196, 172, 130),  # sandstone
    (214, 206, 190),  # pale render
    (128, 128, 130),  # concrete, like the road
    (165, 168, 172),  # light concrete, like the pavement
    (178, 190, 204),  # glass and steel, like the sky
    (96, 92, 90),  # slate
    (122, 132, 104),  # mossy green, like a tree
    (138, 112, 92),  # brown
)


@dataclass(frozen=True)
class House:
    """A house with the wall ``flank`` along the street and ``front`` turned to the camera."""

    front: Wall
    flank: Wall
    height: float


def draw_house(canvas: Canvas, rng: np.random.Generator, house: House) -> None:
    """Both visible walls of a house, one in brighter light than the other, and perhaps a shop."""
    material = pick(rng, _FACADES, 0.18)
    glass = mix(_DARK_GLASS, canvas.haze_colour, rng.uniform(0.0, 0.6))
    sunny, shady = rng.uniform(0.95, 1.1), rng.uniform(0.7, 0.9)
    lights = (sunny, shady) if rng.random() < 0.5 else (shady, sunny)
    storey, height = rng.uniform(2.7, 3.4), house.height
    for wall, light in zip((house.front, house.flank), lights, strict=True):
        painted = shade(material, light)
        canvas.fill(wall.panel(0.0, wall.length, 0.0, height), painted, StreetClass.BUILDING)
        # With fewer columns per metre, windows would blur into the wall.
        if canvas.columns_across((wall.x0, wall.z0), (wall.x1, wall.z1)) > 1.3 * wall.length:
            cornice = shade(painted, rng.uniform(0.65, 1.2))
            canvas.fill(wall.panel(0.0, wall.length, height - 0.35, height), cornice, None)
            _draw_windows(canvas, rng, wall, np.arange(1.0, height - 1.9, storey), glass)
    if rng.random() < 0.55:
        _draw_shop(canvas, rng, house.flank)


def _draw_windows(
    canvas: Canvas, rng: np.random.Generator, wall: Wall, floors: Floats, glass: Colour
) -> None:
    """Equal windows whose sills are at the heights ``floors``; some have curtains."""
    pitch = rng.uniform(1.9, 3.0)
    pane = pitch * rng.uniform(0.4, 0.65)
    bays = np.arange(0.5 * (pitch - pane), wall.length - pane, pitch)
    if not floors.size:
        return
    starts, sills = np.tile(bays, floors.size), np.repeat(floors, bays.size)
    panes = wall.panels(starts, pane, sills, 1.5)
    canvas.fill_all(panes, glass, None)
    curtained = panes[rng.random(len(panes)) < rng.uniform(-0.4, 0.5)]
    if curtained.size:
        curtain = mix(glass, (225.0, 205.0, 160.0), rng.uniform(0.15, 0.6))
        canvas.fill_all(curtained, curtain, None)


def _draw_shop(canvas: Canvas, rng: np.random.Generator, wall: Wall) -> None:
    """A shop window and a fascia board as bright as any traffic sign, yet part of the building."""
    start = wall.length * rng.uniform(0.0, 0.4)
    end = min(start + rng.uniform(3.0, 8.0), wall.length)
    canvas.fill(wall.panel(start, end, 0.4, 2.4), _DARK_GLASS, None)
    canvas.fill(wall.panel(start, end, 2.4, 3.0), any_colour(rng), None)


_FOLIAGE: tuple[Colour, ...] = (
    (62, 96, 44),
    (84, 108, 56),
    (48, 74, 46),
    (104, 116, 58),
    (128, 96, 52),  # autumn
    (92, 88, 70),  # nearly bare
)
_BARK: tuple[Colour, ...] = ((84, 66, 52), (96, 90, 84), (58, 48, 40))


def draw_tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
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


_FENCE_PAINTS: tuple[Colour, ...] = (
    (70, 98, 62),  # green, like a tree
    (112, 84, 60),
    (140, 140, 138),  # galvanised, like the road
    (205, 203, 196),
    (52, 52, 56),
)


def draw_fence(canvas: Canvas, panel: Wall, paint: Colour, solid: bool) -> None:
    """One panel of a fence: boards, or rails and bars that one can look through."""
    high, long = 1.1, panel.length
    if solid:
        canvas.fill(panel.panel(0.0, long, 0.0, high), paint, StreetClass.FENCE)
        seams = np.arange(0.3, long, 0.6)
        canvas.fill_all(panel.panels(seams, 0.05, 0.0 * seams, high), shade(paint, 0.75), None)
        return
    bars = np.arange(0.0, long, 0.3)
    canvas.fill_all(panel.panels(bars, 0.05, 0.0 * bars, high), paint, StreetClass.FENCE)
    rails = panel.panels(np.zeros(2), long, np.array((0.3, high - 0.1)), 0.08)
    canvas.fill_all(rails, shade(paint, 0.9), StreetClass.FENCE)


def fence_paint(rng: np.random.Generator) -> Colour:
    """Paint for all panels of one fence."""
    return pick(rng, _FENCE_PAINTS, 0.2)


_SCALE_OF_DETAILS = 4.5  # pixels per metre; car lamps are less than a pixel below it


@dataclass(frozen=True)
class _Body:
    """A car in metres: half its width, heights of waist and roof, and where the roof is.

    The roof is narrower than the body by ``tuck`` on either side and spans the depths from
    ``roof_start`` to ``roof_end``.
    """

    x: float
    z: float
    half: float
    waist: float
    high: float
    tuck: float
    roof_start: float
    roof_end: float


def draw_car(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A car parallel to the road whose nearer end is at depth ``z``; sometimes a van."""
    van = rng.random() < 0.15
    high = rng.uniform(1.9, 2.3) if van else rng.uniform(1.38, 1.6)
    half, long = rng.uniform(0.8, 0.95), rng.uniform(3.8, 4.8)
    hood = (0.02 if van else 0.14) * long
    body = _Body(x, z, half, 0.62 * high, high, 0.04 if van else 0.16, z + hood, z + 0.7 * long)
    paint = any_colour(rng)
    shadow = [(x - half, 0.0, z - 0.1), (x + half, 0.0, z - 0.1)]
    shadow += [(x + half, 0.0, z + long), (x - half, 0.0, z + long)]
    canvas.fill(shadow, (30.0, 30.0, 33.0), None)
    _draw_car_flank(canvas, body, long, shade(paint, rng.uniform(0.65, 0.95)), van)
    _draw_car_end(canvas, rng, body, paint)


def _draw_car_flank(canvas: Canvas, body: _Body, long: float, paint: Colour, blind: bool) -> None:
    """The side turned to the middle of the picture; a ``blind`` one has no windows."""
    x, z, waist = body.x, body.z, body.waist
    on_the_right = x + canvas.camera.bend * z * z > canvas.camera.eye_x
    inward = -1.0 if on_the_right else 1.0
    low_x, top_x = x + inward * body.half, x + inward * (body.half - body.tuck)
    side = [(low_x, 0.22, z), (low_x, 0.22, z + long)]
    side += [(low_x, waist, z + long), (low_x, waist, z)]
    canvas.fill(side, paint, StreetClass.CAR)
    cabin = [(low_x, waist, z), (top_x, body.high, body.roof_start)]
    cabin += [(top_x, body.high, body.roof_end), (low_x, waist, z + 0.8 * long)]
    canvas.fill(cabin, paint if blind else _DARK_GLASS, StreetClass.CAR)
    for hub in (z + 0.2 * long, z + 0.8 * long):
        rim = [(low_x, 0.32 + 0.32 * up, hub + 0.32 * ahead) for ahead, up in _CIRCLE]
        canvas.fill(rim, _RUBBER, StreetClass.CAR)


def _draw_car_end(canvas: Canvas, rng: np.random.Generator, body: _Body, paint: Colour) -> None:
    """The roof and the end turned to the camera, with red tail lamps or white head lamps."""
    z, waist, high = body.z, body.waist, body.high
    left, right = body.x - body.half, body.x + body.half
    roof_left, roof_right = left + body.tuck, right - body.tuck
    roof = [(roof_left, high, body.roof_start), (roof_right, high, body.roof_start)]
    roof += [(roof_right, high, body.roof_end), (roof_left, high, body.roof_end)]
    canvas.fill(roof, shade(paint, 1.1), StreetClass.CAR)
    for tyre in (left + 0.03, right - 0.25):
        canvas.fill(upright(tyre, tyre + 0.22, 0.0, 0.35, z), _RUBBER, StreetClass.CAR)
    canvas.fill(upright(left, right, 0.25, waist, z), paint, StreetClass.CAR)
    window = [(left, waist, z), (right, waist, z), roof[1], roof[0]]
    canvas.fill(window, shade(paint, 0.9), StreetClass.CAR)
    sheen = mix(_DARK_GLASS, canvas.haze_colour, rng.uniform(0.0, 0.5))
    canvas.fill(_shrunk(window, 0.86), sheen, None)
    if canvas.pixels_per_metre(z) < _SCALE_OF_DETAILS:
        return
    canvas.fill(upright(left, right, 0.25, 0.42, z), shade(paint, 0.6), None)
    colour = (190.0, 30.0, 30.0) if rng.random() < 0.6 else (235.0, 232.0, 205.0)
    for lamp in (left, right - 0.28):
        canvas.fill(upright(lamp, lamp + 0.28, waist - 0.3, waist - 0.1, z), colour, None)
    canvas.fill(upright(body.x - 0.25, body.x + 0.25, 0.45, 0.57, z), (215.0, 212.0, 190.0), None)


_POSTS: tuple[Colour, ...] = (
    (128, 130, 132),
    (74, 76, 78),
    (168, 168, 164),
    (56, 68, 58),
    (120, 100, 84),  # timber
)


def draw_lamppost(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A tall street lamp with an arm over the road."""
    high, width = rng.uniform(5.5, 8.0), rng.uniform(0.08, 0.14)
    paint = pick(rng, _POSTS, 0.25)
    reach = x - math.copysign(rng.uniform(0.8, 1.8), x)
    canvas.fill(stick(x, 0.0, x, high, z, width), paint, StreetClass.POLE)
    canvas.fill(stick(x, high, reach, high + 0.25, z, 0.09), paint, StreetClass.POLE)


def draw_sign(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
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
    canvas.fill(_shrunk(outline, 0.65), face, None)


def _sign_outline(rng: np.random.Generator, size: float) -> list[tuple[float, float]]:
    """Corners of a sign around the origin; ``size`` is half its width."""
    shape = int(rng.integers(4))
    if shape == 0:
        return [(size * right, size * up) for right, up in _CIRCLE]
    if shape == 1:
        return [(-1.1 * size, -0.8 * size), (1.1 * size, -0.8 * size), (0.0, 1.1 * size)]
    wide, tall = (0.9 if shape == 2 else 1.3) * size, 0.85 * size
    return [(-wide, -tall), (wide, -tall), (wide, tall), (-wide, tall)]


_LIT: tuple[Colour, ...] = ((255, 60, 44), (255, 186, 40), (60, 240, 130))


def draw_traffic_light(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A signal post by the kerb; on some a second signal hangs over the road."""
    high = rng.uniform(3.1, 3.7)
    post = pick(rng, _POSTS, 0.25)
    lit = int(rng.integers(3))
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
    housing = pick(rng, ((34, 36, 36), (58, 60, 58), (40, 50, 42)), 0.2)
    box = upright(x - 0.17, x + 0.17, bottom, bottom + 0.9, z)
    canvas.fill(box, housing, StreetClass.TRAFFIC_LIGHT)
    lamp = (x, bottom + 0.72 - 0.27 * lit, z)
    canvas.blob(lamp, 0.13, _LIT[lit], None)


_SKIN: tuple[Colour, ...] = ((224, 178, 150), (190, 138, 104), (138, 94, 66), (86, 58, 44))


def draw_pedestrian(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
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


def _draw_head(
    canvas: Canvas, rng: np.random.Generator, centre: Point, radius: float, label: int
) -> None:
    x, y, z = centre
    hair = any_colour(rng) if rng.random() < 0.3 else shade((70.0, 54.0, 40.0), rng.uniform(0.4, 2))
    canvas.blob(centre, radius, pick(rng, _SKIN, 0.15), label)
    canvas.blob((x, y + 0.5 * radius, z), 0.75 * radius, hair, label)


def draw_cyclist(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """A rider on a two-wheeler, anywhere between seen from behind and seen from the side."""
    # Turning away from the camera only foreshortens what lies along the bicycle.
    turn = math.copysign(rng.uniform(0.3, 1.0), rng.uniform(-1.0, 1.0))
    frame, jacket, trousers = any_colour(rng), any_colour(rng), any_colour(rng)
    label = StreetClass.CYCLIST

    def part(x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour) -> None:
        canvas.fill(stick(x + turn * x0, y0, x + turn * x1, y1, z, width), colour, label)

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
    _draw_head(canvas, rng, (x + turn * 0.2, 1.6, z), 0.14, label)


def _draw_bicycle_wheel(canvas: Canvas, x: float, z: float, turn: float) -> None:
    rim = [(x + 0.36 * turn * along, 0.36 + 0.36 * up, z) for along, up in _CIRCLE]
    hollow = _shrunk(rim, 0.7)
    ring = [*rim, rim[0], hollow[0], *reversed(hollow)]
    canvas.fill(ring, _RUBBER, StreetClass.CYCLIST)
