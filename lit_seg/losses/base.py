"""The protocol that every segmentation loss follows: it behaves like BatchNorm.

The constructor takes the facts of the dataset. State lives in buffers, which ``forward`` changes
only in training mode. One setter takes the fraction of the training that is done.
"""

import csv
from collections.abc import Callable
from inspect import signature
from numbers import Real
from operator import le, lt
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.metrics.collectives import sum_over_ranks, world_size
from lit_seg.metrics.full_precision import FullPrecision
from lit_seg.metrics.labels import (
    WIDE_VOID,
    ClassCounts,
    Counts,
    are_counts,
    are_legal,
    check_labels,
    known,
    void_of,
)
from lit_seg.ops.class_nll import Backend
from lit_seg.ops.precision import wide_dtype

__all__ = ["Card", "ClassCounts", "Counts", "LossFactory", "SegLoss"]


class Card(NamedTuple):
    """What ``python -m lit_seg losses`` prints about a loss.

    Attributes:
        name: the value of LOSS; several names where one class serves several.
        family: how it differs from cross-entropy: ``weighted`` by class, ``modulated`` by pixel,
            ``adjusted`` logits, region ``overlap``, ``wrapper`` of other losses.
        formula: in plain characters; p is the probability of the true class y.
        needs: beyond logits and labels: the class ``counts`` of the training set, a ``state`` that
            is summed over ranks and saved, the ``progress`` of the training.
        paper: arXiv number and equation.
        differs: what public code does differently: the authors' or, where it is named, another's.
    """

    name: str
    family: str
    formula: str
    needs: str
    paper: str
    differs: str


_TABLE = (Path(__file__).parent / "losses.csv").read_text(encoding="utf-8")
CARDS = {row.pop("class"): Card(**row) for row in csv.DictReader(_TABLE.splitlines())}
"""The card of each loss by the name of its class, family by family."""

_BACKWARD_ONLY = (
    "has its gradient in backward mode alone, and no second derivative: take "
    "`torch.autograd.grad` or `torch.func.grad`"
)
_REFUSED = {
    "mutate a captured Tensor": "in training mode changes its state, which `torch.func` does not "
    "allow: call `eval()` of the loss, or take `torch.autograd.grad`",
    "must implement the jvp": _BACKWARD_ONLY,
    "vmap over _ClassNLL": _BACKWARD_ONLY,
}
"""What is said in place of torch's errors, by a part of their text."""


class SegLoss(FullPrecision):
    """Base of all losses: checks the inputs and brings logits to the labels' size.

    Logits in half precision are computed in float32, float64 logits in float64.

    A subclass implements :meth:`loss` and adds its hyperparameters as keywords. If it belongs to
    this package, ``losses.csv`` has a line for it.

    Args:
        class_counts: pixels of each class in the training set, or a :class:`ClassCounts`.

    Raises:
        ValueError: if a count is negative, or there are fewer than 2 or more than 65535 classes;
            in every loss also if an option is out of range or none of its choices.
    """

    card: ClassVar[Card]
    """The line of this loss in ``losses.csv``."""
    as_they_are: ClassVar[bool] = False
    """Whether :meth:`loss` takes logits of any dtype, layout and size, which may be NaN at void."""
    class_pixels: Tensor

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__name__ in CARDS:
            cls.card = CARDS[cls.__name__]

    def __init__(self, class_counts: Counts) -> None:
        super().__init__()
        pixels: Any = class_counts.pixels if isinstance(class_counts, ClassCounts) else class_counts
        if isinstance(pixels, str) or not hasattr(pixels, "__len__"):
            raise ValueError(f"`class_counts` must be the pixels of each class, got {pixels!r}")
        if not 2 <= len(pixels) <= WIDE_VOID:
            raise ValueError(
                f"`class_counts` must hold 2 to {WIDE_VOID} classes, got {len(pixels)}"
            )
        if not are_counts(pixels):
            raise ValueError(f"`class_counts` must be whole numbers >= 0, got {list(pixels)}")
        self.num_classes = len(pixels)
        self.void = void_of(self.num_classes)
        """The label of pixels that do not count: 255, or 65535 with more than 255 classes."""
        # int64: float32 stops counting at 16.7 million pixels, thirty images of 1024x512
        self.register_buffer(
            "class_pixels", torch.tensor([int(n) for n in pixels]), persistent=False
        )
        self.align_corners = False
        """The ``align_corners`` of upsampling; the task sets it, because it knows the head."""
        self.backend: Backend = "auto"
        """The implementation of ``class_nll``; the task sets it, as its user chooses."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: ``(N, C, *)``; if they are smaller than the target they are upsampled.
            target: ``(N, *)`` integer class ids, with :attr:`void` where a pixel does not count.

        Returns:
            A scalar >= 0, finite for logits within 1e30. Beyond, a loss that is too large for its
            dtype is infinite, or NaN if a class with infinite loss weighs 0. Void pixels give
            neither value nor gradient, even where their logits are NaN or infinite; a batch of only
            void gives exactly 0, still attached to the graph. There is no second derivative of the
            losses that are means over pixels.

        Raises:
            ValueError: if shapes do not fit each other or the number of classes, logits are
                complex or sparse, something is on the meta device, or (on the CPU) a label is
                neither a class nor void, or the call is inside ``torch.func.vmap``, or a mean over
                pixels is inside ``jvp`` or ``hessian``, or in training mode inside another
                transform of ``torch.func`` that its state would change in. On a GPU nobody waits
                for the labels: with one that is neither the loss is NaN, and ``check_labels``
                names it.
        """
        self._check_shapes(logits, target)
        target = target.long().contiguous()
        if target.is_cuda:
            legal = are_legal(target, self.num_classes)
            target = target.masked_fill(~legal, self.void)  # as an index it would stop CUDA
        else:
            check_labels(target, self.num_classes)
            known(logits.detach()[:0].any(), "`logits`")
        try:
            with torch.autocast(logits.device.type, enabled=False):
                value = self.of_any_size(logits, target)
        except RuntimeError as error:
            why = next((_REFUSED[part] for part in _REFUSED if part in str(error)), None)
            if why is None:
                raise
            raise ValueError(f"{type(self).__name__} {why}") from error
        return value.masked_fill(~legal.all(), torch.nan) if target.is_cuda else value

    def of_any_size(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of checked inputs, whose logits may be :attr:`as_they_are`."""
        return self.loss(logits if self.as_they_are else self._prepared(logits, target), target)

    @property
    def upsampling(self) -> bool | None:
        """The ``align_corners`` by which it upsamples part by part; None if it does it at once."""
        return self.align_corners if self.as_they_are else None

    def of_part(self, part: "SegLoss", logits: Tensor, target: Tensor) -> Tensor:
        """:meth:`of_any_size` of a loss that this one is made of."""
        part.align_corners, part.backend = self.align_corners, self.backend
        return part.of_any_size(logits, target)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of checked inputs: ``(N, C, *)`` logits and int64 labels.

        The logits are at least float32, contiguous, of the labels' size and 0 where void, unless
        the loss takes them :attr:`as_they_are`.
        """
        raise NotImplementedError

    def set_progress(self, done: float) -> None:
        """Tell the loss which fraction of the training is done.

        Raises:
            ValueError: if it is not in [0, 1].
        """
        if not 0 <= done <= 1:
            raise ValueError(f"`done` must be a fraction of the training in [0, 1], got {done}")

    def set_class_weight(self, weight: Tensor) -> None:
        """Weigh the classes from now on by ``(C,)`` weights, on top of what the loss does itself.

        Raises:
            ValueError: if the loss takes none, because it is no mean over pixels.
        """
        raise ValueError(
            f"{type(self).__name__} takes no class weights, as it is no mean over pixels; take "
            "one that is, such as `CrossEntropyLoss` or `FocalLoss`, or leave the weights out"
        )

    def extra_repr(self) -> str:
        """The options, for printing."""
        options = [name for name in signature(type(self)).parameters if name in vars(self)]
        return ", ".join(f"{name}={getattr(self, name)}" for name in options)

    def class_stats(self) -> dict[str, Tensor]:
        """Values per class to log, such as the weights: name to ``(C,)`` tensor."""
        return {}

    def over_ranks(self, counts: Tensor) -> Tensor:
        """``counts`` summed over all ranks in training mode, where a step is the batches of all.

        In eval mode they are returned as they are: ranks may hold different numbers of batches, and
        waiting for another rank could hang.
        """
        return sum_over_ranks(counts) if self.training else counts

    def mean(self, total: Tensor, count: Tensor) -> Tensor:
        """This rank's ``total`` divided by the ``count`` of all ranks; 0 if the count is 0.

        In training mode it is multiplied by the number of ranks, so that DDP's average is exact
        even if ranks hold different amounts of void.
        """
        if self.training:
            total = total * world_size()
        return total / torch.where(count > 0, count, 1).to(total.dtype)

    def _prepared(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits of at least float32, contiguous, in the labels' size, and 0 where void."""
        # One copy does both: half precision overflows in log-softmax, and on the CPU cross-entropy
        # over channels_last logits took 37 ms where contiguous ones took 10 (8x11x240x320).
        logits = logits.to(wide_dtype(logits), memory_format=torch.contiguous_format)
        if logits.shape[2:] != target.shape[1:]:
            logits = F.interpolate(
                logits, target.shape[1:], mode="bilinear", align_corners=self.align_corners
            )
        # Backward through a softmax takes a NaN to the gradient even where no value depends on it.
        # On the CPU a sum, 1 % of cross-entropy's time, saves the copy, which takes half of it.
        if logits.is_cuda or not known(logits.detach().sum().isfinite(), "`logits`"):
            logits = logits.masked_fill((target == self.void).unsqueeze(1), 0)
        return logits

    def _check_shapes(self, logits: Tensor, target: Tensor) -> None:
        for name, given in (("logits", logits), ("target", target)):
            if given.layout != torch.strided:
                raise ValueError(f"`{name}` must be dense, got {given.layout}; take `to_dense()`")
        if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
            raise ValueError(f"`target` must hold integer class ids, got {target.dtype}")
        if self.class_pixels.is_meta:
            raise ValueError(
                "the loss is on the meta device, which holds no class counts: make it on another"
            )
        if logits.is_complex():
            raise ValueError(f"`logits` must be real numbers, got {logits.dtype}")
        if logits.ndim < 2 or target.ndim != logits.ndim - 1 or len(target) != len(logits):
            raise ValueError(
                "`logits` must be (N, C, *) and `target` (N, *), got "
                f"{tuple(logits.shape)} and {tuple(target.shape)}"
            )
        if logits.shape[1] != self.num_classes:
            raise ValueError(
                f"`logits` must have {self.num_classes} channels, one per class of "
                f"`class_counts`, got {logits.shape[1]}"
            )
        if logits.shape[2:] != target.shape[1:] and not _shrunk(logits.shape, target.shape):
            raise ValueError(
                "`logits` must have the size of `target`, or be (N, C, H, W) and smaller by one "
                f"stride, got {tuple(logits.shape)} and {tuple(target.shape)}"
            )


def _shrunk(logits: torch.Size, target: torch.Size) -> bool:
    """Whether the logits have the labels' size divided by one stride, up to one pixel."""
    sides = list(zip(logits[2:], target[1:], strict=True))
    stride = max(full / (own + 1) for own, full in sides)  # the least that fits all sides
    fits = (own <= full and stride * (own - 1) <= full for own, full in sides)
    return len(logits) == 4 and all(fits)


def in_range(name: str, value: Any, interval: str) -> float:
    """``value``, or a ValueError that names the option if it is no number of the interval.

    Example:
        >>> in_range("keep", 0.7, "(0, 1]")
        0.7
    """
    low, high = map(float, interval[1:-1].split(","))
    above, below = (le if end in "[]" else lt for end in (interval[0], interval[-1]))
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and above(low, value) and below(value, high)):
        raise ValueError(f"`{name}` must be a number in {interval}, got {value!r}")
    return value  # type: ignore[no-any-return]


def at_least_zero(name: str, value: float) -> float:
    """``value``, or a ValueError if it is negative, or too large for finite gradients."""
    return in_range(name, value, "[0, 1e6]")


LossFactory = Callable[[Counts], SegLoss]
"""Makes a loss from the class counts: a loss class, or one with its options fixed."""


def build_loss(loss: LossFactory, class_counts: Counts) -> SegLoss:
    """The loss that a factory makes; a ValueError if it is an instance of a loss instead."""
    if isinstance(loss, SegLoss):
        name = type(loss).__name__
        raise ValueError(
            f"give a loss class or factory, such as `{name}` or `functools.partial({name}, ...)`, "
            f"not an instance, got {loss}"
        )
    return loss(class_counts)
