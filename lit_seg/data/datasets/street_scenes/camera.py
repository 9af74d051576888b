"""The camera: where on the picture a point of the street is seen, and the other way round.

Everything is described in metres and projected by one `Camera`, so the size of a thing on the
picture follows from where it stands.
"""

import math
from dataclasses import dataclass

import numpy as np

from lit_seg.data.datasets.street_scenes.shapes import Floats, Scalars


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

    @property
    def first_ground_row(self) -> int:
        """First row of pixels below the horizon."""
        return math.floor(self.horizon) + 1

    def project(self, x: Scalars, y: Scalars, z: Scalars) -> tuple[Scalars, Scalars]:
        """Column and row, in pixels, of world points given as numbers or as equal-shape arrays."""
        scale = self.focal / z
        column = self.centre + scale * (x - self.eye_x + self.bend * z * z)
        return column, self.horizon + scale * (self.eye_height - y)

    def ground(self, height: int, width: int) -> tuple[Floats, Floats]:
        """``x`` (rows, width) and ``z`` (rows, 1) of the ground seen below the horizon."""
        rows = np.arange(self.first_ground_row, height, dtype=np.float64)[:, None]
        columns = np.arange(width, dtype=np.float64)
        z = self.focal * self.eye_height / (rows - self.horizon)
        x = (columns - self.centre) * z / self.focal + self.eye_x - self.bend * z * z
        return x, z
