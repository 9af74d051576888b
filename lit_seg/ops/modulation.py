"""Pixel losses that are -log p times a factor that depends on p, as in focal loss and PAT."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import inf, log
from numbers import Real
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Modulation:
    r"""The factor :math:`m = q^a e^{b q + c}` of a pixel, with :math:`q = 1 - p`.

    Attributes:
        power: a, from 0 to 1e6.
        rate: b.
        offset: c, such that c and b + c are at most 80: the exponential must be finite.
        constant: whether the factor is a constant for the gradient.
        by_image: whether sums are wanted of each image.

    Raises:
        ValueError: if a number is out of range.
    """

    power: float = 0.0
    rate: float = 0.0
    offset: float = 0.0
    constant: bool = False
    by_image: bool = False

    def __post_init__(self) -> None:
        for name in ("power", "rate", "offset"):
            value = getattr(self, name)
            if not isinstance(value, Real):
                raise ValueError(f"`{name}` must be a number, got {value!r}")
        if not 0 <= self.power <= 1e6:
            raise ValueError(f"`power` must be from 0 to 1e6, got {self.power}")
        if not (-inf < self.rate and max(self.offset, self.rate + self.offset) <= 80):
            raise ValueError(
                "`offset` and `rate + offset` must be numbers of at most 80, whose exponential is "
                f"finite, got {self.offset} and {self.rate} + {self.offset}"
            )

    @property
    def numbers(self) -> list[float]:
        """As a list, which operators take."""
        return [float(each) for each in astuple(self)]

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Modulation":
        """From :attr:`numbers`."""
        power, rate, offset, constant, by_image = numbers
        return cls(power, rate, offset, bool(constant), bool(by_image))

    @property
    def parts(self) -> "FactorParts":
        """What its formula is made of."""
        exponential = (self.rate, self.offset) if self.rate or self.offset else None
        return FactorParts(self.power or None, exponential, self.constant)

    def factors(self, nll: Tensor) -> Tensor:
        """m of pixels with this -log p."""
        return self.parts.factor(nll)[0]

    def losses(self, nll: Tensor) -> Tensor:
        """m times -log p, for autograd."""
        return self.factors(nll.detach() if self.constant else nll) * nll

    def losses_and_slopes(
        self, nll: Tensor, missing: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What :meth:`losses` gives, and its derivative with respect to -log p.

        ``missing`` is q, where it is known.
        """
        return self.parts.losses_and_slopes(nll, missing)


LOG2_E = 1 / log(2)
"""On the CPU torch's `exp2` takes a fifth of the time of its `exp`, which is not vectorised."""


class FactorParts(NamedTuple):
    """The parts of a :class:`Modulation`, None where it has none.

    They may be tensors: for each new number ``torch.compile`` would compile anew.
    """

    power: float | Tensor | None
    exponential: tuple[float, float] | tuple[Tensor, Tensor] | None
    """Rate and offset."""
    constant: bool

    def on(self, like: Tensor) -> "FactorParts":
        """With tensors in place of numbers."""
        power = None if self.power is None else like.new_tensor(self.power)
        both = None
        if self.exponential is not None:
            both = like.new_tensor(self.exponential[0]), like.new_tensor(self.exponential[1])
        return FactorParts(power, both, self.constant)

    def losses_and_slopes(
        self, nll: Tensor, missing: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As those of :class:`Modulation`; ``missing`` is q, where it is known."""
        factor, missing, within = self.factor(nll, missing)
        slope = None if self.exponential is None else within * self.exponential[0]
        if self.power is not None:
            of_power = (within / missing).mul_(self.power)
            slope = of_power if slope is None else slope.add_(of_power)
        if self.constant or slope is None:
            return factor * nll, factor
        slope = slope.addcmul_(slope, missing, value=-1)  # times p, the derivative of q
        return factor * nll, slope.add_(1).mul_(factor)

    def factor(self, nll: Tensor, missing: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """m, q, and a -log p of which no slope is infinite times 0."""
        nll = nll.clamp(max=1000)  # beyond it, p is 0 in any dtype
        if missing is None:
            missing = -torch.expm1(-nll)  # q with all its digits
        # where it is 0 the slope of a root would be infinite times 0
        missing = missing.clamp(min=torch.finfo(nll.dtype).tiny)
        factor: Tensor | None = None
        if isinstance(self.power, Tensor):
            factor = (missing.log() * self.power).exp()  # compiled, a power takes twice the time
        elif self.power is not None:
            factor = missing**self.power
        if self.exponential is not None:
            rate, offset = (LOG2_E * each for each in self.exponential)
            exponent = missing * rate
            if isinstance(offset, Tensor) or offset:
                exponent = exponent + offset
            factor = exponent.exp2() if factor is None else factor * exponent.exp2()
        return torch.ones_like(nll) if factor is None else factor, missing, nll


class ModulatedPixels(NamedTuple):
    """Modulated losses of pixels, where they are not summed in the pass over the logits.

    Attributes:
        losses: ``(N, *)``, differentiable.
        target: ``(N, *)`` int64, void where it is no class.
        counts: as those of :class:`lit_seg.ops.ClassNLL`.
    """

    losses: Tensor
    target: Tensor
    counts: Tensor

    @property
    def support(self) -> Tensor:
        """``(N, C)`` int64 pixels of each class in each image."""
        return image_pixels(self.target, self.counts.shape[1])

    def total(self, weight: Tensor | None) -> Tensor:
        """The sum over all pixels, weighed by ``(C,)`` or ``(N, C)`` weights; None stands for 1."""
        if weight is None:
            return self.losses.sum()
        return (self.losses * of_class(weight.to(self.losses.dtype), self.target)).sum()


def image_pixels(target: Tensor, num_classes: int) -> Tensor:
    """``(N, C)`` int64 pixels of each class in each image; no GPU waits for it."""
    bins = flat_pixels(class_bins(target, num_classes))
    ones = bins.new_ones(()).expand(bins.shape)
    return bins.new_zeros(len(bins), num_classes + 1).scatter_add_(1, bins, ones)[:, :-1]


def of_class(values: Tensor, target: Tensor) -> Tensor:
    """``(N, *)`` the one of ``(C,)`` or ``(N, C)`` values that belongs to each label; 0 at void."""
    bins = flat_pixels(class_bins(target, values.shape[-1]))
    return F.pad(values, (0, 1)).expand(len(bins), -1).gather(1, bins).view_as(target)


def flat_pixels(values: Tensor) -> Tensor:
    """``(N, P)`` view of contiguous ``(N, *)`` values."""
    return values.unsqueeze(-1).flatten(1)


def class_bins(target: Tensor, num_classes: int) -> Tensor:
    """Class ids with C for void."""
    # -1 becomes the largest number; `where` and two comparisons would take three times as long
    return target.clamp(min=-1).bitwise_and_(2**63 - 1).clamp_(max=num_classes)
