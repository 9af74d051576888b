"""Intervals of differences: against a slow reading, and how often they hold what is true."""

from functools import partial

import numpy as np
import pytest
from numpy.random import default_rng

from lit_seg.analysis.bootstrap import holm, paired_bootstrap, resamples, seed_factor, summed
from lit_seg.analysis.scores import STATS, overall_scores

scores = partial(overall_scores, tail=[2])


def _counts(seed: int, seeds: int = 3, images: int = 8, classes: int = 3) -> np.ndarray:
    random = default_rng(seed)
    labelled = random.integers(0, 100, (seeds, images, classes))
    labelled[1:] = labelled[0]
    hits = (labelled * random.random(labelled.shape)).astype(int)
    return np.stack([labelled, hits + random.integers(0, 30, labelled.shape), hits], axis=-1)


def _slow_miou(images: list[np.ndarray]) -> float:
    """Of a list of (C, 3): each image counts as often as it is in the list."""
    ious = []
    for c in range(images[0].shape[0]):
        labelled = sum(int(image[c, 0]) for image in images)
        predicted = sum(int(image[c, 1]) for image in images)
        hits = sum(int(image[c, 2]) for image in images)
        if labelled + predicted - hits:
            ious.append(hits / (labelled + predicted - hits))
    return sum(ious) / len(ious)


def test_a_resample_is_what_drawing_images_one_by_one_gives() -> None:
    counts = _counts(0)
    (image_weight, seed_weight), *_ = resamples(default_rng(3), 5, 8, 3)
    assert (image_weight.sum(axis=1) == 8).all()
    assert (seed_weight.sum(axis=1) == 3).all()
    fast = scores(summed(counts, image_weight))[..., STATS.index("miou")]
    for b, weights in enumerate(image_weight):
        for s in range(3):
            drawn = [counts[s, i] for i, times in enumerate(weights) for _ in range(int(times))]
            assert fast[b, s] == pytest.approx(_slow_miou(drawn))


@pytest.mark.parametrize("widen", [False, True])
def test_the_interval_is_that_of_a_slow_bootstrap(widen: bool) -> None:
    ours, baseline = _counts(1), _counts(2)
    fast = paired_bootstrap(ours, baseline, scores, 4000, widen=widen)[STATS.index("miou")]
    random = default_rng(99)
    differences = []
    for _ in range(1500):
        images = random.integers(0, 8, 8)
        by_seed = [
            _slow_miou([ours[s, i] for i in images]) - _slow_miou([baseline[s, i] for i in images])
            for s in range(3)
        ]
        mean = sum(by_seed) / 3
        drawn = sum(by_seed[s] for s in random.integers(0, 3, 3)) / 3
        differences.append(mean + (seed_factor(3) if widen else 1) * (drawn - mean))
    low, high = np.quantile(differences, (0.025, 0.975))
    width = high - low
    assert fast.low == pytest.approx(low, abs=0.08 * width)
    assert fast.high == pytest.approx(high, abs=0.08 * width)
    whole = [_slow_miou(list(ours[s])) - _slow_miou(list(baseline[s])) for s in range(3)]
    assert fast.value == pytest.approx(sum(whole) / 3)


def _accuracy(counts: np.ndarray) -> np.ndarray:
    return counts[..., 2].sum(axis=-1, keepdims=True) / counts[..., 0].sum(axis=-1, keepdims=True)


def _coverage(seed_sd: float, widen: bool, seeds: int = 3, images: int = 40) -> float:
    """How often an interval holds the true difference of pixel accuracy, 0.05.

    Every image has its own difference of accuracy between the losses, and every training another.
    """
    random = default_rng(0)
    inside, trials = 0, 120
    for _ in range(trials):
        labelled = np.full((seeds, images, 1), 100_000)
        of_image = random.normal(0, 0.02, (1, images, 1))
        of_seed = random.normal(0, seed_sd, (seeds, 1, 1))
        shared = random.uniform(0.3, 0.7, (1, images, 1))
        base = labelled * shared
        ours = labelled * (shared + 0.05 + of_image + of_seed)
        pair = [np.stack([labelled, labelled, h.round()], axis=-1) for h in (ours, base)]
        (d,) = paired_bootstrap(pair[0], pair[1], _accuracy, 300, widen=widen)
        inside += d.low <= 0.05 <= d.high
    return inside / trials


def test_coverage_where_images_decide() -> None:
    assert 0.88 < _coverage(0, widen=True) <= 0.99


def test_coverage_where_three_seeds_decide() -> None:
    assert _coverage(0.05, widen=True) > 0.9
    assert _coverage(0.05, widen=False) < 0.85  # why they are widened


def test_one_pair_of_seeds_gives_the_interval_of_images() -> None:
    ours, baseline = _counts(1, seeds=1), _counts(2, seeds=1)
    one = paired_bootstrap(ours, baseline, scores, 500)
    other = paired_bootstrap(ours, baseline, scores, 500, widen=False)
    assert one == other
    assert one[0].low < one[0].value < one[0].high


def test_the_same_seed_gives_the_same_interval() -> None:
    ours, baseline = _counts(1), _counts(2)
    first, again, other = (
        paired_bootstrap(ours, baseline, scores, 200, seed=seed) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_equal_losses_do_not_differ() -> None:
    same = paired_bootstrap(_counts(1), _counts(1), scores, 200)
    assert {(d.value, d.low, d.high, d.p, d.is_real) for d in same} == {(0, 0, 0, 1, False)}


def test_a_score_without_value_has_no_interval() -> None:
    ours, baseline = _counts(1), _counts(2)
    ours[:, :, 2, 1:] = 0  # the tail class is never predicted
    precision = paired_bootstrap(ours, baseline, scores, 200)[STATS.index("tail_precision")]
    assert np.isnan([precision.value, precision.low, precision.high, precision.p]).all()
    assert not precision.is_real


def test_pairs_must_match() -> None:
    with pytest.raises(ValueError, match="equal shapes"):
        paired_bootstrap(_counts(1), _counts(2, seeds=2), scores)


def test_the_factor_is_that_of_students_t() -> None:
    from scipy.stats import t

    for seeds in (2, 3, 4, 9, 10, 11, 12, 30):
        exact = np.sqrt(seeds / (seeds - 1)) * t.ppf(0.975, seeds - 1) / 1.959964
        assert seed_factor(seeds) == pytest.approx(exact, rel=2e-3)
    assert seed_factor(1) == 1


def test_holm_by_hand() -> None:
    nan = float("nan")
    assert holm([0.04, 0.01, nan, 0.03]) == pytest.approx([0.06, 0.03, nan, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1, 1]
