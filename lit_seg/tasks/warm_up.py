"""A schedule of the learning rate with a warm-up."""

from math import cos, pi
from typing import Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmUpLR(LRScheduler):
    r"""Raises the rate linearly to that of the optimizer, then lets it fall to 0.

    .. math::

        \frac{t + 1}{w + 1} \text{ for } t < w, \qquad
        \left(1 - \frac{t - w}{T - w}\right)^{power} \text{ or }
        \frac{1}{2} \left(1 + \cos \pi \frac{t - w}{T - w}\right) \text{ after it}

    times the rate of the optimizer, at step t of T, of which :math:`w` are the warm-up. It is
    torch's ``LinearLR`` and then ``PolynomialLR`` or ``CosineAnnealingLR``. A rate depends on its
    step alone, so that a run which goes on, also as a longer one, has those of its own schedule.

    Args:
        optimizer: whose rates are the highest ones.
        total_iters: T; the length of the run where it is not given.
        warm_up: share of T in which the rate rises, in [0, 1).
        decay: how the rate falls afterwards.
        power: of the polynomial; 0.9 is DeepLab's, 1 a straight line.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int,
        warm_up: float = 0.05,
        decay: Literal["poly", "cosine"] = "poly",
        power: float = 0.9,
    ) -> None:
        if not 0 <= warm_up < 1:
            raise ValueError(f"`warm_up` must be in [0, 1), a share of the run, got {warm_up}")
        if not power > 0:
            raise ValueError(f"`power` must be above 0, got {power}")
        self.total_iters = total_iters
        self.warm_up = warm_up
        self.decay = decay
        self.power = power
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each group of parameters at the current step."""
        return self._get_closed_form_lr()

    def _get_closed_form_lr(self) -> list[float | Tensor]:
        """Torch's name for rates that do not depend on the last ones."""
        rising = round(self.warm_up * self.total_iters)
        done = (self.last_epoch - rising) / max(1, self.total_iters - rising)
        if done < 0:
            factor = (self.last_epoch + 1) / (rising + 1)
        elif self.decay == "poly":
            factor = max(0.0, 1 - done) ** self.power
        else:
            factor = (1 + cos(pi * min(done, 1.0))) / 2
        return [rate * factor for rate in self.base_lrs]
