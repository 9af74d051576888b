"""Cross-entropy against the slow reading of Eq. 1."""

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle
from tests.losses.problems import draw


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(7, 3), (2, 5, 9), (2, 4, 5, 6), (2, 3, 2, 3, 4)])
def test_equals_the_slow_reading(shape, training):
    logits, target = draw(0, shape)
    loss = CrossEntropyLoss([1] * shape[1]).train(training)
    assert loss(logits, target).item() == pytest.approx(oracle.cross_entropy(logits, target), 1e-6)


def test_mean_is_over_valid_pixels():
    logits, target = draw(1, void=0.5)
    loss = CrossEntropyLoss([1] * 4)
    parts = [loss(logits[i : i + 1], target[i : i + 1]) for i in range(2)]
    pixels = [(target[i] != VOID).sum() for i in range(2)]
    assert pixels[0] != pixels[1]  # else a mean of means would pass
    union = (parts[0] * pixels[0] + parts[1] * pixels[1]) / sum(pixels)
    torch.testing.assert_close(loss(logits, target), union)


def test_class_counts_do_not_matter():
    logits, target = draw(2)
    values = [CrossEntropyLoss(counts)(logits, target) for counts in ([1] * 4, [9, 0, 5, 1])]
    assert torch.equal(*values)
