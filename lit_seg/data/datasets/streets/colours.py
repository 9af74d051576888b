"""The classes of a street scene, and the colours that it is painted in."""

import colorsys
from collections.abc import Sequence
from enum import IntEnum

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


class StreetClass(IntEnum):
    """Label ids of the things that are drawn, in the order of `classes/streets.csv`."""

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


Colour = tuple[float, ...]
"""Red, green and blue, 0 to 255."""

DARK_GLASS: Colour = (38.0, 44.0, 52.0)
RUBBER: Colour = (28.0, 28.0, 30.0)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Blend two colours; ``share`` is the weight of the second."""
    return tuple((1.0 - share) * a + share * b for a, b in zip(first, second, strict=True))


def shade(colour: Colour, factor: float) -> Colour:
    """Brighten or darken a colour and keep it within 0..255."""
    return tuple(min(channel * factor, 255.0) for channel in colour)


def pick(rng: Generator, colours: Sequence[Colour], spread: float) -> Colour:
    """Choose one of the colours and vary its brightness by up to ``spread`` (a fraction)."""
    return shade(colours[int(rng.integers(len(colours)))], rng.uniform(1 - spread, 1 + spread))


def any_colour(rng: Generator) -> Colour:
    """Choose a colour of paint or cloth; all classes share these colours."""
    if rng.random() < 0.45:
        grey = rng.uniform(25.0, 225.0)
        tint = rng.uniform(-10.0, 10.0)
        return grey + tint, grey, grey - tint
    hue, saturation, value = rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.25, 0.9)
    return tuple(255.0 * part for part in colorsys.hsv_to_rgb(hue, saturation, value))


def smooth_noise(
    rng: Generator, height: int, width: int, cells: tuple[int, int]
) -> NDArray[np.float32]:
    """Zero-mean noise of about unit strength, (height, width), interpolated from a few cells."""
    coarse = rng.standard_normal(cells, dtype=np.float32)
    smooth: NDArray[np.float32] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth
