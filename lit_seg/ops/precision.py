"""The dtypes of arithmetic and of sums."""

import torch
from torch import Tensor

_WITHOUT_FLOAT64 = {"mps"}  # Apple's GPUs


def widest_float(device: torch.device) -> torch.dtype:
    """float64, or float32 on Apple's GPUs, which have no float64."""
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64


def wide_dtype(logits: Tensor) -> torch.dtype:
    """The dtype of the arithmetic: float32, for float64 logits float64."""
    return torch.promote_types(logits.dtype, torch.float)
