"""Counts and choices of images against the published numbers, and against the published code."""

import numpy as np
import pytest

from lit_seg.classification.data.long_tail import drawn_images, ldam_images, tail_counts


@pytest.mark.parametrize(
    ("largest", "classes", "shape", "totals"),
    [
        (500, 100, "exp", {0.005: 9502, 0.01: 10847, 0.02: 12608, 0.1: 19573}),
        (5000, 10, "exp", {0.005: 11203, 0.01: 12406, 0.02: 13996, 0.1: 20431}),
        (500, 100, "step", {0.01: 25250, 0.1: 27500}),
        (5000, 10, "step", {0.01: 25250, 0.1: 27500}),
    ],
)
def test_the_totals_of_cifar_are_the_published_ones(largest, classes, shape, totals):
    found = {factor: sum(tail_counts(largest, factor, classes, shape)) for factor in totals}
    assert found == totals


def test_the_embedded_sets_have_their_counts():
    assert tail_counts(124, 0.02, 10) == [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
    assert tail_counts(400, 0.01, 10) == [400, 239, 143, 86, 51, 30, 18, 11, 6, 4]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((10, 0.0, 3), ["`factor`", "(0, 1]", "got 0.0"]),
        ((10, 0.01, 3), ["`factor`", "0.01 of 10"]),
        ((10, 0.5, 3, "log"), ["`shape`", "'exp' or 'step'", "'log'"]),
    ],
)
def test_what_leaves_no_image_is_refused(options, words):
    with pytest.raises(ValueError, match=words[0]) as error:
        tail_counts(*options)
    assert [word for word in words if word not in str(error.value)] == []


def test_images_are_those_of_the_published_code():
    targets = np.random.default_rng(3).permutation(np.repeat(np.arange(5), 20))
    counts = [20, 9, 4, 2, 1]
    state = np.random.get_state()
    np.random.seed(0)  # as the code does, which goes through the classes in the order of labels
    expected = []
    for c in np.unique(targets):
        indices = np.where(targets == c)[0]
        np.random.shuffle(indices)
        expected += indices[: counts[c]].tolist()
    np.random.set_state(state)
    assert ldam_images(targets, counts).tolist() == expected


def test_parts_are_apart_and_the_rest_of_a_class_validates():
    targets = np.random.default_rng(1).permutation(np.repeat(np.arange(3), [14, 12, 11]))
    for seed in range(8):
        parts = drawn_images(targets, [6, 3, 1], val=4, test=5, seed=seed)
        every = np.concatenate(list(parts.values()))
        assert len(set(every.tolist())) == len(every)
        train = np.bincount(targets[parts["train"]])
        assert sorted(train.tolist()) == [1, 3, 6]
        assert train[2] != 6, "of the 11 images of class 2 none would be left"
        assert np.bincount(targets[parts["test"]]).tolist() == [5, 5, 5]
        left = np.minimum(4, np.array([14, 12, 11]) - train - 5)
        assert np.bincount(targets[parts["val"]]).tolist() == left.tolist()
