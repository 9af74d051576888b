"""Counting classes: the constants that the losses weigh by must be what the labels hold."""

import numpy as np
import pytest

from lit_seg.data import Streets
from lit_seg.data.counting.count import count_classes, pixels_of_labels
from lit_seg.data.streets import RenderedSplit
from lit_seg.labels import VOID


class Labels:
    """A split of given labels."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def label(self, index):
        return self.labels[index]


def count_slowly(labels, num_classes):
    pixels, images, image_pixels = ([0] * (num_classes + 1) for _ in range(3))
    for label in labels:
        values = [num_classes if value == VOID else value for value in label.ravel().tolist()]
        for c in range(num_classes + 1):
            pixels[c] += values.count(c)
            if c in values:
                images[c] += 1
                image_pixels[c] += len(values) - values.count(num_classes)
    return tuple(pixels), tuple(images), tuple(image_pixels)


def test_counts_are_those_of_a_slow_loop():
    rng = np.random.default_rng(0)
    # few values per image, so that classes are absent from some; class 4 from all
    labels = [rng.choice([*rng.integers(0, 4, 2), VOID], (5, 7)).astype(np.uint8) for _ in range(9)]
    labels.append(np.full((5, 7), VOID, np.uint8))
    labels.append(np.zeros((3, 2), np.uint8))
    counts = count_classes(Labels(labels), 5)
    assert (counts.pixels, counts.images, counts.image_pixels) == count_slowly(labels, 5)
    assert counts.pixels[4] == counts.images[4] == counts.image_pixels[4] == 0


def test_constants_of_streets_are_what_is_rendered():
    # not Streets().split("train"), of which other tests leave only the first few scenes
    train = RenderedSplit(0, 400, *Streets.native_size)
    assert count_classes(train, len(Streets.names)) == Streets.counts


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (5, 7), (3, 2**24 + 5), (2**13 + 1, 2**12)])
def test_pixels_are_counted_to_the_last_one(shape):
    """Also where one value has more of them than float32 can count."""
    label = np.zeros(shape, np.uint8)
    label.reshape(-1)[: min(label.size, 9)] = [255, 254, 1, 2, 3, 3, 255, 0, 7][: label.size]
    expected = np.zeros(256, int)
    for value, number in zip(*np.unique(label, return_counts=True), strict=True):
        expected[value] = number
    np.testing.assert_array_equal(pixels_of_labels(label), expected)
    np.testing.assert_array_equal(pixels_of_labels(label.T), expected)
