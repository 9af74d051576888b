"""State that keeps its precision, whatever precision the model around it trains in."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torchmetrics import Metric


class Exact(nn.Module):
    """Follows the model to another device, but never to another dtype.

    ``model.to(torch.bfloat16)`` (Lightning's ``bf16-true``) would round a float state of 1000001
    to 999420, and a recall of .996 to 1.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> Self:
        def move_only(tensor: Tensor) -> Tensor:
            device = fn(torch.empty(0)).device
            # Apple's GPUs have no float64
            no_double = device.type == "mps" and tensor.dtype == torch.float64
            return tensor.to(device, torch.float32 if no_double else tensor.dtype)

        super()._apply(move_only, *args, **kwargs)  # type: ignore[no-untyped-call]
        return self


class ExactMetric(Exact, Metric):
    """A metric whose states keep their precision."""
