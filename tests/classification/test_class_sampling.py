"""Orders of images by class, against the published rule played through slowly."""

import numpy as np
import pytest

from lit_seg.classification.class_sampling import ByPower, ClassCycles, Progressive
from lit_seg.data.sampling import TrainSampler

COUNTS = {0: 9, 2: 3, 5: 1}  # other classes have no images
LABELS = np.random.default_rng(0).permutation(np.repeat(list(COUNTS), list(COUNTS.values())))


def fitted(sampling, labels=LABELS):
    sampling.fit(labels)
    return sampling


def endless(sampling, epochs=12):
    return np.concatenate([sampling.order(3, epoch) for epoch in range(epochs)])


@pytest.mark.parametrize("per_class", [1, 2, 4])
def test_cycles_follow_the_published_rule(per_class):
    """All epochs one after the other are the two endless lists of the published sampler."""
    order = endless(fitted(ClassCycles(per_class)))
    classes = LABELS[order]
    turns = [classes[at : at + per_class] for at in range(0, len(classes), per_class)]
    assert all(len(set(turn)) == 1 for turn in turns)
    firsts = [turn[0] for turn in turns]
    whole_rounds = len(firsts) // 3
    for at in range(whole_rounds):
        assert sorted(firsts[3 * at : 3 * at + 3]) == [0, 2, 5]  # each class once in a round
    assert len({tuple(firsts[3 * at : 3 * at + 3]) for at in range(whole_rounds)}) > 1
    for c, count in COUNTS.items():
        of_class = order[classes == c]
        passes = [tuple(of_class[i : i + count]) for i in range(0, len(of_class), count)]
        whole = [each for each in passes if len(each) == count]
        ids = set(np.where(c == LABELS)[0])
        assert all(set(each) == ids for each in whole)  # all of them before any comes again
        assert count == 1 or len(set(whole)) > 1


def test_a_class_with_few_images_repeats_them_in_a_turn():
    order = fitted(ClassCycles(4)).order(0, 0)
    alone = order[LABELS[order] == 5]
    assert len(alone) >= 4
    assert len(set(alone)) == 1


@pytest.mark.parametrize(
    ("sampling", "epoch", "weights"),
    [
        (ByPower(0.5), 0, [3, 3**0.5, 1]),
        (ByPower(-1), 7, [1 / 9, 1 / 3, 1]),
        (Progressive(91), 0, [9, 3, 1]),
        (Progressive(91), 45, [9 / 26 + 1 / 6, 3 / 26 + 1 / 6, 1 / 26 + 1 / 6]),
        (Progressive(91), 90, [1, 1, 1]),
    ],
)
def test_classes_are_drawn_by_their_chances(sampling, epoch, weights):
    labels = np.tile(LABELS, 2000)
    order = fitted(sampling, labels).order(0, epoch)
    expected = np.array(weights) / np.sum(weights)
    np.testing.assert_allclose(sampling.chances(epoch), expected)
    shares = [np.mean(labels[order] == c) for c in COUNTS]
    assert shares == pytest.approx(expected.tolist(), abs=0.01)
    rare = order[labels[order] == 5]
    assert len(set(rare)) > 0.5 * min(len(rare), 2000)  # any of its images, not always the same


@pytest.mark.parametrize("make", [ClassCycles, ByPower, lambda: Progressive(10)])
def test_an_order_is_a_function_of_seed_and_epoch(make):
    one, other = fitted(make()), fitted(make())
    other.order(3, 8)  # no state of earlier calls
    assert np.array_equal(one.order(3, 5), other.order(3, 5))
    assert len(one.order(3, 5)) == len(LABELS)
    assert len({one.order(*pair).tobytes() for pair in [(3, 5), (3, 6), (4, 5)]}) == 3


def test_the_sampler_of_segmentation_takes_it():
    sampling = fitted(ClassCycles())
    sampler = TrainSampler(lambda epoch: sampling.order(0, epoch).tolist(), len(LABELS))
    assert [index for _, index, _ in sampler] == sampling.order(0, 0).tolist()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ClassCycles(0), "`images_per_class` must be at least 1, got 0"),
        (lambda: Progressive(1), "`epochs` must be at least 2, got 1"),
    ],
)
def test_options_out_of_range_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
