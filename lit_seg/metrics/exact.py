"""State that keeps its precision, whatever precision the model around it trains in."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torchmetrics import Metric

_WITHOUT_FLOAT64 = {"mps"}  # Apple's GPUs


def exact_dtype(device: torch.device) -> torch.dtype:
    """The most exact floats that the device has: of 64 bits but on Apple's GPUs."""
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64


class Exact(nn.Module):
    """Follows the model to another device, but never to another dtype.

    ``model.to(torch.bfloat16)`` (Lightning's ``bf16-true``) would round a float state of 1000001
    to 999420, and a recall of .996 to 1.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> Self:
        def move_only(tensor: Tensor) -> Tensor:
            device = fn(torch.empty(0)).device
            dtype = exact_dtype(device) if tensor.dtype == torch.float64 else tensor.dtype
            return tensor.to(device, dtype)

        super()._apply(move_only, *args, **kwargs)  # type: ignore[no-untyped-call]
        return self


class ExactMetric(Exact, Metric):
    """A metric whose states keep their precision."""

    full_state_update = False
    is_differentiable = False
