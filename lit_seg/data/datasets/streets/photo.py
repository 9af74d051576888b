"""Makes a photo and its annotation from a painted scene, with the flaws that both have."""

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lit_seg.data.datasets.streets.canvas import Canvas
from lit_seg.data.datasets.streets.colours import StreetClass, any_colour, shade, smooth_noise
from lit_seg.images.open_and_save import Array
from lit_seg.metrics.labels import VOID

# Roughness of surfaces: the span of random brightness, by label.
_GRAIN = np.full(256, 0.1, np.float32)
_GRAIN[[StreetClass.TREE, StreetClass.ROAD, StreetClass.SIDEWALK]] = (0.3, 0.18, 0.15)
_GRAIN[StreetClass.SKY] = 0.02

_BULKY = np.zeros(256, bool)
_BULKY[[StreetClass.SKY, StreetClass.BUILDING, StreetClass.ROAD]] = True
_BULKY[[StreetClass.SIDEWALK, StreetClass.TREE, StreetClass.CAR]] = True


def photograph(canvas: Canvas, rng: Generator) -> tuple[Array, Array]:
    """Return the scene as a camera records it and the labels as somebody annotates them."""
    image, labels = _expose(canvas, rng), canvas.labels.copy()
    _forget_some_labels(labels, rng)
    _paint_bonnet(image, labels, rng)
    return image, labels


def _expose(canvas: Canvas, rng: Generator) -> Array:
    """Add texture, uneven light, the blur of a lens, tones and noise to the painted image."""
    height, width = canvas.labels.shape
    grain = (rng.random((height, width), dtype=np.float32) - 0.5) * _GRAIN.take(canvas.labels)
    light = 1.0 + 0.06 * smooth_noise(rng, height, width, (4, 6))
    light += np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(rng.normal(0.0, 0.2))
    gain = cv2.cvtColor(np.clip((1.0 + grain) * light, 0.3, 1.7), cv2.COLOR_GRAY2RGB)
    lit = np.minimum(canvas.image * gain, 255.0).astype(np.uint8)
    soft = cv2.GaussianBlur(lit, (3, 3), rng.uniform(0.25, 0.7))
    toned = cv2.LUT(soft, _tone_curves(rng))
    noise = (rng.random(toned.shape, dtype=np.float32) - 0.5) * np.float32(rng.uniform(4.0, 20.0))
    noisy: NDArray[np.float32] = toned + noise
    return np.clip(noisy, 0.0, 255.0).astype(np.uint8)


def _tone_curves(rng: Generator) -> Array:
    """Draw exposure, contrast, gamma and colour temperature: one curve per channel, (1, 256, 3)."""
    exposure, contrast = rng.uniform(0.65, 1.2), rng.uniform(0.75, 1.15)
    gamma, warmth = math.exp(rng.normal(0.0, 0.18)), rng.normal(0.0, 0.07)
    tone = np.linspace(0.0, 1.0, 256) ** gamma
    tone = 0.45 + contrast * (tone - 0.45)
    channels = exposure * np.array((1 + warmth, 1.0, 1 - warmth))
    curves = 255.0 * tone[:, None] * channels
    return np.rint(np.clip(curves, 0.0, 255.0)).astype(np.uint8)[None]


def _forget_some_labels(labels: Array, rng: Generator) -> None:
    """Void the borders between bulky classes in part of the picture, as unsure annotators do.

    Thin and small classes keep their borders: they would lose most of their pixels.
    """
    width: int = labels.shape[1]
    left = int(rng.integers(width))
    part = labels[:, left : left + int(0.45 * width)]
    bulky = _BULKY[part]
    border = np.zeros(part.shape, bool)
    border[1:] = (part[:-1] != part[1:]) & bulky[:-1] & bulky[1:]
    border[:, 1:] |= (part[:, :-1] != part[:, 1:]) & bulky[:, :-1] & bulky[:, 1:]
    part[border] = VOID


def _paint_bonnet(image: Array, labels: Array, rng: Generator) -> None:
    """Cover the bottom of some pictures with the unlabelled bonnet of the camera's own car."""
    if rng.random() < 0.6:
        return
    height, width = labels.shape
    middle = (round(width * rng.uniform(0.4, 0.6)), height)
    size = (round(width * rng.uniform(0.4, 0.65)), max(round(height * rng.uniform(0.02, 0.065)), 1))
    paint = shade(any_colour(rng), 0.7)
    colour = (round(paint[0]), round(paint[1]), round(paint[2]))
    cv2.ellipse(image, middle, size, 0.0, 180.0, 360.0, colour, -1, cv2.LINE_AA)
    cv2.ellipse(labels, middle, size, 0.0, 180.0, 360.0, (VOID,), -1, cv2.LINE_8)
