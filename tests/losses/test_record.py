"""What a loss hands out of its pass, against a pass of its own over the logits and gradients."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from lit_seg.losses import (
    DeferredReweightingLoss,
    FocalLoss,
    LDAMLoss,
    LogitAdjustmentLoss,
    OHEMLoss,
    PATLoss,
    RecallLoss,
    SoftDiceLoss,
)
from lit_seg.losses.record import record
from lit_seg.metrics.labels import VOID
from tests.losses.every import COUNTS
from tests.losses.problems import draw


@pytest.mark.parametrize("size", [(5, 6), (11, 12)])
@pytest.mark.parametrize(
    "make",
    [
        RecallLoss,
        FocalLoss,
        PATLoss,
        partial(OHEMLoss, keep=0.4),
        LDAMLoss,
        LogitAdjustmentLoss,
        partial(DeferredReweightingLoss, loss=partial(RecallLoss, momentum=0.5), start=0.0),
    ],
)
def test_equals_a_pass_of_its_own(make, size):
    small, _ = draw(1, (2, 4, 5, 6))
    _, target = draw(2, (2, 4, *size))
    full = F.interpolate(small, size, mode="bilinear").requires_grad_()
    expected = make(COUNTS)(full, target)
    expected.backward()
    leaf = small.clone().requires_grad_()
    with record() as batches:
        value = make(COUNTS)(leaf, target)
    torch.testing.assert_close(value, expected)
    value.backward()
    (seen,) = batches
    valid, predicted = target != VOID, full.argmax(1)
    rows = [target[valid & (predicted == target)], target[valid], predicted[valid]]
    assert seen.counts.tolist() == [row.bincount(minlength=4).tolist() for row in rows]
    assert torch.equal(seen.target, target)
    nll = F.cross_entropy(full, target, ignore_index=VOID, reduction="none")
    torch.testing.assert_close(seen.nll, nll)
    assert not seen.nll.requires_grad
    torch.testing.assert_close(seen.slopes(), full.grad.abs().sum(1), rtol=1e-4, atol=1e-6)


def test_only_means_over_pixels_within_the_block_are_seen():
    logits, target = draw(1)
    loss = RecallLoss(COUNTS)
    with record() as outer, record() as inner:
        loss(logits, target)
        SoftDiceLoss(COUNTS)(logits, target)
    loss(logits, target)
    assert (len(outer), len(inner)) == (0, 1)
    assert not inner[0].slopes().any()  # there was no backward pass
