"""Whether an implementation of `class_nll` gives what the reference gives in float64."""

import torch
from torch import Tensor

from lit_seg.ops import class_nll

CHANNELS_LAST = (0, -1, *range(1, 10))


def draw(
    shape: tuple[int, ...], dtype: torch.dtype = torch.float, device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Logits of which some are equal, and labels of which some are void in two ways."""
    generator = torch.Generator().manual_seed(sum(shape))
    logits = 3 * torch.randn(shape, generator=generator)
    logits[::2] = logits[::2].round()
    target = torch.randint(shape[1] + 1, shape[:1] + shape[2:], generator=generator)
    target[target == shape[1]] = 65535
    target[target == 0] *= -1
    target.flatten()[-1] = -100
    return logits.to(device, dtype), target.to(device)


def channels_last(logits: Tensor) -> Tensor:
    """The same logits with the classes of a pixel side by side in memory."""
    return logits.movedim(1, -1).contiguous().movedim(-1, 1)


def check(logits: Tensor, target: Tensor, backend: str) -> None:
    """Sums, counts, gradient and memory format of one implementation."""
    leaf = logits.detach().requires_grad_()
    exact = logits.detach().double().requires_grad_()
    weight = torch.linspace(0, 1, logits.shape[1], dtype=torch.double, device=logits.device)
    found = class_nll(leaf, target, predictions=True, pixels=True, backend=backend)
    wanted = class_nll(exact, target, predictions=True, pixels=True, backend="reference")
    assert found.counts.tolist() == wanted.counts.tolist()
    torch.testing.assert_close(found.sums, wanted.sums, rtol=2e-6, atol=1e-6)
    torch.testing.assert_close(found.pixels.double(), wanted.pixels, rtol=2e-6, atol=2e-6)
    step = {torch.half: 2e-3, torch.bfloat16: 1e-2}.get(logits.dtype, 4e-6)
    for loss in (
        lambda sums, _, pixels: (weight * sums).sum(),
        lambda sums, _, pixels: (pixels**2).mean(),
    ):
        (gradient,) = torch.autograd.grad(loss(*found), leaf, retain_graph=True)
        (right,) = torch.autograd.grad(loss(*wanted), exact, retain_graph=True)
        assert gradient.dtype == logits.dtype
        torch.testing.assert_close(gradient.double(), right, rtol=step, atol=step)
    again = class_nll(leaf, target, backend=backend)
    assert again.pixels is None
    assert torch.equal(again.counts, found.counts[:2])
    assert torch.equal(again.sums, found.sums)
