"""Colours for classes that have none of their own."""

import colorsys

Colour = tuple[int, int, int]
"""Red, green and blue from 0 to 255."""

_OKABE_ITO: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), (150, 150, 150)),
)
"""Colours that colour-blind people can distinguish, with a grey in place of black."""


def distinct_colours(number: int) -> tuple[Colour, ...]:
    """As many different colours for classes that have none of their own; none is black (void)."""
    found = dict.fromkeys(_OKABE_ITO)
    step = 0
    while len(found) < number:
        # multiples of the golden ratio never repeat a hue; neighbours differ in brightness
        hue, value = step * 0.618034 % 1, (1.0, 0.75, 0.5)[step % 3]
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.9 if step % 2 else 0.5, value)
        found[round(255 * red), round(255 * green), round(255 * blue)] = None
        step += 1
    return tuple(found)[:number]
