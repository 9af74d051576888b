"""Bins of mask sizes: one rule for what lies on an edge."""

import numpy as np
import pytest

from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS, MASK_SIZE_EDGES, size_bin


@pytest.mark.parametrize("place", range(len(MASK_SIZE_EDGES)))
def test_a_lower_edge_is_in_its_bin(place):
    edge = MASK_SIZE_EDGES[place]
    assert size_bin([np.nextafter(edge, 0), edge]).tolist() == [place, place + 1]


def test_exactly_one_percent_of_any_image_is_in_the_bin_from_one_percent():
    pixels = np.arange(1, 500)
    assert {MASK_SIZE_BINS[i] for i in size_bin(pixels / (100 * pixels))} == {"1 to 10 %"}
