"""Outlines of flat shapes in metres, for a `Canvas` to fill."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]
"""``x`` to the right of the road's centre line, ``y`` up from the ground, ``z`` ahead."""
Floats = NDArray[np.float64]
Scalars = TypeVar("Scalars", float, Floats)

CIRCLE = [(math.cos(math.pi * i / 6), math.sin(math.pi * i / 6)) for i in range(12)]
"""Corners of a polygon that passes for a circle of radius 1 around the origin."""


def upright(x0: float, x1: float, y0: float, y1: float, z: float) -> list[Point]:
    """Corners of a rectangle that faces the camera."""
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def flat(x0: float, x1: float, y: float, z0: float, z1: float) -> list[Point]:
    """Corners of a rectangle that faces the sky."""
    return [(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)]


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


def shrunk(outline: Sequence[Point], factor: float) -> list[Point]:
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
