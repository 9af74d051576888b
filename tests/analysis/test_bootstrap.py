"""Intervals of differences: against a slow reading, and how often they hold what is true."""

from collections.abc import Callable
from functools import partial
from math import nan, sqrt

import numpy as np
import pytest
from numpy.random import Generator, default_rng

from lit_seg.analysis.bootstrap import (
    Difference,
    bootstrap_pairs,
    holm,
    quantile,
    resamples,
    summed,
)
from lit_seg.analysis.image_counts import ImageCounts
from lit_seg.metrics.scores import STATS, overall_scores, score_differences

Statistic = Callable[[np.ndarray], np.ndarray]
scores = partial(overall_scores, tail=[2])


def paired_bootstrap(
    ours: np.ndarray, baseline: np.ndarray, statistic: Statistic, draws: int = 10_000, seed: int = 0
) -> list[Difference]:
    """``bootstrap_pairs`` of scores that each side has by itself."""
    return bootstrap_pairs(ours, baseline, lambda a, b: statistic(a) - statistic(b), draws, seed)


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
    (image_weight,) = resamples(default_rng(3), 5, 8)
    assert (image_weight.sum(axis=1) == 8).all()
    seeds = [ImageCounts.of(of_seed) for of_seed in counts]
    fast = scores(summed(seeds, image_weight))[..., STATS.index("miou")]
    for b, weights in enumerate(image_weight):
        for s in range(3):
            drawn = [counts[s, i] for i, times in enumerate(weights) for _ in range(int(times))]
            assert fast[b, s] == pytest.approx(_slow_miou(drawn))


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_the_interval_is_that_of_a_slow_reading(seeds: int) -> None:
    from scipy.stats import t

    ours, baseline = _counts(1, seeds), _counts(2, seeds)
    fast = paired_bootstrap(ours, baseline, scores, 4000)[STATS.index("miou")]
    random = default_rng(99)

    def by_seed(images: list[int]) -> list[float]:
        return [
            _slow_miou([ours[s, i] for i in images]) - _slow_miou([baseline[s, i] for i in images])
            for s in range(seeds)
        ]

    each = by_seed(list(range(8)))
    mean = sum(each) / seeds
    drawn = [sum(by_seed(random.integers(0, 8, 8).tolist())) / seeds for _ in range(1500)]
    assert fast.value == pytest.approx(mean)
    assert fast.by_seed == pytest.approx(each)
    if seeds == 1:
        low, high = np.quantile(drawn, (0.025, 0.975))
        assert np.isnan(fast.p)
    else:
        error = sqrt(sum((d - mean) ** 2 for d in each) / (seeds - 1) / seeds + np.var(drawn))
        half = t.ppf(0.975, seeds - 1) * error
        low, high = mean - half, mean + half
        assert fast.p == pytest.approx(2 * t.sf(abs(mean) / error, seeds - 1), rel=0.08)
    assert fast.low == pytest.approx(low, abs=0.06 * (high - low))
    assert fast.high == pytest.approx(high, abs=0.06 * (high - low))


def _accuracy(counts: np.ndarray) -> np.ndarray:
    labelled, hits = (counts[..., k].sum(axis=-1, keepdims=True) for k in (0, 2))
    return np.asarray(hits / labelled)


def _with_accuracy(accuracy: np.ndarray) -> np.ndarray:
    """Counts ``(S, I, 1, 3)`` of accuracies ``(S, I)``."""
    labelled = np.full((*accuracy.shape, 1), 1_000_000)
    return np.stack([labelled, labelled, (labelled * accuracy[..., None]).round()], axis=-1)


def _trial(
    random: Generator, seeds: int, losses: int, seed_sd: float, image_sd: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A baseline and losses that do not differ from it.

    Every image has its own difference between losses, and every training another level.
    """
    images = 30
    level = random.uniform(0.3, 0.7, (1, images))

    def loss() -> np.ndarray:
        of_seed = random.normal(0, seed_sd, (seeds, 1))
        of_image = random.normal(0, image_sd, (1, images))
        return _with_accuracy(level + of_seed + of_image + random.normal(0, 0.01, (seeds, images)))

    return loss(), [loss() for _ in range(losses)]


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("seed_sd", "image_sd"), [(0.03, 0.0), (0.0, 0.05), (0.01, 0.05)])
def test_no_difference_is_rarely_taken_for_one(seeds: int, seed_sd: float, image_sd: float) -> None:
    random, trials = default_rng(seeds), 300
    inside = p_below = 0
    for _ in range(trials):
        base, (ours,) = _trial(random, seeds, 1, seed_sd, image_sd)
        (d,) = paired_bootstrap(ours, base, _accuracy, 100)
        inside += d.low <= 0 <= d.high
        p_below += d.p < 0.05
    assert inside / trials > 0.92  # two standard errors below .95
    assert p_below == trials - inside
    if image_sd == 0:  # where seeds decide it is Student's interval, not a wider one
        assert inside / trials < 0.98


def test_a_difference_is_found_by_three_seeds() -> None:
    random = default_rng(0)
    base, (ours,) = _trial(random, 3, 1, 0.005, 0.02)
    ours[..., 2] += 100_000
    (d,) = paired_bootstrap(ours, base, _accuracy, 200)
    assert d.is_real
    assert d.low < 0.1 < d.high


def test_of_several_losses_rarely_one_is_taken_for_better() -> None:
    random, trials = default_rng(0), 300
    wrong = 0
    for _ in range(trials):
        base, losses = _trial(random, 3, 4, 0.02, 0.01)
        p = [paired_bootstrap(ours, base, _accuracy, 100)[0].p for ours in losses]
        wrong += min(holm(p)) < 0.05
    assert wrong / trials <= 0.06


def test_three_of_one_sign_are_not_enough() -> None:
    """Student's interval of these alone is -10.3 to +1.2; images only widen it."""
    base = np.linspace(0.7, 0.9, 40)[None].repeat(3, axis=0)
    ours = base - np.array([[0.072], [0.033], [0.031]])
    (d,) = paired_bootstrap(_with_accuracy(ours), _with_accuracy(base), _accuracy, 500)
    assert d.value == pytest.approx(-0.0453, abs=1e-4)
    assert (d.low, d.high) == pytest.approx((-0.1028, 0.0121), abs=2e-4)
    assert d.p == pytest.approx(0.077, abs=1e-3)
    assert not d.is_real


def test_one_pair_of_seeds_gives_the_interval_of_images_and_is_never_real() -> None:
    ours, baseline = _counts(1, seeds=1), _counts(1, seeds=1)
    ours[..., 2] = ours[..., 0]
    (d,) = paired_bootstrap(ours, baseline, _accuracy, 500)
    assert 0 < d.low < d.value < d.high
    assert d.seeds == 1
    assert not d.is_real


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
    assert precision.seeds == 0
    assert not precision.is_real


def test_a_pair_without_value_is_left_out() -> None:
    ours, baseline = _counts(1), _counts(2)
    ours[1, :, 2, 1:] = 0
    found = paired_bootstrap(ours, baseline, scores, 200)[STATS.index("tail_precision")]
    others = paired_bootstrap(ours[[0, 2]], baseline[[0, 2]], scores, 200)
    expected = others[STATS.index("tail_precision")]
    assert found.seeds == 2
    assert (found.value, found.low, found.p) == pytest.approx(
        (expected.value, expected.low, expected.p)
    )


def test_precision_is_compared_over_the_classes_that_both_predict() -> None:
    ours, baseline = _counts(1), _counts(2)
    baseline[0, :, 1, 1:] = 0  # of the first seed a class, of the second the tail
    baseline[1, :, 2, 1:] = 0
    found = bootstrap_pairs(ours, baseline, partial(score_differences, tail=[2]), 400)
    kept = ([0, 2], [0, 1], [0, 1, 2])

    def precision(counts: np.ndarray, classes: list[int]) -> float:
        sums = counts.sum(axis=0)[classes]
        return float(np.mean(sums[:, 2] / sums[:, 1]))

    each = [precision(ours[s], kept[s]) - precision(baseline[s], kept[s]) for s in range(3)]
    mean = found[STATS.index("mprec")]
    assert mean.by_seed == pytest.approx(each)
    assert mean.value == pytest.approx(np.mean(each))
    assert mean.low < mean.value < mean.high
    tail = found[STATS.index("tail_precision")]
    assert tail.seeds == 2
    plain = paired_bootstrap(ours, baseline, scores, 400)
    assert mean.value != pytest.approx(plain[STATS.index("mprec")].value)
    same = [stat for stat in STATS if "prec" not in stat]
    assert [found[STATS.index(stat)] for stat in same] == [
        plain[STATS.index(stat)] for stat in same
    ]


def test_holm_by_hand() -> None:
    nan = float("nan")
    assert holm([0.04, 0.01, nan, 0.03]) == pytest.approx([0.06, 0.03, nan, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1, 1]


@pytest.mark.parametrize(
    ("freedom", "limit"), [(1, 12.7062047), (2, 4.30265273), (4, 2.77644511), (30, 2.04227246)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, limit: float) -> None:
    assert quantile(freedom) == pytest.approx(limit, rel=1e-8)


@pytest.mark.parametrize(
    ("value", "half", "baseline", "expected"),
    [
        (0.1, 0.2, 0.4, (-0.1, 0.3)),
        (0.1, 0.6, 0.4, (-0.4, 0.6)),
        (-0.3, 0.5, 0.4, (-0.4, 0.2)),
        (0.9, 0.5, 0.0, (0.4, 1.0)),
        (-0.1, 1.58, 0.6, (-0.6, 0.4)),
    ],
)
def test_an_interval_ends_where_a_score_is_impossible(
    value: float, half: float, baseline: float, expected: tuple[float, float]
) -> None:
    whole = Difference(value, value - half, value + half, 0.5, (value, value))
    found = whole.possible(baseline)
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.is_real == whole.is_real
    nothing = Difference(value, nan, nan, nan)
    assert nothing.possible(baseline) is nothing
