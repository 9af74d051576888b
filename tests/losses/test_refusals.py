"""What every loss refuses, and that the message names it."""

import pytest
import torch

from lit_seg.labels import VOID
from lit_seg.losses import SegLoss
from tests.losses.every import COUNTS, every_loss


@every_loss
@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([3], "2 to 65535 classes, got 1"),
        ([1] * 65536, "2 to 65535 classes, got 65536"),
        ([3, -2, 1], r"must be whole numbers >= 0, got \[3, -2, 1\]"),
        ([1.5, 2], r"must be whole numbers >= 0, got \[1.5, 2\]"),
    ],
    ids=["1 class", "65536 classes", "negative", "fraction"],
)
def test_bad_counts(make, counts, message):
    with pytest.raises(ValueError, match=message):
        make.cls(counts, **make.options)


@every_loss
@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        ((2, 4, 5, 6), (2, 1, 5, 6), r"\(N, \*\), got \(2, 4, 5, 6\) and \(2, 1, 5, 6\)"),
        ((2, 4, 5, 6), (3, 5, 6), r"\(N, \*\), got \(2, 4, 5, 6\) and \(3, 5, 6\)"),
        ((4,), (), r"\(N, \*\), got \(4,\) and \(\)"),
        ((2, 3, 5, 6), (2, 5, 6), "must have 4 channels, .* got 3"),
        ((2, 4, 5), (2, 6), r"only \(N, C, H, W\) .* got \(2, 4, 5\) and \(2, 6\)"),
    ],
    ids=["channel in target", "batch", "no batch", "channels", "small line"],
)
def test_bad_shapes(make, logits, target, message):
    with pytest.raises(ValueError, match=message):
        make(COUNTS)(torch.zeros(logits), torch.zeros(target, dtype=torch.long))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_target_that_is_no_integer(make, dtype):
    with pytest.raises(ValueError, match=f"integer class ids, got {dtype}"):
        make(COUNTS)(torch.zeros(1, 4, 3), torch.zeros(1, 3, dtype=dtype))


@every_loss
@pytest.mark.parametrize("label", [4, 254, -1, -100, 256])
def test_label_out_of_range_is_named(make, label):
    target = torch.tensor([[0, VOID, label]])
    loss = make(COUNTS)
    with pytest.raises(ValueError, match=rf"0 to 3 or 255 \(void\), got \[{label}\]"):
        loss(torch.zeros(1, 4, 3), target)


def test_a_loss_without_a_formula_is_no_loss():
    """The base checks the inputs first, so that a subclass need not."""
    loss = SegLoss(COUNTS)
    with pytest.raises(ValueError, match="must have 4 channels"):
        loss(torch.zeros(1, 3, 2), torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(NotImplementedError):
        loss(torch.zeros(1, 4, 2), torch.zeros(1, 2, dtype=torch.long))
