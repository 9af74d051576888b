"""What a step tells the host and the other ranks, and what stops a run with broken numbers."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lit_seg.errors import NonFiniteError
from lit_seg.metrics.collectives import sum_over_ranks
from lit_seg.ops.precision import wide_dtype, widest_float


class StepExchange:
    """Gathers tensors during a step, and brings all of them to the CPU at its end.

    It takes one collective with several ranks, none with one, and one wait for a GPU. By then
    backward is computed or waits in the GPU's queue, so the GPU has work until that wait.
    """

    def __init__(self) -> None:
        self._summed: dict[str, Tensor] = {}
        self._own: dict[str, Tensor] = {}
        self.values: dict[str, Tensor] = {}
        """What the last step brought, by name: float64 on the CPU, without gradient."""

    def add(self, **tensors: Tensor) -> None:
        """Bring the sums of tensors over all ranks; every rank must add the same ones."""
        self._summed |= tensors

    def read(self, **tensors: Tensor) -> None:
        """Bring tensors of this rank."""
        self._own |= tensors

    def finish(self) -> dict[str, Tensor]:
        """Exchange what was gathered; :attr:`values` holds it until the next step's."""
        tensors = {**self._summed, **self._own}
        total = sum_over_ranks(_joined(self._summed.values()))
        parts = [total, _joined(self._own.values())] if self._own else [total]
        sizes = [tensor.numel() for tensor in tensors.values()]
        host = torch.split(to_host(torch.cat(parts)), sizes)
        self.values = {
            name: part.view(tensor.shape)
            for (name, tensor), part in zip(tensors.items(), host, strict=True)
        }
        self._summed, self._own = {}, {}
        return self.values


def _joined(tensors: Iterable[Tensor]) -> Tensor:
    """The elements of all tensors, in a dtype that keeps counts exact."""
    wide = [tensor.detach().to(widest_float(tensor.device)).flatten() for tensor in tensors]
    return torch.cat(wide)


def to_host(numbers: Tensor) -> Tensor:
    """Copy to the CPU: the one place where a training step waits for a GPU."""
    return numbers.cpu()


def is_finite(loss: Tensor, logits: Tensor) -> Tensor:
    """Whether the loss and all logits are finite, as a tensor.

    Who reads it waits for the GPU to come that far. The run does in each step, after backward and
    before the weights change.
    """
    # one pass without a mask in memory; an infinite or NaN logit makes the sum so, too
    return (logits.detach().sum(dtype=wide_dtype(logits)) + loss.detach()).isfinite()


def of_any_rank(
    failure: NonFiniteError | None, where: str, device: torch.device
) -> NonFiniteError | None:
    """What every rank must raise at the end of a pass: its own failure, or that of another rank."""
    if not sum_over_ranks(torch.tensor(failure is not None, dtype=torch.long, device=device)):
        return None
    return failure or NonFiniteError(f"{where}: scores of another rank are NaN or infinite")


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
