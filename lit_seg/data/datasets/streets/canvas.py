"""The canvas: shapes in metres are painted into an image and its label map at once.

Each shape is painted twice, antialiased into the image and crisply into the label map, so the two
always agree. A shape covers what is already there, so the caller paints from far to near.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lit_seg.data.datasets.streets.colours import Colour, StreetClass, mix
from lit_seg.images.open_and_save import Array

Point = tuple[float, float, float]
"""In metres: ``x`` to the right of the road's centre line, ``y`` above the ground, ``z`` ahead."""
Floats = NDArray[np.float64]
Scalars = TypeVar("Scalars", float, Floats)

CIRCLE = [(math.cos(math.pi * i / 6), math.sin(math.pi * i / 6)) for i in range(12)]
"""Corners of a polygon that passes for a circle of radius 1 around the origin."""


def upright(x0: float, x1: float, y0: float, y1: float, z: float) -> list[Point]:
    """Return the corners of a rectangle that faces the camera."""
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def flat(x0: float, x1: float, y: float, z0: float, z1: float) -> list[Point]:
    """Return the corners of a rectangle that faces the sky."""
    return [(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)]


def stick(x0: float, y0: float, x1: float, y1: float, z: float, width: float) -> list[Point]:
    """Return the corners of a bar of ``width`` metres from one point to another at depth ``z``."""
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    across, along = (x1 - x0) * width / (2 * length), (y1 - y0) * width / (2 * length)
    return [
        (x0 - along, y0 + across, z),
        (x0 + along, y0 - across, z),
        (x1 + along, y1 - across, z),
        (x1 - along, y1 + across, z),
    ]


def shrunk(outline: Sequence[Point], factor: float) -> list[Point]:
    """Pull the outline towards the mean of its corners."""
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
        """Return a rectangle, given in metres along the wall and metres above the ground."""
        x0, z0 = self._at(start)
        x1, z1 = self._at(end)
        return [(x0, bottom, z0), (x1, bottom, z1), (x1, top, z1), (x0, top, z0)]

    def panels(self, starts: Floats, wide: float, bottoms: Floats, tall: float) -> Floats:
        """Return n rectangles of one size on the wall, shape (n, 4, 3)."""
        along = starts[:, None] + np.array((0.0, wide, wide, 0.0))
        x, z = self._at(along)
        y = bottoms[:, None] + np.array((0.0, 0.0, tall, tall))
        return np.stack([x, y, z], axis=-1)

    def _at(self, along: Scalars) -> tuple[Scalars, Scalars]:
        share = along / self.length
        return self.x0 + share * (self.x1 - self.x0), self.z0 + share * (self.z1 - self.z0)


@dataclass(frozen=True)
class Camera:
    """Pinhole camera that looks along a gently bending road.

    ``horizon`` (row), ``centre`` (column) and ``focal`` are pixels; ``bend`` is the sideways drift
    of the road in metres per squared metre ahead.
    """

    horizon: float
    centre: float
    focal: float
    eye_x: float
    eye_height: float
    bend: float

    @property
    def first_ground_row(self) -> int:
        """First row of pixels below the horizon."""
        return math.floor(self.horizon) + 1

    def project(self, x: Scalars, y: Scalars, z: Scalars) -> tuple[Scalars, Scalars]:
        """Return column and row, in pixels, of world points (numbers or arrays of one shape)."""
        scale = self.focal / z
        column = self.centre + scale * (x - self.eye_x + self.bend * z * z)
        return column, self.horizon + scale * (self.eye_height - y)

    def ground(self, height: int, width: int) -> tuple[Floats, Floats]:
        """Return ``x`` (rows, width) and ``z`` (rows, 1) of the ground seen below the horizon."""
        rows = np.arange(self.first_ground_row, height, dtype=np.float64)[:, None]
        columns = np.arange(width, dtype=np.float64)
        z = self.focal * self.eye_height / (rows - self.horizon)
        x = (columns - self.centre) * z / self.focal + self.eye_x - self.bend * z * z
        return x, z


_SUBPIXEL_BITS = 4
_SUBPIXELS = 1 << _SUBPIXEL_BITS


class Canvas:
    """An RGB image and its label map, painted together through a camera in hazy air.

    With ``label=None`` only the image changes: marks on a surface keep the surface's label.
    """

    def __init__(
        self, height: int, width: int, camera: Camera, haze_colour: Colour, haze_density: float
    ) -> None:
        self.image: Array = np.zeros((height, width, 3), np.uint8)
        self.labels: Array = np.full((height, width), StreetClass.SKY, np.uint8)
        self.camera = camera
        self.haze_colour = haze_colour
        self.haze_density = haze_density

    def pixels_per_metre(self, z: float) -> float:
        """Scale of upright things at depth ``z``."""
        return self.camera.focal / z

    def columns_across(self, *ground_points: tuple[float, float]) -> float:
        """Count the picture's columns between ``(x, z)`` ground points; <= 0 means out of view."""
        columns = [self.camera.project(x, 0.0, z)[0] for x, z in ground_points]
        width: int = self.labels.shape[1]
        return min(max(columns), width) - max(min(columns), 0.0)

    def fill(self, outline: Sequence[Point], colour: Colour, label: int | None) -> None:
        """Fill one polygon given by its world points."""
        columns, rows = zip(*[self.camera.project(*point) for point in outline], strict=True)
        shape = np.array(list(zip(_inset(columns), _inset(rows), strict=True)), np.int32)
        self._fill_pixels([shape], colour, outline[0][2], label)

    def fill_all(self, outlines: Floats, colour: Colour, label: int | None) -> None:
        """Fill n disjoint polygons of k world points each, shape (n, k, 3), in one go."""
        column, row = self.camera.project(outlines[..., 0], outlines[..., 1], outlines[..., 2])
        pixels = np.stack([column, row], axis=-1)
        # These lines do what `_inset` does, for all polygons; for a single one they are slower.
        offset = pixels - pixels.sum(axis=1, keepdims=True) / pixels.shape[1]
        inset = pixels - np.minimum(np.maximum(offset, -0.5), 0.5)
        shapes = list(np.rint(inset * _SUBPIXELS).astype(np.int32))
        self._fill_pixels(shapes, colour, float(outlines[0, 0, 2]), label)

    def blob(self, centre: Point, radius: float, colour: Colour, label: int | None) -> None:
        """Fill a disk of ``radius`` metres that faces the camera."""
        column, row = self.camera.project(*centre)
        at = (round(column * _SUBPIXELS), round(row * _SUBPIXELS))
        # As in `_inset`, half a pixel comes from drawing the border.
        size = round(max(radius * self.pixels_per_metre(centre[2]) - 0.5, 0.0) * _SUBPIXELS)
        seen = self._through_haze(colour, centre[2])
        cv2.circle(self.image, at, size, seen, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        if label is not None:
            cv2.circle(self.labels, at, size, (label,), -1, cv2.LINE_8, _SUBPIXEL_BITS)

    def _through_haze(self, colour: Colour, z: float) -> Colour:
        seen = mix(self.haze_colour, colour, math.exp(-self.haze_density * z))
        return tuple(round(channel) for channel in seen)

    def _fill_pixels(
        self, shapes: list[NDArray[np.int32]], colour: Colour, z: float, label: int | None
    ) -> None:
        """Fill polygons at depth ``z``, each (k, 2) columns and rows in subpixels."""
        seen = self._through_haze(colour, z)
        cv2.fillPoly(self.image, shapes, seen, cv2.LINE_AA, _SUBPIXEL_BITS)
        if label is not None:
            cv2.fillPoly(self.labels, shapes, (label,), cv2.LINE_8, _SUBPIXEL_BITS)


def _inset(values: Sequence[float]) -> list[int]:
    """Return columns (or rows) of corners in subpixels, pulled half a pixel inwards.

    OpenCV draws a polygon's border too. That keeps thin shapes at one pixel, but widens every
    shape by half a pixel on either side, and this makes up for it.
    """
    middle = sum(values) / len(values)
    low, high = middle - 0.5, middle + 0.5
    return [
        round(_SUBPIXELS * (v - 0.5 if v > high else v + 0.5 if v < low else middle))
        for v in values
    ]
