"""The canvas: shapes in metres are painted into an image and its label map at once.

Each shape is painted twice, antialiased into the image and crisply into the label map, which keeps
the two in register by construction.  A shape covers what is already there, so the caller goes from
far to near.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lit_seg.data.datasets.street_scenes.camera import Camera
from lit_seg.data.datasets.street_scenes.colours import Colour, mix
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import Floats, Point

_SUBPIXEL_BITS = 4
_SUBPIXELS = 1 << _SUBPIXEL_BITS


class Canvas:
    """An RGB image and its label map, painted together through a camera in hazy air.

    With ``label=None`` only the image changes: marks on a surface keep the surface's label.
    """

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
        """How many columns of the picture the span between ``(x, z)`` ground points takes.

        Not above zero if all of it is outside the picture.
        """
        columns = [self.camera.project(x, 0.0, z)[0] for x, z in ground_points]
        width: int = self.labels.shape[1]
        return min(max(columns), width) - max(min(columns), 0.0)

    def fill(self, outline: Sequence[Point], colour: Colour, label: int | None) -> None:
        """Fill one polygon given by its world points."""
        columns, rows = zip(*[self.camera.project(*point) for point in outline], strict=True)
        shape = np.array(list(zip(_inset(columns), _inset(rows), strict=True)), np.int32)
        self._fill_pixels([shape], self._through_haze(colour, outline[0][2]), label)

    def fill_all(self, outlines: Floats, colour: Colour, label: int | None) -> None:
        """Fill n disjoint polygons of k world points each, shape (n, k, 3), in one go."""
        column, row = self.camera.project(outlines[..., 0], outlines[..., 1], outlines[..., 2])
        shapes = list(_inset_all(np.stack([column, row], axis=-1)))
        self._fill_pixels(shapes, self._through_haze(colour, float(outlines[0, 0, 2])), label)

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

    def _through_haze(self, colour: Colour, z: float) -> tuple[int, int, int]:
        seen = mix(self.haze_colour, colour, math.exp(-self.haze_density * z))
        return round(seen[0]), round(seen[1]), round(seen[2])

    def _fill_pixels(
        self, shapes: list[NDArray[np.int32]], colour: tuple[int, int, int], label: int | None
    ) -> None:
        """Fill polygons, each (k, 2) columns and rows in subpixels."""
        cv2.fillPoly(self.image, shapes, colour, cv2.LINE_AA, _SUBPIXEL_BITS)
        if label is not None:
            cv2.fillPoly(self.labels, shapes, (label,), cv2.LINE_8, _SUBPIXEL_BITS)


def _inset(values: Sequence[float]) -> list[int]:
    """Columns (or rows) of a polygon's corners in subpixels, pulled half a pixel inwards.

    OpenCV draws a polygon's border too.  That keeps thin shapes at one pixel, but widens every
    shape by half a pixel on either side, which this makes up for.
    """
    middle = sum(values) / len(values)
    low, high = middle - 0.5, middle + 0.5
    return [
        round(_SUBPIXELS * (v - 0.5 if v > high else v + 0.5 if v < low else middle))
        for v in values
    ]


def _inset_all(pixels: Floats) -> NDArray[np.int32]:
    """`_inset` for n polygons of k corners at once, (n, k, 2); for a single one it is slower."""
    offset = pixels - pixels.sum(axis=1, keepdims=True) / pixels.shape[1]
    inset: Floats = pixels - np.minimum(np.maximum(offset, -0.5), 0.5)
    return np.rint(inset * _SUBPIXELS).astype(np.int32)
