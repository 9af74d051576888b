"""The backdrop of a scene: the sky, and the skyline at the end of the street."""

import math

import numpy as np

from lit_seg.data.datasets.street_scenes.canvas import Canvas
from lit_seg.data.datasets.street_scenes.colours import mix, smooth_noise
from lit_seg.data.datasets.street_scenes.scene_classes import StreetClass
from lit_seg.data.datasets.street_scenes.shapes import upright

_SKYLINE_DEPTH = 110.0  # metres


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """A gradient from the zenith to the hazy horizon, with soft clouds over it."""
    height, width = canvas.labels.shape
    rows = min(math.ceil(canvas.camera.horizon) + 1, height)
    blue = (rng.uniform(70, 150), rng.uniform(120, 180), rng.uniform(190, 240))
    zenith = np.array(mix(blue, canvas.haze_colour, rng.uniform(0.0, 1.0)))
    haze = np.array(canvas.haze_colour)
    fall = np.linspace(0.0, 1.0, rows)[:, None, None]
    sky = zenith + (haze - zenith) * fall
    cover = smooth_noise(rng, rows, width, (5, 7)) + rng.uniform(-0.6, 0.4)
    cloud = np.clip(cover, 0.0, 0.8)[..., None]
    sky = sky + (rng.uniform(190.0, 250.0) - sky) * cloud
    canvas.image[:rows] = np.rint(np.clip(sky, 0.0, 255.0)).astype(np.uint8)


def paint_skyline(canvas: Canvas, rng: np.random.Generator) -> None:
    """Distant houses and trees that close the view along the street."""
    spread = 0.6 * _SKYLINE_DEPTH * canvas.labels.shape[1] / canvas.camera.focal
    x = -spread
    while x < spread:
        wide, tall = rng.uniform(6.0, 18.0), rng.uniform(4.0, 15.0)
        grey = rng.uniform(70.0, 150.0)
        colour, label = (grey, grey, grey), StreetClass.BUILDING
        if rng.random() < 0.45:
            tall *= 0.6
            colour, label = (0.8 * grey, grey, 0.7 * grey), StreetClass.TREE
        canvas.fill(upright(x, x + wide, 0.0, tall, _SKYLINE_DEPTH), colour, label)
        x += wide
