"""Every loss on the GPU against its own value and gradient on the CPU in float64."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lit_seg.losses import BLVLoss, SegLoss
from lit_seg.metrics.labels import VOID
from tests.losses.every import LOSSES, Make
from tests.losses.problems import draw, value_and_grad

pytestmark = pytest.mark.gpu

C = 12
SHAPE = (2, C, 48, 64)
COUNTS = [3**c for c in reversed(range(C))]
NAMES = list(dict.fromkeys(make.cls.__name__ for make in LOSSES))

# Ten times what was found on an H200: some roundings of float32, each of 6e-8 at most, in the sums;
# in gradients, as a part of the largest, LDAM multiplies the logits by 20, and with them theirs.
VALUE, GRADIENT = 3e-6, 1.5e-5
HALF_BF16 = 2.0**-8
"""The gradient of bfloat16 logits is rounded to bfloat16, whose neighbours are so far apart."""


def same_noise(loss: SegLoss) -> SegLoss:
    """Draw noise on the CPU: each device has random numbers of its own."""
    for part in loss.modules():
        if isinstance(part, BLVLoss):
            part.draw = lambda z: (  # type: ignore[method-assign]
                0.5 * torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
            ).to(z)
    return loss


def made(make: Make) -> SegLoss:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on weights that are all alike
        loss = same_noise(make(COUNTS))
    loss.set_progress(1.0)
    return loss


def formats(device: torch.device) -> Iterator[tuple[str, Tensor, Tensor, float]]:
    """Logits on the device as networks give them, their labels, and the gradient's rounding."""
    logits, target = draw(0, SHAPE, absent=(3,))
    full, target = logits.to(device), target.to(device)
    yield "float32", full, target, 0.0
    yield "channels_last", full.contiguous(memory_format=torch.channels_last), target, 0.0
    small = full[..., ::4, ::4].contiguous()
    yield "stride 4", small, target, 0.0
    with torch.autocast(device.type, dtype=torch.bfloat16):
        head = nn.Conv2d(C, C, 1, bias=False, device=device)
        nn.init.eye_(head.weight.data.view(C, C))
        half = head(full).detach()
    assert half.dtype == torch.bfloat16
    yield "bfloat16", half, target, HALF_BF16
    yield (
        "bfloat16 channels_last",
        half.contiguous(memory_format=torch.channels_last),
        target,
        (HALF_BF16),
    )


def differences(make: Make, device: torch.device, training: bool) -> Iterator[tuple[str, float]]:
    """How often the tolerance an error is, in each format: 1 is the most."""
    for name, logits, target, rounding in formats(device):
        loss = made(make).train(training)
        exact = made(make).train(training)
        want, want_grad = value_and_grad(exact, logits.cpu().double(), target.cpu())
        on_device = loss.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=rounding > 0):
            value, grad = value_and_grad(on_device, logits, target)
        assert value.device.type == device.type
        yield f"{name} value", float(abs(value.cpu().double() - want) / (VALUE * want))
        error = (grad.cpu().double() - want_grad).abs()
        allowed = GRADIENT * want_grad.abs().max() + rounding * want_grad.abs()
        yield f"{name} gradient", float((error / allowed).max())
        void = (target == VOID).unsqueeze(1).expand_as(grad) if name != "stride 4" else None
        yield f"{name} void", 0.0 if void is None or not grad[void].any() else torch.inf
        for key, state in exact.state_dict().items():
            own = on_device.state_dict()[key]
            same = torch.allclose(own.cpu().double(), state.double(), 1e-14, equal_nan=True)
            same = same and own.device.type == device.type
            yield f"{name} {key}", 0.0 if same else torch.inf


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_what_it_is_on_a_cpu(
    name: str, device: torch.device, record_property: Any
) -> None:
    found = {
        f"{make!r} {'train' if training else 'eval'} {what}": times
        for make in LOSSES
        if make.cls.__name__ == name
        for training in (True, False)
        for what, times in differences(make, device, training)
    }
    for kind in ("value", "gradient"):
        worst = max(
            v for what, v in found.items() if what.endswith(kind) and "bfloat16" not in what
        )
        record_property(f"{kind} error / tolerance", f"{worst:.2g}")
    wrong = [f"{what} {times:.3g}" for what, times in found.items() if not times <= 1]
    assert not wrong, f"{len(wrong)} of {len(found)}, such as {wrong[:6]}"


def test_void_may_be_anything(device: torch.device) -> None:
    logits, target = (each.to(device) for each in draw(1, (2, C, 9, 7), void=0.4))
    void = (target == VOID).unsqueeze(1).expand_as(logits)
    wrong = []
    for make in LOSSES:
        value, grad = value_and_grad(made(make).to(device), logits, target)
        for number in (torch.nan, torch.inf):
            bad, bad_grad = value_and_grad(
                made(make).to(device), logits.masked_fill(void, number), target
            )
            # sums on a GPU may be added in another order
            if not (torch.isclose(bad, value, rtol=1e-5) and bad_grad.isfinite().all()):
                wrong.append((repr(make), number))
        nothing, none = value_and_grad(made(make).to(device), logits, torch.full_like(target, VOID))
        if nothing != 0 or none.any() or grad[void].any():
            wrong.append((repr(make), "only void"))
    assert wrong == []
