"""State in float64 and int64 that stays so, whatever precision the model around it trains in."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from lit_seg.ops.precision import widest_float


def _trainable(tensor: Tensor) -> Tensor:
    """Copy a tensor that was made in inference mode, so that it can be trained with."""
    if not tensor.is_inference():
        return tensor
    with torch.inference_mode(False):
        return tensor.clone()


class FullPrecision(nn.Module):
    """Follows the model to another device, but never to another dtype.

    ``model.to(torch.bfloat16)`` (Lightning's ``bf16-true``) would round a float state of 1000001
    to 999420, and a recall of .996 to 1.

    Nor does it keep a tensor made in inference mode, which later training could not change in
    place or save for backward.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _trainable(value) if isinstance(value, Tensor) else value)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        normal = None if tensor is None else _trainable(tensor)
        super().register_buffer(name, normal, persistent)

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> Self:
        def move_only(tensor: Tensor) -> Tensor:
            device = fn(torch.empty(0, device=tensor.device)).device
            dtype = widest_float(device) if tensor.dtype == torch.float64 else tensor.dtype
            return _trainable(tensor.to(device, dtype))

        super()._apply(move_only, *args, **kwargs)  # type: ignore[no-untyped-call]
        return self


class FullPrecisionMetric(FullPrecision, Metric):
    """A metric whose states keep their precision."""

    full_state_update = False
    is_differentiable = False
