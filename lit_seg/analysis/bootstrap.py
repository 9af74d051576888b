"""Is a difference between two losses real? A paired bootstrap over validation images and seeds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator, default_rng

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""From counts ``(..., C, 3)`` to ``(..., K)`` scores."""

_AT_ONCE = 1000  # resamples: what is in memory
# Quantiles .975 of Student's t with 1, 2, ... degrees of freedom, and of the normal distribution.
_T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
_Z975 = 1.960


@dataclass(frozen=True)
class Difference:
    """Of one score between a loss and its baseline, in the unit of the score."""

    value: float
    low: float
    """Lower end of the 95 % interval; NaN if there is none."""
    high: float
    p: float
    """Two-sided: twice the share of resamples on the other side of zero."""

    @property
    def is_real(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    ours: npt.NDArray[np.number],
    baseline: npt.NDArray[np.number],
    statistic: Statistic,
    draws: int = 10_000,
    seed: int = 0,
    widen: bool = True,
) -> list[Difference]:
    """Differences of scores with 95 % percentile intervals.

    A resample draws I of the I validation images with replacement, the same images for both losses
    and all seeds, recomputes each score from the summed counts of the drawn images, and draws S of
    the S pairs of seeds with replacement. Its difference is the mean over the drawn pairs.

    Three seeds drawn from three spread too little: their mean is never outside what was seen.
    With ``widen``, how far the mean over the drawn pairs lies from the mean over all pairs is
    multiplied by sqrt(S / (S - 1)) * t / z (t of S - 1 degrees of freedom), as Hesterberg does
    with the percentiles (arXiv 1411.5279). With one seed nothing is known about
    seeds, and the interval is of images alone.

    Args:
        ours: ``(S, I, C, 3)`` pixels labelled, predicted and both, of S seeds and I images.
        baseline: the same of the baseline; seed by seed and image by image in the same order.
        statistic: the scores, of summed counts.
        draws: number of resamples.
        seed: of the random numbers; the same gives the same intervals.
        widen: whether to correct for the small number of seeds.

    Returns:
        One per score of ``statistic``. A score that has no value in more than a twentieth of the
        resamples has no interval.

    Raises:
        ValueError: if the two do not have the same shape.
    """
    if ours.shape != baseline.shape:
        raise ValueError(f"pairs need equal shapes, got {ours.shape} and {baseline.shape}")
    seeds, images = ours.shape[:2]
    factor = seed_factor(seeds) if widen else 1.0
    parts = []
    for image_weight, seed_weight in resamples(default_rng(seed), draws, images, seeds):
        per_seed = statistic(summed(ours, image_weight)) - statistic(summed(baseline, image_weight))
        mean = _mean(per_seed, np.ones_like(seed_weight))
        parts.append(mean + factor * (_mean(per_seed, seed_weight) - mean))
    differences = np.concatenate(parts)  # draws, K
    points = _mean(
        (statistic(ours.sum(axis=1)) - statistic(baseline.sum(axis=1)))[None], np.ones((1, seeds))
    )[0]
    return [_interval(points[k], differences[:, k]) for k in range(len(points))]


def resamples(
    random: Generator, draws: int, images: int, seeds: int
) -> Iterator[tuple[Array, Array]]:
    """How often each image ``(B, I)`` and each pair of seeds ``(B, S)`` is drawn, in parts."""
    for start in range(0, draws, _AT_ONCE):
        number = min(_AT_ONCE, draws - start)
        yield (
            random.multinomial(images, np.full(images, 1 / images), number).astype(np.float64),
            random.multinomial(seeds, np.full(seeds, 1 / seeds), number).astype(np.float64),
        )


def summed(counts: npt.NDArray[np.number], image_weight: Array) -> Array:
    """Counts ``(S, I, C, 3)`` summed over drawn images ``(B, I)``, as ``(B, S, C, 3)``."""
    seeds, images, classes, kinds = counts.shape
    flat = np.asarray(counts, np.float64).reshape(seeds, images, classes * kinds)
    sums: Array = np.einsum("bi,six->bsx", image_weight, flat, optimize=True)
    return sums.reshape(len(image_weight), seeds, classes, kinds)


def seed_factor(seeds: int) -> float:
    """By how much deviations between seeds are widened: 2.69 for three, 1 without a pair."""
    if seeds < 2:
        return 1.0
    freedom = seeds - 1
    if freedom <= len(_T975):
        t = _T975[freedom - 1]
    else:  # Cornish and Fisher's expansion, right to three digits from here on
        z = _Z975
        t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return float(np.sqrt(seeds / freedom)) * t / _Z975


def holm(p_values: list[float]) -> list[float]:
    """p-values adjusted for being the smallest of several (Holm 1979); NaN stays out."""
    adjusted = [float("nan")] * len(p_values)
    order = sorted((p, i) for i, p in enumerate(p_values) if p == p)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = largest
    return adjusted


def _mean(per_seed: Array, weight: Array) -> Array:
    """Mean of ``(B, S, K)`` over seeds with weights ``(B, S)``; a seed without a value is out."""
    there = ~np.isnan(per_seed)
    weights = weight[..., None] * there
    total = weights.sum(axis=1)
    sums = (weights * np.where(there, per_seed, 0)).sum(axis=1)
    out: Array = np.full(total.shape, np.nan)
    np.divide(sums, total, out=out, where=total > 0)
    return out


def _interval(point: float, draws: Array) -> Difference:
    found = draws[~np.isnan(draws)]
    if len(found) < 0.95 * len(draws) or point != point:
        return Difference(float(point), float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(found, (0.025, 0.975))
    beyond = min((found <= 0).sum(), (found >= 0).sum())
    p = min(1.0, 2 * (beyond + 1) / (len(found) + 1))
    return Difference(float(point), float(low), float(high), float(p))
