"""Render street scenes with labels, to study class imbalance without downloading a dataset.

A few large classes (road, building, sky) fill most of every picture, while the ones that matter
for safety (pedestrian, cyclist, sign, traffic light) are small, rare, and painted in the same
colours as everything else.  A scene is laid out in metres around a straight or bending road,
projected by a random camera, painted from far to near, and finally "photographed" under random
light.  All randomness comes from the generator that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lit_seg.data.street_sprites import (
    Camera,
    Canvas,
    Colour,
    Floats,
    House,
    StreetClass,
    Wall,
    any_colour,
    draw_car,
    draw_cyclist,
    draw_fence,
    draw_house,
    draw_lamppost,
    draw_pedestrian,
    draw_sign,
    draw_traffic_light,
    draw_tree,
    fence_paint,
    mix,
    shade,
    upright,
)
from lit_seg.labels import VOID

CLASS_NAMES: tuple[str, ...] = tuple(member.name.lower() for member in StreetClass)

PALETTE: tuple[tuple[int, int, int], ...] = (
    (70, 130, 180),  # sky
    (110, 70, 70),  # building
    (128, 64, 128),  # road
    (244, 35, 232),  # sidewalk
    (107, 142, 35),  # tree
    (190, 153, 153),  # fence
    (0, 0, 142),  # car
    (200, 200, 200),  # pole
    (220, 220, 0),  # sign
    (220, 20, 60),  # pedestrian
    (0, 220, 220),  # cyclist
    (250, 140, 10),  # traffic light
)

_SMALLEST_SIDE = 32
_SKYLINE_DEPTH = 110.0  # metres

Draw = Callable[[Canvas, np.random.Generator, float, float], None]


@dataclass(frozen=True)
class Street:
    """Cross-section of the street in metres, and where the sun throws shadows.

    The road spans ``-road..road`` and a sidewalk continues to ``front`` on either side, where the
    buildings start.  ``sun`` is the (x, z) shadow offset per metre of height; ``dusk`` is the share
    of light that is left in a shadow.
    """

    road: float
    front: float
    sun: tuple[float, float]
    dusk: float


@dataclass(frozen=True)
class Thing:
    """Something that stands on the ground and extends from ``z`` away from the camera.

    ``x`` is its middle, and ``bulk`` is (width, depth, height), all in metres.
    """

    x: float
    z: float
    bulk: tuple[float, float, float]
    draw: Draw


def render_scene(
    rng: np.random.Generator, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Render one random street scene.

    Args:
        rng: the only source of randomness; the same state gives the same scene bit for bit.
        height: image height in pixels, at least 32.  Things scale with it.
        width: image width in pixels, at least 32.  A wider image shows more to the sides.

    Returns:
        The RGB image, (H, W, 3) uint8, and its label map, (H, W) uint8, whose values are positions
        in `CLASS_NAMES`, or 255 where a pixel is not labelled.

    Raises:
        ValueError: if ``height`` or ``width`` is below 32.
    """
    if height < _SMALLEST_SIDE or width < _SMALLEST_SIDE:
        raise ValueError(
            f"a street scene needs at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels, "
            f"got height={height}, width={width}"
        )
    street = _random_street(rng)
    canvas = _empty_canvas(rng, street, height, width)
    houses = list(_line_with_houses(rng, street))
    things = _without_collisions(_furnish(rng, street))
    things.sort(key=lambda thing: thing.z + 0.5 * thing.bulk[1], reverse=True)

    _paint_sky(canvas, rng)
    _paint_ground(canvas, rng, street)
    _paint_shadows(canvas, street, houses, things)
    _paint_skyline(canvas, rng)
    for house in houses:
        near, far = house.front, house.flank
        if canvas.columns_across((far.x1, far.z1), (near.x0, near.z0), (near.x1, near.z1)) > 0:
            draw_house(canvas, rng, house)
    for thing in things:
        if canvas.columns_across((thing.x - 3.0, thing.z), (thing.x + 3.0, thing.z)) > 0:
            thing.draw(canvas, rng, thing.x, thing.z)
    image = _photograph(canvas, rng)
    _forget_some_labels(canvas.labels, rng)
    _paint_bonnet(image, canvas.labels, rng)
    return image, canvas.labels


def _random_street(rng: np.random.Generator) -> Street:
    road = rng.uniform(2.9, 4.1)
    return Street(
        road=road,
        front=road + rng.uniform(2.4, 4.8),
        sun=(rng.uniform(-1.1, 1.1), rng.uniform(-0.5, 0.8)),
        dusk=rng.uniform(0.45, 0.98),
    )


def _empty_canvas(rng: np.random.Generator, street: Street, height: int, width: int) -> Canvas:
    camera = Camera(
        horizon=height * rng.uniform(0.36, 0.5),
        centre=width * rng.uniform(0.42, 0.58),
        focal=height * rng.uniform(1.0, 1.2),
        eye_x=street.road * rng.uniform(-0.2, 0.65),
        eye_height=rng.uniform(1.4, 2.1),
        bend=rng.normal(0.0, 0.0018),
    )
    overcast = rng.uniform(150.0, 235.0)
    haze: Colour = (overcast - rng.uniform(-6.0, 14.0), overcast, overcast + rng.uniform(0.0, 18.0))
    return Canvas(height, width, camera, haze, haze_density=rng.uniform(0.001, 0.014))


def _paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """A gradient from the zenith to the hazy horizon, with soft clouds over it."""
    height, width = canvas.labels.shape
    rows = min(math.ceil(canvas.camera.horizon) + 1, height)
    blue = (rng.uniform(70, 150), rng.uniform(120, 180), rng.uniform(190, 240))
    zenith = np.array(mix(blue, canvas.haze_colour, rng.uniform(0.0, 1.0)))
    haze = np.array(canvas.haze_colour)
    fall = np.linspace(0.0, 1.0, rows)[:, None, None]
    sky = zenith + (haze - zenith) * fall
    cover = _smooth_noise(rng, rows, width, (5, 7)) + rng.uniform(-0.6, 0.4)
    cloud = np.clip(cover, 0.0, 0.8)[..., None]
    sky = sky + (rng.uniform(190.0, 250.0) - sky) * cloud
    canvas.image[:rows] = np.rint(np.clip(sky, 0.0, 255.0)).astype(np.uint8)


def _smooth_noise(
    rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]
) -> NDArray[np.float32]:
    """Zero-mean noise of about unit strength, (height, width), that varies over few cells."""
    coarse = rng.standard_normal(cells, dtype=np.float32)
    smooth: NDArray[np.float32] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth


@dataclass(frozen=True)
class Ground:
    """What each pixel below the horizon shows, arrays of shape (rows, W) or, for ``z``, (rows, 1).

    ``level`` is the brightness, ``x`` and ``z`` the place in metres, and ``off_road`` how far that
    is from the kerb, negative on the road.
    """

    level: Floats
    x: Floats
    z: Floats
    off_road: Floats


def _paint_ground(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    """Road and sidewalks, computed pixel by pixel from the world position each pixel shows."""
    height, width = canvas.labels.shape
    top, x, z = canvas.camera.ground(height, width)
    off_road = np.abs(x) - street.road
    on_road = off_road < 0.0
    canvas.labels[top:] = np.where(on_road, StreetClass.ROAD, StreetClass.SIDEWALK)

    asphalt = rng.uniform(62.0, 125.0)
    paving = min(asphalt * rng.uniform(0.85, 1.5), 175.0)
    level = np.where(on_road, asphalt, paving)
    level *= 1.0 + 0.05 * _smooth_noise(rng, height - top, width, (6, 6))
    ground = Ground(level, x, z, off_road)
    _add_repairs(rng, street, ground)
    _add_paving(rng, ground)
    _add_markings(rng, ground)

    warm = np.where(on_road, rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.1))
    kept = np.exp(-canvas.haze_density * z)
    for channel, tint in enumerate((1.0 + warm, 1.0, 1.0 - warm)):
        seen = level * tint * kept + canvas.haze_colour[channel] * (1.0 - kept)
        canvas.image[top:, :, channel] = np.minimum(seen, 255.0)


def _add_repairs(rng: np.random.Generator, street: Street, ground: Ground) -> None:
    """Rectangles of newer or older asphalt."""
    for _ in range(int(rng.integers(0, 4))):
        left, near = rng.uniform(-street.road, street.road), rng.uniform(3.0, 25.0)
        right, far = left + rng.uniform(0.8, 3.0), near + rng.uniform(1.0, 9.0)
        patch = (ground.x > left) & (ground.x < right) & (ground.z > near) & (ground.z < far)
        ground.level[patch & (ground.off_road < 0.0)] *= rng.uniform(0.75, 1.25)


def _add_paving(rng: np.random.Generator, ground: Ground) -> None:
    """The kerb stone, and joints between slabs where they are near enough to be seen."""
    aside, slab = ground.off_road, rng.uniform(0.6, 1.2)
    ground.level[(aside >= 0.0) & (aside < 0.25)] *= rng.uniform(0.75, 1.25)
    joint = (_cycle(aside, slab) < 0.07) | (_cycle(ground.z, slab) < 0.07)
    ground.level[joint & (aside > 0.25) & (ground.z < 14.0)] *= 0.86


def _add_markings(rng: np.random.Generator, ground: Ground) -> None:
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


Box = tuple[float, float, float, float, float]  # x of the middle, z, width, depth, height


def _paint_shadows(
    canvas: Canvas, street: Street, houses: list[House], things: list[Thing]
) -> None:
    """Darken the ground where houses and things stand between it and the sun."""
    light = np.full(canvas.labels.shape, 255, np.uint8)
    boxes: list[Box] = [(thing.x, thing.z, *thing.bulk) for thing in things if thing.z < 32.0]
    for house in houses:
        front, long = house.front, house.flank.length
        boxes.append((0.5 * (front.x0 + front.x1), front.z0, front.length, long, house.height))
    for box in boxes:
        outline = _shadow_outline(canvas.camera, street.sun, box)
        cv2.fillConvexPoly(light, outline, (round(255 * street.dusk),))
    soft = cv2.GaussianBlur(light, (3, 3), 0.8)[..., None]
    top = math.floor(canvas.camera.horizon) + 1
    canvas.image[top:] = canvas.image[top:].astype(np.uint16) * soft[top:] // 255


def _shadow_outline(camera: Camera, sun: tuple[float, float], box: Box) -> NDArray[np.int32]:
    """Pixels (k, 1, 2) around the ground shadow of a box."""
    x, z, wide, deep, tall = box
    corners = []
    for right in (x - wide / 2, x + wide / 2):
        for ahead in (z, z + deep):
            tip_x, tip_z = right + sun[0] * tall, max(ahead + sun[1] * tall, 1.5)
            corners.append(camera.project(right, 0.0, ahead))
            corners.append(camera.project(tip_x, 0.0, tip_z))
    outline: NDArray[np.int32] = cv2.convexHull(np.rint(np.array(corners)).astype(np.int32))
    return outline


def _paint_skyline(canvas: Canvas, rng: np.random.Generator) -> None:
    """Distant houses and trees that close the view along the street."""
    spread = 0.6 * _SKYLINE_DEPTH * canvas.labels.shape[1] / canvas.camera.focal
    x = -spread
    while x < spread:
        wide, tall = rng.uniform(6.0, 18.0), rng.uniform(4.0, 15.0)
        grey = rng.uniform(70.0, 150.0)
        if rng.random() < 0.45:
            green = (0.8 * grey, grey, 0.7 * grey)
            block = upright(x, x + wide, 0.0, 0.6 * tall, _SKYLINE_DEPTH)
            canvas.fill(block, green, StreetClass.TREE)
        else:
            block = upright(x, x + wide, 0.0, tall, _SKYLINE_DEPTH)
            canvas.fill(block, (grey, grey, grey), StreetClass.BUILDING)
        x += wide


def _line_with_houses(rng: np.random.Generator, street: Street) -> Iterator[House]:
    """Rows of houses with a few gaps on both sides, in each row the far ones first."""
    skyward = rng.uniform(4.0, 10.5)
    for side in (-1.0, 1.0):
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


def _furnish(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Everything that may stand on the road and the sidewalks, the rarest first."""
    yield from _people(rng, street)
    yield from _posts(rng, street)
    yield from _cars(rng, street)
    yield from _trees(rng, street)
    yield from _fences(rng, street)
    yield from _clutter(rng, street)


def _without_collisions(things: Iterator[Thing]) -> list[Thing]:
    """The things that do not stand inside an earlier one."""
    kept: list[Thing] = []
    for thing in things:
        wide, deep, _ = thing.bulk
        if not any(
            2.0 * abs(thing.x - other.x) < wide + other.bulk[0]
            and thing.z < other.z + other.bulk[1]
            and other.z < thing.z + deep
            for other in kept
        ):
            kept.append(thing)
    return kept


def _depth(rng: np.random.Generator, near: float, far: float) -> float:
    """A depth drawn so that near and far are seen about equally often."""
    return math.exp(rng.uniform(math.log(near), math.log(far)))


def _side(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _trees(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """A row of trees with gaps on each side."""
    for side in (-1.0, 1.0):
        row = street.road + rng.uniform(0.8, 0.8 * (street.front - street.road))
        density = rng.uniform(0.15, 0.95)
        for z in np.arange(rng.uniform(8.0, 15.0), 70.0, 7.5).tolist():
            if rng.random() < density:
                yield Thing(side * row, z + rng.uniform(-1.0, 1.0), (0.8, 0.8, 5.0), draw_tree)


_PANEL_LENGTH = 4.0  # metres


def _fences(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Railings along the kerb or the house fronts, cut into panels that sort by depth."""
    for _ in range(int(rng.integers(0, 5))):
        side, solid, paint = _side(rng), bool(rng.random() < 0.35), fence_paint(rng)
        x = side * (street.road + 0.3 if rng.random() < 0.5 else street.front - 0.3)
        start = rng.uniform(6.0, 22.0)
        for z in np.arange(start, start + rng.uniform(9.0, 24.0), _PANEL_LENGTH).tolist():
            yield Thing(x, z, (0.1, _PANEL_LENGTH, 1.0), _fence_panel(paint, solid))


def _fence_panel(paint: Colour, solid: bool) -> Draw:
    def draw(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
        draw_fence(canvas, Wall(x, z, x, z + _PANEL_LENGTH), paint, solid)

    return draw


def _cars(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Cars parked along the kerb and at most one driving on each side."""
    bulk = (1.8, 4.8, 1.3)
    for side in (-1.0, 1.0):
        parked = rng.uniform(0.2, 1.0) if rng.random() < 0.55 else 0.0
        for z in np.arange(rng.uniform(5.5, 10.0), 42.0, 6.0).tolist():
            if rng.random() < parked:
                yield Thing(side * (street.road - 1.05), z, bulk, draw_car)
        if rng.random() < 0.85:
            lane = side * rng.uniform(0.3, 0.45) * street.road
            yield Thing(lane, _depth(rng, 6.5, 35.0), bulk, draw_car)


def _posts(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Lampposts at regular distances, signs anywhere, traffic lights in pairs at a junction."""
    kerb = street.road + 0.45
    spacing = rng.uniform(20.0, 34.0)
    for side in (-1.0, 1.0):
        if rng.random() < 0.25:
            continue
        for z in np.arange(rng.uniform(7.0, 22.0), 60.0, spacing).tolist():
            yield Thing(side * kerb, z, (0.2, 0.2, 7.0), draw_lamppost)
    for _ in range(int(rng.poisson(2.8))):
        x = _side(rng) * (kerb + rng.uniform(0.0, 0.6))
        yield Thing(x, _depth(rng, 8.0, 30.0), (0.4, 0.1, 2.5), draw_sign)
    if rng.random() < 0.65:
        junction = _depth(rng, 11.0, 28.0)
        for side in (-1.0, 1.0):
            if rng.random() < 0.85:
                yield Thing(side * kerb, junction, (0.3, 0.2, 3.5), draw_traffic_light)


def _people(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Pedestrians, mostly on the sidewalks, and cyclists, mostly near the kerb."""
    for _ in range(int(rng.poisson(2.8))):
        x = _side(rng) * rng.uniform(street.road + 0.4, street.front - 0.4)
        if rng.random() < 0.2:
            x = rng.uniform(-street.road, street.road)
        yield Thing(x, _depth(rng, 8.5, 29.0), (0.5, 0.3, 1.7), draw_pedestrian)
    for _ in range(int(rng.poisson(0.85))):
        x = _side(rng) * street.road * rng.uniform(0.2, 0.9)
        yield Thing(x, _depth(rng, 9.0, 30.0), (1.2, 1.0, 1.6), draw_cyclist)


def _clutter(rng: np.random.Generator, street: Street) -> Iterator[Thing]:
    """Bins and boxes that belong to no class."""
    for _ in range(int(rng.integers(0, 3))):
        x = _side(rng) * rng.uniform(street.road + 0.5, street.front - 0.5)
        yield Thing(x, _depth(rng, 7.0, 30.0), (0.8, 0.6, 1.0), _draw_bin)


def _draw_bin(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    wide, tall, paint = rng.uniform(0.25, 0.6), rng.uniform(0.7, 1.3), any_colour(rng)
    canvas.fill(upright(x - wide, x + wide, 0.0, tall, z), paint, VOID)
    canvas.fill(upright(x - wide, x + wide, 0.85 * tall, tall, z), shade(paint, 0.7), None)


# Roughness of surfaces: the span of random brightness, by label.
_GRAIN = np.full(256, 0.1, np.float32)
_GRAIN[[StreetClass.TREE, StreetClass.ROAD, StreetClass.SIDEWALK]] = (0.3, 0.18, 0.15)
_GRAIN[StreetClass.SKY] = 0.02


def _photograph(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The painted image as a camera records it: texture, uneven light, lens, tone, noise."""
    height, width = canvas.labels.shape
    grain = (rng.random((height, width), dtype=np.float32) - 0.5) * _GRAIN.take(canvas.labels)
    light = 1.0 + 0.06 * _smooth_noise(rng, height, width, (4, 6))
    light += np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(rng.normal(0.0, 0.2))
    gain = cv2.cvtColor(np.clip((1.0 + grain) * light, 0.3, 1.7), cv2.COLOR_GRAY2RGB)
    lit = np.minimum(canvas.image * gain, 255.0).astype(np.uint8)
    soft = cv2.GaussianBlur(lit, (3, 3), rng.uniform(0.25, 0.7))
    toned = cv2.LUT(soft, _tone_curves(rng))
    noise = (rng.random(toned.shape, dtype=np.float32) - 0.5) * np.float32(rng.uniform(4.0, 20.0))
    noisy: NDArray[np.float32] = toned + noise
    return np.clip(noisy, 0.0, 255.0).astype(np.uint8)


def _tone_curves(rng: np.random.Generator) -> NDArray[np.uint8]:
    """One curve per channel, (1, 256, 3): exposure, contrast, gamma and colour temperature."""
    exposure, contrast = rng.uniform(0.65, 1.2), rng.uniform(0.75, 1.15)
    gamma, warmth = math.exp(rng.normal(0.0, 0.18)), rng.normal(0.0, 0.07)
    tone = np.linspace(0.0, 1.0, 256) ** gamma
    tone = 0.45 + contrast * (tone - 0.45)
    channels = exposure * np.array((1 + warmth, 1.0, 1 - warmth))
    curves = 255.0 * tone[:, None] * channels
    return np.rint(np.clip(curves, 0.0, 255.0)).astype(np.uint8)[None]


_BULKY = np.zeros(256, bool)
_BULKY[
    [
        StreetClass.SKY,
        StreetClass.BUILDING,
        StreetClass.ROAD,
        StreetClass.SIDEWALK,
        StreetClass.TREE,
        StreetClass.CAR,
    ]
] = True


def _forget_some_labels(labels: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Void the borders between bulky classes in part of the picture, as unsure annotators do.

    Thin and small classes keep their borders: they would lose most of their pixels.
    """
    width: int = labels.shape[1]
    left = int(rng.integers(width))
    part = labels[:, left : left + int(0.45 * width)]
    bulky = _BULKY[part]
    here, there = part[:-1], part[1:]
    border = np.zeros(part.shape, bool)
    border[1:] = (here != there) & bulky[:-1] & bulky[1:]
    here, there = part[:, :-1], part[:, 1:]
    border[:, 1:] |= (here != there) & bulky[:, :-1] & bulky[:, 1:]
    part[border] = VOID


def _paint_bonnet(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    """In some pictures the bonnet of the camera's own car covers the bottom; it has no label."""
    if rng.random() < 0.6:
        return
    height, width = labels.shape
    middle = (round(width * rng.uniform(0.4, 0.6)), height)
    size = (round(width * rng.uniform(0.4, 0.65)), max(round(height * rng.uniform(0.02, 0.065)), 1))
    paint = shade(any_colour(rng), 0.7)
    colour = (round(paint[0]), round(paint[1]), round(paint[2]))
    cv2.ellipse(image, middle, size, 0.0, 180.0, 360.0, colour, -1, cv2.LINE_AA)
    cv2.ellipse(labels, middle, size, 0.0, 180.0, 360.0, (VOID,), -1, cv2.LINE_8)
