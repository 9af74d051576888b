"""The default precision: the fastest one that this machine computes natively."""

import torch
from lightning_utilities.core.rank_zero import rank_zero_info

from lit_seg.distributed.torch_private import cpu_has_amx


def fast_precision(accelerator: str) -> str:
    """``bf16-mixed`` where the hardware multiplies bfloat16 natively, else ``32-true``."""
    if torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # `make bench` shows the gain with AMX; elsewhere none was measured, so float32 stays
        fast = accelerator in ("auto", "cpu") and cpu_has_amx()
    precision = "bf16-mixed" if fast else "32-true"
    rank_zero_info(f"precision {precision}, chosen for this processor; --trainer.precision sets it")
    return precision
