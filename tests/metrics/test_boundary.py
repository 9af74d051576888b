"""Boundary counts against a slow reading of the definition."""

import itertools

import numpy as np
import pytest

from lit_seg.metrics.boundary import boundary_counts, boundary_width
from lit_seg.metrics.labels import VOID


def near_by_definition(labels: np.ndarray, c: int, distance: int) -> np.ndarray:
    """Pixels of the class with a pixel of another one, or the outside, at most so far away."""
    height, width = labels.shape
    found = np.zeros(labels.shape, bool)
    steps = range(-distance, distance + 1)
    for y, x in itertools.product(range(height), range(width)):
        if labels[y, x] != c:
            continue
        around = [(y + dy, x + dx) for dy in steps for dx in steps]
        found[y, x] = any(
            not (0 <= v < height and 0 <= u < width) or labels[v, u] != c for v, u in around
        )
    return found


@pytest.mark.parametrize("size", [(23, 31), (70, 90)])
def test_counts_are_those_of_the_definition(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    small = random.integers(0, 3, (2, 3, 4))
    blocks = np.ones((size[0] // 3 + 1, size[1] // 4 + 1), int)
    target, preds = (np.kron(part, blocks)[: size[0], : size[1]] for part in small)
    target[random.random(size) < 0.01] = VOID
    distance = boundary_width(*size)
    assert distance == max(1, round(0.02 * (size[0] ** 2 + size[1] ** 2) ** 0.5))
    counts = boundary_counts(preds, target, 4)
    for c in range(4):
        known = target != VOID
        true, predicted = (
            near_by_definition(part, c, distance) & known for part in (target, preds)
        )
        expected = [true.sum(), predicted.sum(), (true & predicted).sum()]
        assert counts[c].tolist() == expected
    assert counts[:3, :2].all()
    assert not counts[3].any()


def test_a_perfect_prediction_has_the_boundary_of_the_truth() -> None:
    target = np.zeros((40, 40), np.uint8)
    target[10:30, 10:30] = 1
    counts = boundary_counts(target, target, 2)
    assert (counts == counts[:, :1]).all()
    assert counts[1, 0] == 20**2 - 18**2  # 2 % of the diagonal is 1 pixel
