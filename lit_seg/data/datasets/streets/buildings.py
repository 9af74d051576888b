"""Buildings: rows of houses along the street, with windows, curtains and shops."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from lit_seg.data.datasets.streets.canvas import Canvas, Floats, Wall
from lit_seg.data.datasets.streets.colours import (
    DARK_GLASS,
    Colour,
    StreetClass,
    any_colour,
    mix,
    pick,
    shade,
)
from lit_seg.data.datasets.streets.plan import SIDES, Box, Street

_FACADES: tuple[Colour, ...] = (
    (150, 84, 66),  # brick
    (196, 172, 130),  # sandstone
    (214, 206, 190),  # pale render
    (128, 128, 130),  # concrete, like the road
    (165, 168, 172),  # light concrete, like the pavement
    (178, 190, 204),  # glass and steel, like the sky
    (96, 92, 90),  # slate
    (122, 132, 104),  # mossy green, like a tree
    (138, 112, 92),  # brown
)


@dataclass(frozen=True)
class House:
    """A house with the wall ``flank`` along the street and ``front`` turned to the camera."""

    front: Wall
    flank: Wall
    height: float

    @property
    def box(self) -> Box:
        """The room it takes up."""
        middle = 0.5 * (self.front.x0 + self.front.x1)
        return Box(middle, self.front.z0, self.front.length, self.flank.length, self.height)


def place_houses(rng: Generator, street: Street) -> Iterator[House]:
    """Place a row of houses with a few gaps on both sides, the far ones first."""
    skyward = rng.uniform(4.0, 10.5)
    for side in SIDES:
        houses = []
        z = rng.uniform(2.0, 8.0)
        while z < 60.0:
            if rng.random() < 0.22:
                z += rng.uniform(4.0, 12.0)
            x = side * (street.front + rng.uniform(0.0, 0.8))
            end = z + rng.uniform(8.0, 18.0)
            front, flank = Wall(x, z, x + side * 12.0, z), Wall(x, z, x, end)
            houses.append(House(front, flank, skyward * rng.uniform(0.7, 1.4)))
            z = end
        yield from reversed(houses)


def draw_house(canvas: Canvas, rng: Generator, house: House) -> None:
    """Paint both walls of a house in view, one in brighter light, and perhaps a shop."""
    front, flank, height = house.front, house.flank, house.height
    if canvas.columns_across((flank.x1, flank.z1), (front.x0, front.z0), (front.x1, front.z1)) <= 0:
        return
    material = pick(rng, _FACADES, 0.18)
    glass = mix(DARK_GLASS, canvas.haze_colour, rng.uniform(0.0, 0.6))
    sunny, shady = rng.uniform(0.95, 1.1), rng.uniform(0.7, 0.9)
    lights = (sunny, shady) if rng.random() < 0.5 else (shady, sunny)
    storey = rng.uniform(2.7, 3.4)
    for wall, light in zip((front, flank), lights, strict=True):
        painted = shade(material, light)
        canvas.fill(wall.panel(0.0, wall.length, 0.0, height), painted, StreetClass.BUILDING)
        # With fewer columns per metre, windows would blur into the wall.
        if canvas.columns_across((wall.x0, wall.z0), (wall.x1, wall.z1)) > 1.3 * wall.length:
            cornice = shade(painted, rng.uniform(0.65, 1.2))
            canvas.fill(wall.panel(0.0, wall.length, height - 0.35, height), cornice, None)
            _draw_windows(canvas, rng, wall, np.arange(1.0, height - 1.9, storey), glass)
    if rng.random() < 0.55:
        # A shop: its board is as bright as a traffic sign, yet part of the building.
        start = flank.length * rng.uniform(0.0, 0.4)
        end = min(start + rng.uniform(3.0, 8.0), flank.length)
        canvas.fill(flank.panel(start, end, 0.4, 2.4), DARK_GLASS, None)
        canvas.fill(flank.panel(start, end, 2.4, 3.0), any_colour(rng), None)


def _draw_windows(
    canvas: Canvas, rng: Generator, wall: Wall, floors: Floats, glass: Colour
) -> None:
    """Paint equal windows whose sills are at the heights ``floors``; some have curtains."""
    pitch = rng.uniform(1.9, 3.0)
    pane = pitch * rng.uniform(0.4, 0.65)
    bays = np.arange(0.5 * (pitch - pane), wall.length - pane, pitch)
    if not floors.size:
        return
    starts, sills = np.tile(bays, floors.size), np.repeat(floors, bays.size)
    panes = wall.panels(starts, pane, sills, 1.5)
    canvas.fill_all(panes, glass, None)
    curtained = panes[rng.random(len(panes)) < rng.uniform(-0.4, 0.5)]
    if curtained.size:
        curtain = mix(glass, (225.0, 205.0, 160.0), rng.uniform(0.15, 0.6))
        canvas.fill_all(curtained, curtain, None)
