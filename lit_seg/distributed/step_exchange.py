"""Exchanges the loss between ranks in each step, and stops a run whose numbers are broken."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_seg.errors import NonFiniteError
from lit_seg.metrics.collectives import sum_over_ranks, world_size
from lit_seg.ops.precision import wide_dtype


def exchange(loss: Tensor, finite: Tensor, stop: bool) -> tuple[Tensor, bool, bool]:
    """One collective of three numbers in each step, none with one process, and one wait for a GPU.

    Returns:
        The mean loss over ranks, a scalar on the CPU without gradient: who shows it then waits for
        nothing; whether losses and logits of all ranks are finite; whether a rank wants to stop.
    """
    # `new_full`: a number would be sent to the GPU, with a wait
    parts = [loss.detach(), (~finite).to(loss.dtype), loss.new_full((), float(stop))]
    total, broken, stops = sum_over_ranks(torch.stack(parts)).cpu()
    return total / world_size(), not broken, bool(stops)


def is_finite(loss: Tensor, logits: Tensor) -> Tensor:
    """Whether the loss and all logits are finite, as a tensor.

    Who reads it waits for the GPU to come that far. The run does in each step, before backward: a
    stop must come before the weights change.
    """
    # one pass without a mask in memory; an infinite or NaN logit makes the sum so, too
    return (logits.detach().sum(dtype=wide_dtype(logits)) + loss.detach()).isfinite()


def non_finite(where: str, loss: Tensor, logits: Tensor, names: Sequence[str]) -> NonFiniteError:
    """Make the error that says which numbers are broken, and on which images."""
    broken = int((~logits.detach().isfinite()).sum())
    if broken or not bool(loss.isfinite()):
        what = f"the loss is {loss.item():g} and {broken} of {logits.numel()} logits are NaN or "
        what += f"infinite, on the images {', '.join(names)}"
    else:
        what = "a loss or logits of another rank are NaN or infinite, its message names the images"
    return NonFiniteError(
        f"{where}: {what}. Try a lower learning rate, `trainer.gradient_clip_val` or "
        "`trainer.precision 32-true`, or look at these images"
    )
