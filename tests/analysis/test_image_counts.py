"""Counts per image without their zeros: the same numbers as of the whole cube, in little memory."""

import time
from functools import partial

import numpy as np
from numpy.random import default_rng

from lit_seg.analysis.bootstrap import bootstrap_pairs
from lit_seg.analysis.image_counts import ImageCounts, same_labels
from lit_seg.metrics.scores import score_differences


def cube(seed: int = 0) -> np.ndarray:
    random = default_rng(seed)
    return random.integers(1, 100, (6, 4, 3)) * (random.random((6, 4, 1)) < 0.4)


def test_they_are_the_cube() -> None:
    whole = cube()
    counts = ImageCounts.of(whole)
    assert np.array_equal(counts, whole)
    assert np.array_equal(counts.sums(), whole.sum(axis=0))
    weight = default_rng(1).integers(0, 3, (5, 6)).astype(float)
    assert np.array_equal(counts.weighted(weight), np.einsum("bi,ick->bck", weight, whole))
    images, classes = [4, 0, 1], [2, 0]
    assert np.array_equal(counts.taken(images, classes), whole[np.ix_(images, classes)])
    image, label = np.nonzero(whole.any(axis=2))
    assert np.array_equal(ImageCounts.at((6, 4), image, label, whole[image, label]), whole)


def test_labels_are_compared_image_by_image() -> None:
    whole = cube()
    other = whole.copy()
    other[..., 1] += 1
    assert same_labels(ImageCounts.of(whole), ImageCounts.of(other))
    other[3, 2, 0] += 1
    assert not same_labels(ImageCounts.of(whole), ImageCounts.of(other))


def test_thousands_of_classes_take_seconds_and_megabytes() -> None:
    """The cube of iNaturalist 2018 has 4.8 GB."""
    images, classes = 24_426, 8_142
    true = np.repeat(np.arange(classes), 3)
    taken = np.where(default_rng(0).random(images) < 0.5, true, 0)
    each = np.eye(3, dtype=np.int64)
    counts = [np.tile(row, (images, 1)) for row in (each[0], each[1])]
    counts.append((taken == true)[:, None] * each[2])
    begin = time.process_time()
    found = ImageCounts.at(
        (images, classes),
        np.tile(np.arange(images), 3),
        np.concatenate([true, taken, true]),
        np.concatenate(counts),
    )
    assert found.sums().sum(axis=0).tolist() == [images, images, (taken == true).sum()]
    assert found.rows.nnz < 3 * images
    pairs = bootstrap_pairs([found], [found], partial(score_differences, tail=[classes - 1]), 20)
    assert (pairs[0].low, pairs[0].high) == (0, 0)
    assert time.process_time() - begin < 5
