"""The backdrop of a scene: sky, skyline, road, sidewalks, houses, and shadows on the ground."""

import math
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.random import Generator

from lit_seg.data.datasets.streets.canvas import Canvas, Floats, Wall, upright
from lit_seg.data.datasets.streets.colours import (
    DARK_GLASS,
    Colour,
    StreetClass,
    any_colour,
    mix,
    pick,
    shade,
    smooth_noise,
)
from lit_seg.data.datasets.streets.plan import SIDES, Box, Street

_SKYLINE_DEPTH = 110.0  # metres
_NEAREST_SHADOW = 1.5  # metres; a shadow may fall behind the camera, where nothing is projected


def paint_sky(canvas: Canvas, rng: Generator) -> None:
    """Paint a gradient from the zenith to the hazy horizon, with soft clouds over it."""
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


def paint_skyline(canvas: Canvas, rng: Generator) -> None:
    """Paint distant houses and trees that close the view along the street."""
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


def paint_ground(canvas: Canvas, rng: Generator, street: Street) -> None:
    """Paint asphalt with repairs and markings, and paving on either side, pixel by pixel."""
    height, width = canvas.labels.shape
    top = canvas.camera.first_ground_row
    x, z = canvas.camera.ground(height, width)
    off_road = np.abs(x) - street.road  # metres from the kerb, negative on the road
    on_road = off_road < 0.0
    canvas.labels[top:] = np.where(on_road, StreetClass.ROAD, StreetClass.SIDEWALK)

    asphalt = rng.uniform(62.0, 125.0)
    paving = min(asphalt * rng.uniform(0.85, 1.5), 175.0)
    level = np.where(on_road, asphalt, paving)
    level *= 1.0 + 0.05 * smooth_noise(rng, height - top, width, (6, 6))
    for _ in range(int(rng.integers(0, 4))):  # rectangles of newer or older asphalt
        left, near = rng.uniform(-street.road, street.road), rng.uniform(3.0, 25.0)
        right, far = left + rng.uniform(0.8, 3.0), near + rng.uniform(1.0, 9.0)
        patch = (x > left) & (x < right) & (z > near) & (z < far) & on_road
        level[patch] *= rng.uniform(0.75, 1.25)
    # The kerb stone, and joints between slabs where they are near enough to be seen.
    slab = rng.uniform(0.6, 1.2)
    level[(off_road >= 0.0) & (off_road < 0.25)] *= rng.uniform(0.75, 1.25)
    joint = (_cycle(off_road, slab) < 0.07) | (_cycle(z, slab) < 0.07)
    level[joint & (off_road > 0.25) & (z < 14.0)] *= 0.86
    _add_markings(rng, level, x, z, off_road)

    warm = np.where(on_road, rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.1))
    kept = np.exp(-canvas.haze_density * z)
    for channel, tint in enumerate((1.0 + warm, 1.0, 1.0 - warm)):
        seen = level * tint * kept + canvas.haze_colour[channel] * (1.0 - kept)
        canvas.image[top:, :, channel] = np.minimum(seen, 255.0)


def _add_markings(rng: Generator, level: Floats, x: Floats, z: Floats, off_road: Floats) -> None:
    """Add worn paint: a dashed centre line, sometimes edge lines and a zebra crossing."""
    paint, worn = rng.uniform(150.0, 225.0), rng.uniform(0.5, 1.0)
    dashes = _cycle(z + rng.uniform(0.0, 8.0), rng.uniform(4.5, 9.0)) < 0.45
    painted = (np.abs(x) < 0.07) & dashes
    if rng.random() < 0.6:
        painted |= np.abs(off_road + 0.35) < 0.06
    if rng.random() < 0.3:
        near = rng.uniform(5.0, 20.0)
        crossing = (z > near) & (z < near + 3.0) & (off_road < -0.3)
        painted |= crossing & (_cycle(x, 1.0) < 0.5)
    level[painted] += worn * (paint - level[painted])


def _cycle(values: Floats, period: float) -> Floats:
    """Compute the position within a repeating pattern, from 0 to 1."""
    turns = values / period
    return turns - np.floor(turns)


def paint_shadows(canvas: Canvas, street: Street, boxes: Iterable[Box]) -> None:
    """Darken the ground around the boxes, only once where several shadows meet."""
    light = np.full(canvas.labels.shape, 255, np.uint8)
    for box in boxes:
        # A shadow is the convex hull of the corners that the box stands on and of the points where
        # the corners above them throw their shadows.
        corners = []
        for x in (box.x - box.width / 2, box.x + box.width / 2):
            for z in (box.z, box.z + box.depth):
                tip_z = max(z + street.sun[1] * box.height, _NEAREST_SHADOW)
                corners.append(canvas.camera.project(x, 0.0, z))
                corners.append(canvas.camera.project(x + street.sun[0] * box.height, 0.0, tip_z))
        hull = cv2.convexHull(np.rint(np.array(corners)).astype(np.int32))
        cv2.fillConvexPoly(light, hull, (round(255 * street.dusk),))
    soft = cv2.GaussianBlur(light, (3, 3), 0.8)[..., None]
    top = canvas.camera.first_ground_row
    canvas.image[top:] = canvas.image[top:].astype(np.uint16) * soft[top:] // 255


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
_HOUSE_WIDTH = 12.0  # metres


def place_houses(rng: Generator, street: Street) -> Iterator[Box]:
    """Place a row of houses with a few gaps on both sides, the far ones first."""
    skyward = rng.uniform(4.0, 10.5)
    for side in SIDES:
        houses = []
        z = rng.uniform(2.0, 8.0)
        while z < 60.0:
            if rng.random() < 0.22:
                z += rng.uniform(4.0, 12.0)
            x = side * (street.front + rng.uniform(0.0, 0.8) + 0.5 * _HOUSE_WIDTH)
            depth = rng.uniform(8.0, 18.0)
            houses.append(Box(x, z, _HOUSE_WIDTH, depth, skyward * rng.uniform(0.7, 1.4)))
            z += depth
        yield from reversed(houses)


def draw_house(canvas: Canvas, rng: Generator, house: Box) -> None:
    """Paint both walls of a house in view, one in brighter light, and perhaps a shop."""
    z, end, height = house.z, house.z + house.depth, house.height
    outwards = math.copysign(0.5 * house.width, house.x)
    inner, outer = house.x - outwards, house.x + outwards
    if canvas.columns_across((inner, end), (inner, z), (outer, z)) <= 0:
        return
    front, flank = Wall(inner, z, outer, z), Wall(inner, z, inner, end)
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
