"""Counting classes: the constants that the losses weigh by must be what the labels hold."""

import numpy as np
import pytest

from lit_seg.data import Streets
from lit_seg.data.counting.count import class_counts, count_images, pixels_of_labels
from lit_seg.data.datasets.streets.streets import RenderedSplit
from lit_seg.metrics.labels import VOID


class Labels:
    """A split of given labels."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def label(self, index):
        return self.labels[index]


def count_slowly(labels, num_classes, void):
    """Pixel by pixel; ``image_pixels`` are all that count of the images that hold the class."""
    classes = range(num_classes + void)
    pixels, images, image_pixels = ([0 for _ in classes] for _ in range(3))
    for label in labels:
        values = [num_classes if value == VOID else value for value in label.ravel().tolist()]
        counting = [value for value in values if value in classes]
        for c in classes:
            pixels[c] += counting.count(c)
            if c in counting:
                images[c] += 1
                image_pixels[c] += len(counting)
    return tuple(pixels), tuple(images), tuple(image_pixels)


@pytest.mark.parametrize("void", [False, True])
def test_counts_are_those_of_a_slow_loop(void):
    rng = np.random.default_rng(0)
    # few values per image, so that classes are absent from some; class 4 from all
    labels = [rng.choice([*rng.integers(0, 4, 2), VOID], (5, 7)).astype(np.uint8) for _ in range(9)]
    labels.append(np.full((5, 7), VOID, np.uint8))
    labels.append(np.zeros((3, 2), np.uint8))
    counts = class_counts(count_images(Labels(labels), 5), void)
    assert (counts.pixels, counts.images, counts.image_pixels) == count_slowly(labels, 5, void)
    assert counts.pixels[4] == counts.images[4] == counts.image_pixels[4] == 0


@pytest.mark.parametrize("void", [False, True])
def test_more_void_than_anything_else_is_counted(void):
    """Scribbles and cut-outs are labelled so."""
    label = np.full((10, 10), VOID, np.uint8)
    label[0, :3] = 0, 1, 1
    counts = class_counts(count_images(Labels([label, np.full((4, 4), VOID, np.uint8)]), 2), void)
    assert counts.pixels == ((1, 2, 113) if void else (1, 2))
    assert counts.images == ((1, 1, 2) if void else (1, 1))
    assert counts.image_pixels == ((100, 100, 116) if void else (3, 3))


def rendered(scenes):
    # not Streets().split("train"), of which other tests leave only the first few scenes
    train = RenderedSplit(0, scenes, *Streets.native_size)
    return class_counts(count_images(train, len(Streets.names)))


@pytest.mark.slow
def test_constants_of_streets_are_what_is_rendered():
    assert rendered(400) == Streets.counts


def test_the_first_streets_are_rendered_as_ever():
    """Else the constants are not theirs any more."""
    first = (13074, 15374, 21779, 6755, 7467, 890, 1763, 1032, 555, 264, 197, 48)
    assert rendered(3).pixels == first


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
