"""The sums behind every class-weighted cross-entropy: negative log-likelihood and counts per class.

A cross-entropy with the weight w_c of each class is sum_c w_c S_c, with S_c the sum of -log p over
the pixels of class c. So one pass over the logits gives S_c and the counts, the weights may follow
from the counts, and the gradient recomputes the softmax: no tensor of log-probabilities is kept.
Losses that weigh pixels by their -log p, such as focal loss, are summed by class in the same pass,
too, which keeps the slope of each pixel for the gradient; or they take the -log p of each pixel.

There are four implementations with one interface: ``reference`` (plain PyTorch, for tests),
``chunked`` (PyTorch, by chunks that fit the cache), ``compiled`` (by ``torch.compile``, for CPUs)
and ``triton`` (CUDA kernels). Logits smaller than the labels are upsampled on the way.
"""

import logging
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.autograd.function import Function

from lit_seg.errors import check_choice
from lit_seg.ops import chunked, compiled, upsampled_chunked
from lit_seg.ops.adjustment import adjusted, check_of_classes
from lit_seg.ops.modulation import Modulation
from lit_seg.ops.precision import widest_float
from lit_seg.ops.reference import reference_class_nll

Backend = Literal["auto", "reference", "chunked", "compiled", "triton"]


class ClassNLL(NamedTuple):
    """What :func:`class_nll` returns.

    Attributes:
        sums: ``(C,)`` float64, for each class the sum of -log p over its pixels, or of the losses
            of a modulation; ``(N, C)`` if that is by image. Differentiable.
        counts: ``(2, C)`` int64: pixels of the class that were predicted as it, and its pixels;
            ``(3, C)`` where predictions are asked for: then also the pixels predicted as the class.
            ``(2 or 3, N, C)`` with a modulation by image.
        pixels: ``(N, *)`` -log p of each pixel in float32 (float64), 0 where it is void;
            differentiable. None where it is not asked for.
    """

    sums: Tensor
    counts: Tensor
    pixels: Tensor | None

    @property
    def support(self) -> Tensor:
        """``(C,)`` pixels of each class, or ``(N, C)`` by image."""
        return self.counts[1]

    def total(self, weight: Tensor | None) -> Tensor:
        """The sum over all pixels, weighed by ``(C,)`` or ``(N, C)`` weights; None stands for 1."""
        return self.sums.sum() if weight is None else (weight * self.sums).sum()


def class_nll(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None = None,
    predictions: bool = False,
    pixels: bool = False,
    align_corners: bool = False,
    backend: Backend = "auto",
    modulation: Modulation | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> ClassNLL:
    """Sums of -log p and counts of each class, in one pass over the logits.

    The prediction of a pixel is the class with the largest logit, the lowest id among equals, as
    for ``torch.argmax``. Arithmetic is float32, for float64 logits float64. Results are the same
    bits in every call, and on CUDA no call waits for the device. Backward gives the gradient with
    respect to the logits in their dtype and memory format, and no second derivative. What is kept
    for it: logits, target and ``(N, *)`` log-sum-exp, and with a modulation ``(N, *)`` slopes. The
    log-sum-exp has 24 bits: where all logits of a pixel are near 1e4, the gradient is right to
    1e-3.

    Args:
        logits: ``(N, C, *)`` floating point, contiguous or channels last; others are copied. If
            they are ``(N, C, h, w)`` and of another size than the labels, they are interpolated
            bilinearly, by the kernels where they are read.
        target: ``(N, *)`` int64 class ids. Any number outside of 0 to C - 1 is void: the pixel
            gives no value, no count and a gradient of exactly 0, even if its logits are NaN.
        margin: ``(C,)`` numbers, not negative: the logit of a pixel's true class is lowered by that
            of the class and so must win by it. None stands for 0.
        predictions: whether to count the pixels predicted as each class too.
        pixels: whether to return the -log p of each pixel too.
        align_corners: of the interpolation, as in ``F.interpolate``.
        backend: the implementation. ``"auto"`` is ``"triton"`` for logits on CUDA where Triton is
            installed, and ``"chunked"`` elsewhere. ``"compiled"`` is for logits on the CPU in the
            size of the labels, of 4096 pixels an image or more; for others it is ``"auto"``. It
            needs a C++ compiler, and takes half a minute at its first use on a machine.
        modulation: what the -log p of each pixel is multiplied by before it is summed; None stands
            for 1. Not together with ``pixels``, and only where :func:`modulates`.
        scale: what the logits are multiplied by before all else, from 1e-6 to 1e6.
        shift: ``(C,)`` what is added to them then, the same for all pixels; None stands for 0.

    Raises:
        RunError: if ``backend`` is ``"compiled"`` and there is no compiler.
        ValueError: if shapes, dtypes or devices do not fit, a number is out of range, there is no
            such backend, or it takes no modulation.
    """
    check_choice("backend", backend, get_args(Backend))
    if not logits.is_floating_point() or target.dtype != torch.long:
        raise ValueError(
            f"`logits` must be floating point and `target` int64, got {logits.dtype} and "
            f"{target.dtype}"
        )
    same = logits.shape[:1] + logits.shape[2:] == target.shape
    resized = logits.ndim == 4 and target.ndim == 3 and len(logits) == len(target)
    resized = resized and min(*logits.shape[1:], *target.shape[1:]) > 0
    if logits.ndim < 2 or not (same or resized):
        raise ValueError(
            "`logits` must be (N, C, *) and `target` (N, *), or both of two dimensions of any "
            f"size above 0, got {tuple(logits.shape)} and {tuple(target.shape)}"
        )
    if modulation is not None and (pixels or not modulates(logits, target, backend)):
        raise ValueError(
            "`modulation` goes with the CPU, backend 'auto', 'chunked' or 'compiled', and no "
            "`pixels`, got "
            f"{logits.device}, backend {backend!r} and pixels {pixels}; elsewhere ask for `pixels` "
            "alone and take `modulation.losses` of them"
        )
    check_of_classes("margin", margin, logits)
    check_of_classes("shift", shift, logits)
    if not 1e-6 <= scale <= 1e6:
        raise ValueError(f"`scale` must be a number in [1e-6, 1e6], got {scale}")
    if not (same and modulates(logits, target, backend)) and (scale != 1 or shift is not None):
        logits, scale, shift = adjusted(logits, scale, shift), 1.0, None
    if backend == "reference":
        if not same:
            logits = upsampled_chunked.upsampled(logits, target, align_corners)
        sums, counts, nll = reference_class_nll(logits, target, margin, predictions)
    else:
        if not (logits.is_contiguous() or logits.movedim(1, -1).is_contiguous()):
            logits = logits.contiguous()
        numbers = None if modulation is None else modulation.numbers
        args = logits, target.contiguous(), margin, predictions, pixels, align_corners, backend
        more = numbers, scale, shift
        # torch.compile takes a function with a backward pass only where there is one
        plain = torch.compiler.is_compiling() and not logits.requires_grad
        sums, counts, nll, _ = (_forward if plain else _ClassNLL.apply)(*args, *more)  # type: ignore[no-untyped-call]
    return ClassNLL(sums, counts, nll if pixels else None)


def modulates(logits: Tensor, target: Tensor, backend: Backend, by_image: bool = False) -> bool:
    """Whether :func:`class_nll` takes a modulation: elsewhere ask it for ``pixels``.

    The kernels for CUDA have none.
    """
    if logits.is_cuda or backend in ("reference", "triton"):
        return False
    # sums of each image may take more memory than its pixels
    return not by_image or target.numel() >= len(target) * logits.shape[1]


@torch.library.custom_op("lit_seg::class_nll", mutates_args=())
def _forward(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    align_corners: bool,
    backend: str,
    modulation: Sequence[float] | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    same, upsampled = _implementations(logits, backend)
    args = logits, target, margin, predictions, pixels or modulation is not None
    in_pass = None if modulation is None else Modulation.of(modulation)
    more: tuple[Any, ...] = () if in_pass is None else (in_pass,)
    if logits.shape[2:] != target.shape[1:]:
        return upsampled.forward(*args, align_corners, *more)  # type: ignore[no-any-return]
    if scale != 1 or shift is not None:
        more = in_pass, scale, shift
    return same.forward(*args, *more)  # type: ignore[no-any-return]


@torch.library.custom_op("lit_seg::class_nll_backward", mutates_args=())
def _backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
    align_corners: bool,
    backend: str,
    slopes: Tensor | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> Tensor:
    same, upsampled = _implementations(logits, backend)
    tensors = by_class, by_pixel, logits, target, margin, lse
    more: tuple[Any, ...] = () if slopes is None else (slopes,)
    if logits.shape[2:] != target.shape[1:]:
        return upsampled.backward(*tensors, align_corners, *more)  # type: ignore[no-any-return]
    if scale != 1 or shift is not None:
        more = slopes, scale, shift
    return same.backward(*tensors, *more)  # type: ignore[no-any-return]


@_forward.register_fake
def _(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    align_corners: bool,
    backend: str,
    modulation: Sequence[float] | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    by_image = modulation is not None and Modulation.of(modulation).by_image
    shape = logits.shape[0 if by_image else 1 : 2]
    sums = logits.new_empty(shape, dtype=widest_float(logits.device))
    counts = target.new_empty(3 if predictions else 2, *shape)
    pixels = pixels or modulation is not None
    return sums, counts, *chunked.empty_pixels(logits, target, pixels)


@_backward.register_fake
def _(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
    align_corners: bool,
    backend: str,
    slopes: Tensor | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> Tensor:
    return torch.empty_like(logits)


class _ClassNLL(Function):
    """The operators as one function, since autograd of an operator knows no ``torch.func``."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return _forward(*args)  # type: ignore[no-any-return]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        logits, target, margin, _, ctx.pixels, *ctx.options, modulation, ctx.scale, shift = inputs
        _, counts, pixels, lse = output
        slopes = None if modulation is None else pixels
        ctx.save_for_backward(logits, target, margin, lse, slopes, shift)
        ctx.mark_non_differentiable(counts, lse, *([] if ctx.pixels else [pixels]))
        # else tensors of zeros would be made for the gradients that nothing needs
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        by_class, _, by_pixel, _ = gradients
        by_pixel = by_pixel if ctx.pixels else None
        if by_class is None and by_pixel is None:
            return (None,) * 10
        *tensors, slopes, shift = ctx.saved_tensors
        options = *ctx.options, slopes, ctx.scale, shift
        # torch.compile takes no function within a function, and no second derivative anyway
        once = _backward if torch.compiler.is_compiling() else _Gradient.apply
        gradient = once(by_class, by_pixel, *tensors, *options)  # type: ignore[no-untyped-call]
        return gradient, *(None,) * 9


class _Gradient(Function):
    """The gradient, which is not differentiable."""

    @staticmethod
    def forward(*args: Any) -> Tensor:
        return _backward(*args)  # type: ignore[no-any-return]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> None:
        raise RuntimeError("the losses that are means over pixels have no second derivative")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Tensor, int]:
        """Compute several gradients of one loss, as ``torch.func.jacrev`` asks for."""
        found: list[Tensor] = []
        for i in range(info.batch_size):
            pairs = zip(args, in_dims, strict=True)
            own = (arg if dim is None else arg.select(dim, i) for arg, dim in pairs)
            found.append(_Gradient.apply(*own))  # type: ignore[no-untyped-call]
        return torch.stack(found), 0


def _implementations(logits: Tensor, backend: str) -> tuple[ModuleType, ModuleType]:
    """The modules for logits of the labels' size and for smaller ones."""
    in_torch = chunked, upsampled_chunked
    if backend == "compiled" and logits.device.type == "cpu":
        small = logits.shape[2:].numel() < compiled.LEAST_PIXELS
        return (chunked if small else compiled), upsampled_chunked
    if backend in ("auto", "compiled"):
        wide = logits.dtype == torch.double
        return (_kernels_if_any() or in_torch) if logits.is_cuda and not wide else in_torch
    return in_torch if backend == "chunked" else _kernels()


def _kernels() -> tuple[ModuleType, ModuleType]:
    from lit_seg.ops import kernels, upsampled_kernels  # need Triton

    return kernels, upsampled_kernels


@cache
def _kernels_if_any() -> tuple[ModuleType, ModuleType] | None:
    """The kernels, or None where Triton is not installed."""
    try:
        return _kernels()
    except ImportError as err:
        logging.getLogger(__name__).warning(
            "losses on CUDA take more time without Triton (%s): `pip install triton`", err
        )
        return None
