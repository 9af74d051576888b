"""The ground: road and sidewalks, computed pixel by pixel from the place each pixel shows."""

from dataclasses import dataclass

import numpy as np

from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.colours import smooth_noise
from lit_seg.data.datasets.street_scenes.plan import Street
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import Floats


def paint_ground(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    """Asphalt with repairs and markings, and paving on either side of it."""
    height, width = canvas.labels.shape
    top = canvas.camera.first_ground_row
    x, z = canvas.camera.ground(height, width)
    off_road = np.abs(x) - street.road
    on_road = off_road < 0.0
    canvas.labels[top:] = np.where(on_road, StreetClass.ROAD, StreetClass.SIDEWALK)

    asphalt = rng.uniform(62.0, 125.0)
    paving = min(asphalt * rng.uniform(0.85, 1.5), 175.0)
    level = np.where(on_road, asphalt, paving)
    level *= 1.0 + 0.05 * smooth_noise(rng, height - top, width, (6, 6))
    ground = _Ground(level, x, z, off_road)
    _add_repairs(rng, street, ground)
    _add_paving(rng, ground)
    _add_markings(rng, ground)

    warm = np.where(on_road, rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.1))
    kept = np.exp(-canvas.haze_density * z)
    for channel, tint in enumerate((1.0 + warm, 1.0, 1.0 - warm)):
        seen = level * tint * kept + canvas.haze_colour[channel] * (1.0 - kept)
        canvas.image[top:, :, channel] = np.minimum(seen, 255.0)


@dataclass(frozen=True)
class _Ground:
    """What each pixel below the horizon shows, arrays of shape (rows, W) or, for ``z``, (rows, 1).

    ``level`` is the brightness, ``x`` and ``z`` the place in metres, and ``off_road`` how far that
    is from the kerb, negative on the road.
    """

    level: Floats
    x: Floats
    z: Floats
    off_road: Floats


def _add_repairs(rng: np.random.Generator, street: Street, ground: _Ground) -> None:
    """Rectangles of newer or older asphalt."""
    for _ in range(int(rng.integers(0, 4))):
        left, near = rng.uniform(-street.road, street.road), rng.uniform(3.0, 25.0)
        right, far = left + rng.uniform(0.8, 3.0), near + rng.uniform(1.0, 9.0)
        patch = (ground.x > left) & (ground.x < right) & (ground.z > near) & (ground.z < far)
        ground.level[patch & (ground.off_road < 0.0)] *= rng.uniform(0.75, 1.25)


def _add_paving(rng: np.random.Generator, ground: _Ground) -> None:
    """The kerb stone, and joints between slabs where they are near enough to be seen."""
    aside, slab = ground.off_road, rng.uniform(0.6, 1.2)
    ground.level[(aside >= 0.0) & (aside < 0.25)] *= rng.uniform(0.75, 1.25)
    joint = (_cycle(aside, slab) < 0.07) | (_cycle(ground.z, slab) < 0.07)
    ground.level[joint & (aside > 0.25) & (ground.z < 14.0)] *= 0.86


def _add_markings(rng: np.random.Generator, ground: _Ground) -> None:
    """Worn paint on the road: a dashed centre line, edge lines, sometimes a zebra crossing."""
    paint, worn = rng.uniform(150.0, 225.0), rng.uniform(0.5, 1.0)
    dashes = _cycle(ground.z + rng.uniform(0.0, 8.0), rng.uniform(4.5, 9.0)) < 0.45
    painted = (np.abs(ground.x) < 0.07) & dashes
    if rng.random() < 0.6:
        painted |= np.abs(ground.off_road + 0.35) < 0.06
    if rng.random() < 0.3:
        near = rng.uniform(5.0, 20.0)
        crossing = (ground.z > near) & (ground.z < near + 3.0) & (ground.off_road < -0.3)
        painted |= crossing & (_cycle(ground.x, 1.0) < 0.5)
    ground.level[painted] += worn * (paint - ground.level[painted])


def _cycle(values: Floats, period: float) -> Floats:
    """Position within a repeating pattern, from 0 to 1."""
    turns = values / period
    return turns - np.floor(turns)
