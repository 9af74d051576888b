"""State in float64 and int64 that stays so, whatever precision the model around it trains in."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torchmetrics import Metric

_WITHOUT_FLOAT64 = {"mps"}  # Apple's GPUs


def widest_float(device: torch.device) -> torch.dtype:
    """float64, or float32 on Apple's GPUs, which have no float64."""
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64


class FullPrecision(nn.Module):
    """Follows the model to another device, but never to another dtype.

    ``model.to(torch.bfloat16)`` (Lightning's ``bf16-true``) would round a float state of 1000001
    to 999420, and a recall of .996 to 1.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> Self:
        def move_only(tensor: Tensor) -> Tensor:
            device = fn(torch.empty(0)).device
            dtype = widest_float(device) if tensor.dtype == torch.float64 else tensor.dtype
            return tensor.to(device, dtype)

        super()._apply(move_only, *args, **kwargs)  # type: ignore[no-untyped-call]
        return self


class FullPrecisionMetric(FullPrecision, Metric):
    """A metric whose states keep their precision."""

    full_state_update = False
    is_differentiable = False
