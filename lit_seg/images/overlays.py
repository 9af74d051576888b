"""Colours of classes, label maps as colours, and predictions beside the truth."""

import colorsys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lit_seg.images.bands import as_picture
from lit_seg.images.open_and_save import Array, Colour
from lit_seg.metrics.labels import VOID

_OKABE_ITO: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), (150, 150, 150)),
)
"""Colours that colour-blind people can distinguish, with a grey in place of black."""


_HUES = 13_516
"""Steps around the circle of hues; further ones give no new colour of eight bits."""


def distinct_colours(number: int) -> tuple[Colour, ...]:
    """As many different colours for classes that have none of their own; none is black (void)."""
    found = dict.fromkeys(_OKABE_ITO)
    step = 0
    while len(found) < number:
        found[_colour(step)] = None
        step += 1
    return tuple(found)[:number]


def _colour(step: int) -> Colour:
    if step >= _HUES:  # with an odd factor it goes through all colours
        word = step * 0x9E3779 % 2**24
        return word >> 16, word >> 8 & 255, word & 255
    # multiples of the golden ratio never repeat a hue; neighbours differ in brightness
    hue, value = step * 0.618034 % 1, (1.0, 0.75, 0.5)[step % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9 if step % 2 else 0.5, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def colourise(label: npt.NDArray[np.integer], palette: Sequence[Colour]) -> Array:
    """Turn ``(H, W)`` class ids into ``(H, W, 3)`` RGB; void is black."""
    table = np.zeros((VOID + 1, 3), np.uint8)
    table[: len(palette)] = palette
    picture: Array = table[label]
    return picture


def blend(image: Array, colours: Array, opacity: float = 0.55) -> Array:
    """Lay ``(H, W, 3)`` colours over an image of any number of channels."""
    mixed = (1 - opacity) * as_picture(image) + opacity * colours
    return mixed.round().astype(np.uint8)


def side_by_side(
    image: Array,
    truth: npt.NDArray[np.integer],
    prediction: npt.NDArray[np.integer],
    palette: Sequence[Colour],
) -> Array:
    """Put image, truth, prediction and errors (white on the image) in a row."""
    wrong = (truth != prediction) & (truth != VOID)
    image = as_picture(image)
    errors = np.where(wrong[..., None], np.uint8(255), image // 3)
    return np.concatenate(
        [image, colourise(truth, palette), colourise(prediction, palette), errors], axis=1
    )
