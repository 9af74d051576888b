"""Colours of label maps."""

import numpy as np

from lit_seg.images.overlays import blend, colourise, side_by_side
from lit_seg.metrics.labels import VOID

PALETTE = [(255, 0, 0), (0, 255, 0)]


def test_classes_have_their_colours_and_void_is_black() -> None:
    colours = colourise(np.array([[0, 1, VOID]]), PALETTE)
    assert colours.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 0]]]


def test_blend_lies_between() -> None:
    image = np.full((1, 1, 3), 100, np.uint8)
    assert blend(image, np.zeros_like(image), 0.5).tolist() == [[[50, 50, 50]]]


def test_errors_are_white_where_a_labelled_pixel_is_wrong() -> None:
    image = np.full((1, 3, 3), 90, np.uint8)
    truth, prediction = np.array([[0, 1, VOID]]), np.array([[0, 0, 0]])
    row = side_by_side(image, truth, prediction, PALETTE)
    assert row.shape == (1, 12, 3)
    assert row[0, 9:].tolist() == [[30] * 3, [255] * 3, [30] * 3]
