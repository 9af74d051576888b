"""Whether an implementation of `class_nll` gives what the reference gives in float64."""

import torch
from torch import Tensor

from lit_seg.ops import class_nll

CHANNELS_LAST = (0, -1, *range(1, 10))


def draw(
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float,
    device: str = "cpu",
    full: tuple[int, ...] | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits of which some are equal, and labels of which some are void in two ways.

    With ``full``, the labels are of this size, and no logits are equal.
    """
    generator = torch.Generator().manual_seed(sum(shape))
    logits = 3 * torch.randn(shape, generator=generator)
    if full is None:
        logits[::2] = logits[::2].round()
    size = (shape[0], *(full or shape[2:]))
    target = torch.randint(shape[1] + 1, size, generator=generator)
    target[target == shape[1]] = 65535
    target[target == 0] *= -1
    target.flatten()[-1] = -100
    return logits.to(device, dtype), target.to(device)


def channels_last(logits: Tensor) -> Tensor:
    """The same logits with the classes of a pixel side by side in memory."""
    return logits.movedim(1, -1).contiguous().movedim(-1, 1)


def check(
    logits: Tensor,
    target: Tensor,
    backend: str,
    align_corners: bool = False,
    margin: float | None = None,
) -> None:
    """Sums, counts and gradient of one implementation.

    With ``margin``, the own logit of a pixel of the last class is lowered by so much.
    """
    leaf = logits.detach().requires_grad_()
    exact = logits.detach().double().requires_grad_()
    weight = torch.linspace(0, 1, logits.shape[1], dtype=torch.double, device=logits.device)
    options = {"align_corners": align_corners, "predictions": True, "pixels": True}
    if margin is not None:
        options["margin"] = margin * weight
    found = class_nll(leaf, target, backend=backend, **options)
    wanted = class_nll(exact, target, backend="reference", **options)
    # where logits are interpolated, places of pixels are rounded, and so the prediction may change
    resized = logits.shape[2:] != target.shape[1:]
    assert (found.counts - wanted.counts).abs().max() <= int(resized)
    near = 2e-4 if resized else 2e-6
    torch.testing.assert_close(found.sums, wanted.sums, rtol=near, atol=near)
    torch.testing.assert_close(found.pixels.double(), wanted.pixels, rtol=near, atol=near)
    step = {torch.half: 2e-3, torch.bfloat16: 1e-2}.get(logits.dtype, 2 * near)
    for loss in (
        lambda sums, _, pixels: (weight * sums).sum(),
        lambda sums, _, pixels: (pixels**2).mean(),
    ):
        (gradient,) = torch.autograd.grad(loss(*found), leaf, retain_graph=True)
        (right,) = torch.autograd.grad(loss(*wanted), exact, retain_graph=True)
        assert gradient.dtype == logits.dtype
        torch.testing.assert_close(gradient.double(), right, rtol=step, atol=step)
    options |= {"predictions": False, "pixels": False}
    again = class_nll(leaf, target, backend=backend, **options)
    assert again.pixels is None
    assert torch.equal(again.counts, found.counts[:2])
    assert torch.equal(again.sums, found.sums)
