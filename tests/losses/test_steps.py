"""What a step of a loss with a state is: one call in training mode.

Under gradient accumulation that is each micro-batch. The loss cannot know when the optimizer steps,
and a weight that waited for it would belong to predictions of older weights.
"""

import pytest
import torch

from lit_seg.losses import RecallLoss
from lit_seg.metrics import ClassRecall
from tests.losses import oracle
from tests.losses.problems import draw, value_and_grad

MICRO_BATCHES = [draw(seed, skill=seed) for seed in range(4)]
UNION = tuple(torch.cat(parts) for parts in zip(*MICRO_BATCHES, strict=True))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_each_micro_batch_is_a_step(momentum):
    loss, recall = RecallLoss([1] * 4, momentum=momentum), None
    for batch in MICRO_BATCHES:
        value = loss(*batch).item()
        # weighted by the recall that this micro-batch has just changed
        want, recall = oracle.recall_loss(*batch, momentum=momentum, recall=recall)
        assert value == pytest.approx(want, rel=1e-6)
        assert loss.state.recall.tolist() == pytest.approx(recall, abs=1e-12)
    whole = RecallLoss([1] * 4, momentum=momentum)
    whole(*UNION)
    assert (loss.state.recall - whole.state.recall).abs().min() > 1e-3


def test_momentum_counts_calls_and_not_optimizer_steps():
    """After k micro-batches of recall 0, m^k is left of a recall of 1."""
    logits, target = draw(5, skill=-20)
    loss = RecallLoss([1] * 4, momentum=0.9)
    loss.state.recall.fill_(1)
    weight = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    for k in range(1, 9):
        (loss(logits * weight.clamp(min=1), target) / 4).backward()
        if k % 4 == 0:  # accumulate_grad_batches=4
            optimizer.step()
            optimizer.zero_grad()
        assert loss.state.recall.tolist() == pytest.approx([0.9**k] * 4, rel=1e-12)


def test_accumulated_gradient_is_the_sum_of_the_steps():
    """Each micro-batch is normalised by itself, so the union in one batch is another loss."""
    loss = RecallLoss([1] * 4)
    leaf = torch.ones(1, requires_grad=True)
    for logits, target in MICRO_BATCHES:
        (loss(logits * leaf, target) / len(MICRO_BATCHES)).backward()
    want = sum(
        (value_and_grad(RecallLoss([1] * 4), *batch)[1] * batch[0]).sum() for batch in MICRO_BATCHES
    ) / len(MICRO_BATCHES)
    torch.testing.assert_close(leaf.grad, want.view(1))
    of_union = (value_and_grad(RecallLoss([1] * 4), *UNION)[1] * UNION[0]).sum()
    assert (leaf.grad - of_union).abs() > 1e-3


def test_a_call_without_a_gradient_is_a_step_and_one_in_eval_mode_is_none():
    """The mode decides, as with BatchNorm: a forward in train mode is not free."""
    with_grad, without, evaluated = (RecallLoss([1] * 4, momentum=0.5) for _ in range(3))
    for batch in MICRO_BATCHES:
        with_grad(batch[0].clone().requires_grad_(), batch[1]).backward()
        with torch.no_grad():
            without(*batch)
        evaluated.eval()(*UNION)
        evaluated.train()(*batch)
    assert torch.equal(with_grad.state.recall, without.state.recall)
    assert torch.equal(with_grad.state.recall, evaluated.state.recall)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_step_of_the_metric_ends_with_advance(momentum):
    """Used alone, as many updates as one likes make one step of all their pixels."""
    metric, whole = (ClassRecall(4, momentum) for _ in range(2))
    for each in (metric, whole):
        each.recall.fill_(0.5)
    for batch in MICRO_BATCHES:
        metric.update(*batch)
        assert metric.recall.tolist() == [0.5] * 4
    whole.update(*UNION)
    assert torch.equal(metric.advance(), whole.advance())
    assert torch.equal(metric.recall, whole.recall)
    assert not metric.counts.any()
