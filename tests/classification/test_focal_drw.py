"""Focal-DRW and the schedule of Kang et al., as their code has them."""

from functools import partial

import pytest
import torch

from lit_seg.classification.losses.focal_drw import WeightInsideFocalLoss
from lit_seg.classification.schedules import EarlySteppedCosineLR
from lit_seg.losses import DeferredReweightingLoss, FocalLoss
from tests.classification.small import COUNTS


def drawn():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, generator=draw), torch.randint(3, (8,), generator=draw)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_the_weight_enters_the_probability(gamma):
    logits, target = drawn()
    loss = DeferredReweightingLoss(COUNTS, partial(WeightInsideFocalLoss, gamma=gamma), beta=0.9999)
    plain = FocalLoss(COUNTS, gamma)(logits, target)
    torch.testing.assert_close(loss(logits, target), plain)  # all weights are 1 before
    loss.set_progress(0.8)
    weight = torch.tensor([(1 - 0.9999) / (1 - 0.9999**n) for n in COUNTS], dtype=torch.float64)
    weight = weight / weight.sum() * 3
    total = 0.0
    for z, y in zip(logits.double(), target, strict=True):
        ce = weight[y] * -z.log_softmax(0)[y]  # cross-entropy "with weight"
        total += (1 - torch.exp(-ce)) ** gamma * ce
    torch.testing.assert_close(loss(logits, target).double(), total / 8, rtol=1e-6, atol=0)


def test_a_huge_loss_has_a_finite_gradient():
    loss = WeightInsideFocalLoss(COUNTS)
    logits = torch.tensor([[1e4, 0.0, 0.0]], requires_grad=True)
    for label in (0, 1):
        (gradient,) = torch.autograd.grad(loss(logits, torch.tensor([label])), logits)
        assert gradient.isfinite().all()
    assert gradient[0, 1] == -1  # a loss of 10000 still pulls


def test_the_last_epoch_trains_at_rate_0():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = EarlySteppedCosineLR(optimizer, 5)
    rates = []
    for _ in range(5):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert [round(rate, 4) for rate in rates] == [0.0905, 0.0655, 0.0345, 0.0095, 0.0]
