"""Colours for classes that have none of their own."""

import colorsys

from lit_seg.data.label_maps import Colour

# Okabe and Ito's, which colour-blind people tell apart
_FIRST: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (150, 150, 150),
)


def distinct_colours(number: int) -> tuple[Colour, ...]:
    """So many different colours, none of them black, which is void."""
    found = dict.fromkeys(_FIRST)
    step = 0
    while len(found) < number:
        # the golden ratio never comes back to a hue; brightness tells neighbours apart
        hue, value = step * 0.618034 % 1, (1.0, 0.75, 0.5)[step % 3]
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.9 if step % 2 else 0.5, value)
        found[round(255 * red), round(255 * green), round(255 * blue)] = None
        step += 1
    return tuple(found)[:number]
