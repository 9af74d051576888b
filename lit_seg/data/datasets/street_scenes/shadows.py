"""Shadows on the ground, thrown by whatever stands between it and the sun."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from lit_seg.data.datasets.street_scenes.camera import Camera
from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.plan import Box, Street

_NEAREST = 1.5  # metres; a shadow may fall behind the camera, where nothing can be projected


def paint_shadows(canvas: Canvas, street: Street, boxes: Iterable[Box]) -> None:
    """Darken the ground around the boxes, once where several shadows meet."""
    light = np.full(canvas.labels.shape, 255, np.uint8)
    dusk = round(255 * street.dusk)
    for box in boxes:
        cv2.fillConvexPoly(light, _outline(canvas.camera, street.sun, box), (dusk,))
    soft = cv2.GaussianBlur(light, (3, 3), 0.8)[..., None]
    top = canvas.camera.first_ground_row
    canvas.image[top:] = canvas.image[top:].astype(np.uint16) * soft[top:] // 255


def _outline(camera: Camera, sun: tuple[float, float], box: Box) -> NDArray[np.int32]:
    """Pixels (k, 1, 2) around the ground shadow of a box.

    That is the convex hull of the corners it stands on and of where the corners above them throw
    their shadows.
    """
    corners = []
    for x in (box.x - box.width / 2, box.x + box.width / 2):
        for z in (box.z, box.z + box.depth):
            tip_x, tip_z = x + sun[0] * box.height, max(z + sun[1] * box.height, _NEAREST)
            corners.append(camera.project(x, 0.0, z))
            corners.append(camera.project(tip_x, 0.0, tip_z))
    hull: NDArray[np.int32] = cv2.convexHull(np.rint(np.array(corners)).astype(np.int32))
    return hull
