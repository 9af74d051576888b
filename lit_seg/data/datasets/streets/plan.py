"""The plan of a scene in metres: the street, and the things that take up room in it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from numpy.random import Generator

from lit_seg.data.datasets.streets.canvas import Canvas

SIDES = (-1.0, 1.0)
"""Left and right of the road's centre line, as signs of ``x``."""


@dataclass(frozen=True)
class Street:
    """Cross-section of the street in metres, and where the sun throws shadows.

    The road spans ``-road..road`` and a sidewalk continues to ``front`` on either side, where the
    buildings start. ``sun`` is the (x, z) shadow offset per metre of height; ``dusk`` is the share
    of light that is left in a shadow.
    """

    road: float
    front: float
    sun: tuple[float, float]
    dusk: float


@dataclass(frozen=True)
class Box:
    """Room that something takes up, in metres.

    It stands on the ground, its middle at ``x``, and extends from ``z`` away from the camera.
    """

    x: float
    z: float
    width: float
    depth: float
    height: float

    def overlaps(self, other: Self) -> bool:
        """Tell whether the two share some of the ground."""
        return (
            2.0 * abs(self.x - other.x) < self.width + other.width
            and self.z < other.z + other.depth
            and other.z < self.z + self.depth
        )


@dataclass(frozen=True)
class Thing:
    """Something on the road or the sidewalk: the room it takes up, and how to paint it."""

    box: Box
    draw: Callable[[Canvas, Generator, float, float], None]  # at ``x`` and ``z``


def random_side(rng: Generator) -> float:
    """Choose one of the `SIDES`."""
    return 1.0 if rng.random() < 0.5 else -1.0


def random_depth(rng: Generator, near: float, far: float) -> float:
    """Draw a depth so that near and far are seen about equally often."""
    return math.exp(rng.uniform(math.log(near), math.log(far)))
