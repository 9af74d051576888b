"""Training steps of one network with different losses, timed in two parts."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from experiments.bench.measure import interleaved
from experiments.bench.rivals import LossFunction
from lit_seg.losses import SegLoss
from lit_seg.models.resized_logits import Logits
from lit_seg.tasks import LitSegmenter

MOST = 15
"""Rounds at most."""
Clocks = tuple[float, float]
"""Seconds of the processor and of the wall."""
LossOfLogits = Callable[[Logits, Tensor], Tensor]


class StepTime(NamedTuple):
    """What :func:`timed` finds of a step, by one of the clocks.

    Attributes:
        ms: its time.
        ratio: of this to that of the first step.
        loss_ms: the part of it that is upsampling and loss, forward and backward;
            None on a GPU.
    """

    ms: float
    ratio: float
    loss_ms: float | None


class Step:
    """A forward, backward and optimizer step; gradients are dropped at its end.

    Args:
        model: with the network, which several steps may share.
        optimizer: of the model, shared too.
        loss: of the logits as the network hands them over, and of the labels.
        batch: images and labels.
        dtype: of autocast; None for none.
    """

    def __init__(
        self,
        model: LitSegmenter,
        optimizer: torch.optim.Optimizer,
        loss: LossOfLogits,
        batch: Mapping[str, Tensor],
        dtype: torch.dtype | None = None,
    ) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.batch, self.dtype = batch, dtype

    def __call__(self) -> tuple[Clocks, Clocks, Clocks, Clocks]:
        """The clocks at its begin, before and after upsampling and loss, and at its end."""
        marks = [_clocks()]
        kind = self.batch["image"].device.type
        with torch.autocast(kind, self.dtype, enabled=self.dtype is not None):
            logits = self.model.logits(self.batch["image"])
            logits.small.register_hook(lambda _: marks.append(_clocks()))  # type: ignore[no-untyped-call]
            marks.append(_clocks())
            loss = self.loss(logits, self.batch["target"])
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        begin, before, after = marks
        return begin, before, after, _clocks()


def ours(loss: SegLoss, model: LitSegmenter, fused: bool = True) -> LossOfLogits:
    """A loss of this project, which upsamples the logits itself if that is fused."""
    loss.align_corners = model.loss.align_corners
    if fused:
        return lambda logits, y: loss(*logits.for_loss(y, loss.void, loss.upsampling))
    return upsampled(loss)


def upsampled(loss: LossFunction) -> LossOfLogits:
    """A loss of logits that torch upsamples before, as the network does if it is not fused."""
    return lambda logits, y: loss(logits.whole(), y)


def timed(
    steps: Mapping[str, Step], device: torch.device, seconds: float
) -> tuple[dict[str, StepTime], dict[str, StepTime]]:
    """Time steps that share a network and take turns, by the processor's and by the wall's clock.

    They do the same but for upsampling and loss. On a CPU the time of the rest, which scatters from
    call to call by more than the losses differ, is the median of all calls of all steps.

    Args:
        steps: by name; ratios are to the first.
        device: on a GPU both results are its own time, of whole steps.
        seconds: about so long it may take, at least three rounds; if it is 0 there is one.
    """
    if device.type == "cuda":
        found = interleaved(steps, device, seconds)
        times = {name: StepTime(*time, None) for name, time in found.items()}
        return times, times
    begun = time.perf_counter()
    for step in steps.values():  # warms up
        step()
    rounds = int(seconds / (time.perf_counter() - begun))
    rounds = min(max(rounds, 3), MOST) if seconds else 1
    marks = np.array([[step() for step in steps.values()] for _ in range(rounds)])
    processor, wall = (_medians(list(steps), marks[..., clock]) for clock in (0, 1))
    return processor, wall


def _medians(names: Sequence[str], marks: npt.NDArray[np.float64]) -> dict[str, StepTime]:
    """From the ``(rounds, steps, 4)`` marks of a clock."""
    begin, before, after, end = marks.transpose(2, 0, 1)
    own = after - before
    rest = np.median(end - begin - own)
    loss = np.median(own / own[:, :1], 0) * np.median(own[:, 0])
    ms = 1e3 * (rest + loss)
    columns = (column.tolist() for column in (ms, ms / ms[0], 1e3 * loss))
    return dict(zip(names, map(StepTime, *columns), strict=True))


def _clocks() -> Clocks:
    return time.process_time(), time.perf_counter()
