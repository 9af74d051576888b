"""What a rank gives while training, if another one reports these counts."""

import pytest
import torch

from lit_seg.labels import VOID
from lit_seg.losses import CrossEntropyLoss, RecallLoss
from tests.losses import oracle
from tests.losses.problems import draw
from tests.metrics.one_of_two import one_of_two_ranks


def test_cross_entropy_is_over_the_pixels_of_both():
    logits, target = draw(0)
    mine = int((target != VOID).sum())
    with one_of_two_ranks(torch.tensor(7)):
        value = CrossEntropyLoss([1] * 4)(logits, target).item()
    # DDP halves it again
    want = 2 * mine * oracle.cross_entropy(logits, target) / (mine + 7)
    assert value == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
def test_recall_loss_weighs_by_the_recall_of_both(normalizer):
    logits, target = draw(1)
    misses, support = oracle.misses_and_support(logits, target)
    other = torch.tensor([[1, 0, 5, 2], [4, 0, 5, 9]])  # hits and pixels
    pixels = [n + k for n, k in zip(support, other[1].tolist(), strict=True)]
    hits = [n - m + k for n, m, k in zip(support, misses, other[0].tolist(), strict=True)]
    weights = [1 - hit / n for hit, n in zip(hits, pixels, strict=True)]
    loss = RecallLoss([1] * 4, normalizer=normalizer)
    with one_of_two_ranks(other) as all_reduce:
        value = loss(logits, target).item()
    assert all_reduce.call_count == 1
    assert loss.weight.tolist() == pytest.approx(weights, abs=1e-12)
    parts = zip(weights, pixels, strict=True)
    norm = sum(pixels) if normalizer == "valid" else sum(w * n for w, n in parts)
    surprises = [weights[y] * oracle.surprise(s, y) for s, y in oracle.valid_pixels(logits, target)]
    assert value == pytest.approx(2 * sum(surprises) / norm, rel=1e-6)


def test_a_rank_of_only_void_gives_zero_and_still_takes_part():
    logits, target = torch.randn(1, 4, 3), torch.full((1, 3), VOID)
    loss = RecallLoss([1] * 4)
    with one_of_two_ranks(torch.tensor([[1, 0, 0, 0], [4, 0, 0, 0]])) as all_reduce:
        assert loss(logits, target).item() == 0
    assert all_reduce.call_count == 1
    assert loss.state.recall[0] == 0.25


@pytest.mark.parametrize("cls", [CrossEntropyLoss, RecallLoss])
def test_eval_asks_no_one(cls):
    """Ranks may hold different numbers of validation batches; the mean is of this one's pixels."""
    logits, target = draw(2)
    with one_of_two_ranks() as all_reduce:
        value = cls([1] * 4).eval()(logits, target).item()
    all_reduce.assert_not_called()
    assert value == pytest.approx(oracle.cross_entropy(logits, target), rel=1e-6)
