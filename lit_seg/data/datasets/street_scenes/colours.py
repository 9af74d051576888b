"""Colours of paint, cloth and glass, and how to blend and vary them."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""

DARK_GLASS: Colour = (38.0, 44.0, 52.0)
RUBBER: Colour = (28.0, 28.0, 30.0)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Blend two colours; ``share`` is the weight of the second."""
    keep = 1.0 - share
    return (
        keep * first[0] + share * second[0],
        keep * first[1] + share * second[1],
        keep * first[2] + share * second[2],
    )


def shade(colour: Colour, factor: float) -> Colour:
    """Brighten or darken a colour, staying within 0..255."""
    red, green, blue = colour
    return min(red * factor, 255.0), min(green * factor, 255.0), min(blue * factor, 255.0)


def pick(rng: np.random.Generator, colours: Sequence[Colour], spread: float) -> Colour:
    """One of the colours, with its brightness varied by up to ``spread`` (a fraction)."""
    return shade(colours[int(rng.integers(len(colours)))], rng.uniform(1 - spread, 1 + spread))


def any_colour(rng: np.random.Generator) -> Colour:
    """A colour of paint or cloth; classes share it so that colour does not give them away."""
    if rng.random() < 0.45:
        grey = rng.uniform(25.0, 225.0)
        tint = rng.uniform(-10.0, 10.0)
        return grey + tint, grey, grey - tint
    hue, saturation, value = rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.25, 0.9)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return 255.0 * red, 255.0 * green, 255.0 * blue


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]
) -> NDArray[np.float32]:
    """Zero-mean noise of about unit strength, (height, width), that varies over few cells."""
    coarse = rng.standard_normal(cells, dtype=np.float32)
    smooth: NDArray[np.float32] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth
