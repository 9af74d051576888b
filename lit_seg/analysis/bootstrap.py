"""Intervals for the difference of two losses: Student's t over seeds, a bootstrap over images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, nan, sqrt

import numpy as np
import numpy.typing as npt
from numpy.random import Generator, default_rng
from scipy.stats import t as student

from lit_seg.analysis.image_counts import Cube, ImageCounts

Array = npt.NDArray[np.float64]
_AT_ONCE = 1000  # resamples that are in memory together, at most
_MOST = 2**21  # numbers of a run in memory together: weights of images, or sums of classes
_DEFINED = 0.95  # share of resamples in which a score must have a value


@dataclass(frozen=True)
class Difference:
    """The difference of one score between a loss and its baseline, in the unit of the score."""

    value: float  # mean over the pairs of seeds that have one
    low: float  # lower end of the 95 % interval; NaN if there is none
    high: float
    p: float  # two-sided, of Student's t; NaN with less than two pairs
    by_seed: tuple[float, ...] = ()  # of each pair; NaN where one of the two has no score

    @property
    def seeds(self) -> int:
        """The number of pairs that have a value."""
        return sum(value == value for value in self.by_seed)

    @property
    def is_real(self) -> bool:
        """Whether the interval excludes zero and comes from more than one pair of seeds."""
        return self.seeds > 1 and (self.low > 0 or self.high < 0)

    def possible(self, baseline: float) -> "Difference":
        """Cut the interval to what is possible, because a score is between 0 and 1.

        ``baseline`` is the mean of the baseline over the pairs that have a value. An interval that
        excludes zero still does.
        """
        low, high = max(self.low, -baseline), min(self.high, 1 - baseline)
        return self if self.low != self.low else replace(self, low=low, high=high)


def bootstrap_pairs(
    ours: Sequence[ImageCounts | Cube],
    baseline: Sequence[ImageCounts | Cube],
    statistic: Callable[[Array, Array], Array],
    draws: int = 10_000,
    seed: int = 0,
) -> list[Difference]:
    """Differences of scores with intervals of 95 %.

    Of S pairs of seeds the interval is ``m ± t * sqrt(s**2 / S + v)``: m and s**2 are mean and
    sample variance of the S differences, v is the variance of m over resamples of the validation
    images, and t the quantile .975 of Student's distribution with S - 1 degrees of freedom. A
    resample draws I of the I images with replacement, the same for both losses and all seeds, and
    computes each score anew from the summed counts.

    The two variances add because the seeds share their images: another training and other images
    would both have given another m. What images do to each seed on its own is in both, and S - 1
    degrees of freedom are those of the seeds alone, so the interval is rather too wide.
    The p-value is of the same t. Seeds are not resampled: three drawn from three have ten
    means, none of them outside what was seen.

    With one pair nothing is known about seeds: the interval is from the 2.5th to the 97.5th
    percentile over the images alone, and there is no p-value.

    Args:
        ours: ``(I, C, 3)`` pixels labelled, predicted and both, of I images, for each of S seeds.
        baseline: the same of the baseline; seed by seed and image by image in the same order.
        statistic: from summed counts ``(..., S, C, 3)`` of both to ``(..., S, K)`` differences.
        draws: number of resamples.
        seed: of the random numbers; the same gives the same intervals.

    Returns:
        One per score of ``statistic``. A pair of seeds in which one has no score is left out. A
        score that has no value in more than a twentieth of the resamples has no interval.
    """
    a, b = ([ImageCounts.of(counts) for counts in seeds] for seeds in (ours, baseline))
    by_seed = statistic(*(np.array([counts.sums() for counts in seeds]) for seeds in (a, b)))
    images, classes = len(a[0]), a[0].classes
    at_once = min(_AT_ONCE, max(1, _MOST // max(images, 3 * classes)))
    parts = [
        statistic(summed(a, weight), summed(b, weight))
        for weight in resamples(default_rng(seed), draws, images, at_once)
    ]
    drawn = np.concatenate(parts)  # draws, S, K
    return [_difference(by_seed[:, k], drawn[..., k]) for k in range(by_seed.shape[1])]


def resamples(
    random: Generator, draws: int, images: int, at_once: int = _AT_ONCE
) -> Iterator[Array]:
    """Yield how often each image is drawn, ``(B, I)``, for a part of the resamples at a time."""
    for start in range(0, draws, at_once):
        number = min(at_once, draws - start)
        yield random.multinomial(images, np.full(images, 1 / images), number).astype(np.float64)


def summed(seeds: Sequence[ImageCounts], image_weight: Array) -> Array:
    """Sum the counts of S seeds over the drawn images ``(B, I)``, as ``(B, S, C, 3)``."""
    return np.stack([counts.weighted(image_weight) for counts in seeds], axis=1)


def quantile(freedom: int) -> float:
    """The ``t`` within which ``|T|`` stays with probability .95: 12.71, 4.30, 3.18, ..."""
    return float(student.ppf(0.975, freedom))


def holm(p_values: list[float]) -> list[float]:
    """Adjust p-values for the number of comparisons (Holm 1979); NaN is not counted."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p)[: np.count_nonzero(p == p)]  # NaN is sorted last
    adjusted = np.full(len(p), nan)
    larger = np.minimum(1, p[order] * np.arange(len(order), 0, -1))
    adjusted[order] = np.maximum.accumulate(larger)
    return list(adjusted.tolist())


def _difference(by_seed: Array, drawn: Array) -> Difference:
    """Combine the differences of pairs ``(S,)`` with those of resamples of images ``(B, S)``."""
    there = ~np.isnan(by_seed)
    each = tuple(by_seed.tolist())
    if not there.any():
        return Difference(nan, nan, nan, nan, each)
    pairs, means = by_seed[there], drawn[:, there].mean(axis=1)
    value, found = float(pairs.mean()), means[~np.isnan(means)]
    if len(found) < _DEFINED * len(means):
        return Difference(value, nan, nan, nan, each)
    if len(pairs) == 1:
        low, high = np.quantile(found, (0.025, 0.975))
        return Difference(value, float(low), float(high), nan, each)
    freedom = len(pairs) - 1
    error = sqrt(float(pairs.var(ddof=1)) / len(pairs) + float(found.var(ddof=1)))
    half = quantile(freedom) * error
    t = abs(value) / error if error else inf if value else 0.0
    return Difference(value, value - half, value + half, float(2 * student.sf(t, freedom)), each)
