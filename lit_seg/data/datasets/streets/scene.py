"""Lay out a random street scene, paint it from far to near, and photograph it."""

from numpy.random import Generator

from lit_seg.data.datasets.streets import backdrop, furniture, traffic
from lit_seg.data.datasets.streets.buildings import draw_house, place_houses
from lit_seg.data.datasets.streets.canvas import Camera, Canvas
from lit_seg.data.datasets.streets.photo import photograph
from lit_seg.data.datasets.streets.plan import Street, without_collisions
from lit_seg.data.transforms import Array

_SMALLEST_SIDE = 32  # pixels
_LAST_SHADOW = 32.0  # metres ahead; the shadows of things farther off could not be seen
_REACH = 3.0  # metres; hardly anything spreads farther to the side from where it stands

_PLACES = (
    traffic.place_people,
    furniture.place_posts,
    traffic.place_cars,
    furniture.place_trees,
    furniture.place_fences,
    furniture.place_bins,
)
"""The rarest things come first, since the first to come keeps its place when two collide."""


def render_scene(rng: Generator, height: int, width: int) -> tuple[Array, Array]:
    """Render one random street scene.

    Args:
        rng: the only source of randomness; the same state gives the same scene bit for bit.
        height: image height in pixels, at least 32. Things scale with it.
        width: image width in pixels, at least 32. A wider image shows more to the sides.

    Returns:
        The RGB image, (H, W, 3) uint8, and its label map, (H, W) uint8, whose values are those of
        `StreetClass`, or 255 where a pixel is not labelled.

    Raises:
        ValueError: if ``height`` or ``width`` is below 32.
    """
    if height < _SMALLEST_SIDE or width < _SMALLEST_SIDE:
        raise ValueError(
            f"a street scene needs at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels, "
            f"got height={height}, width={width}"
        )
    street = Street.random(rng)
    canvas = _empty_canvas(rng, street, height, width)
    houses = list(place_houses(rng, street))
    things = without_collisions(thing for place in _PLACES for thing in place(rng, street))
    things.sort(key=lambda thing: thing.box.z + 0.5 * thing.box.depth, reverse=True)

    backdrop.paint_sky(canvas, rng)
    backdrop.paint_ground(canvas, rng, street)
    near = [thing.box for thing in things if thing.box.z < _LAST_SHADOW]
    backdrop.paint_shadows(canvas, street, near + [house.box for house in houses])
    backdrop.paint_skyline(canvas, rng)
    for house in houses:
        draw_house(canvas, rng, house)
    for thing in things:
        x, z = thing.box.x, thing.box.z
        if canvas.columns_across((x - _REACH, z), (x + _REACH, z)) > 0:
            thing.draw(canvas, rng, x, z)
    return photograph(canvas, rng)


def _empty_canvas(rng: Generator, street: Street, height: int, width: int) -> Canvas:
    """Set up a canvas and a camera on or beside the middle of the road, in thin or thick haze."""
    camera = Camera(
        horizon=height * rng.uniform(0.36, 0.5),
        centre=width * rng.uniform(0.42, 0.58),
        focal=height * rng.uniform(1.0, 1.2),
        eye_x=street.road * rng.uniform(-0.2, 0.65),
        eye_height=rng.uniform(1.4, 2.1),
        bend=rng.normal(0.0, 0.0018),
    )
    overcast = rng.uniform(150.0, 235.0)
    haze = (overcast - rng.uniform(-6.0, 14.0), overcast, overcast + rng.uniform(0.0, 18.0))
    return Canvas(height, width, camera, haze, haze_density=rng.uniform(0.001, 0.014))
