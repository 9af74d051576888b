"""The classes of a street scene: their ids in the label map, their names, their colours."""

from enum import IntEnum


class StreetClass(IntEnum):
    """Label ids of the things that are drawn."""

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
"""RGB colours to show a label map in, by id; the scene itself is painted in others."""
