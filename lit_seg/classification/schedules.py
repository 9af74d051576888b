"""The learning-rate schedule of Kang et al. as their code runs it."""

from math import cos, pi

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class EarlySteppedCosineLR(LRScheduler):
    r"""The rate :math:`\frac{1}{2} (1 + \cos \pi e / T)` of epoch e from 1 to T.

    It is a cosine that takes its step before the epoch: the first epoch never sees the rate of the
    optimizer, and **the last one trains at rate 0**. To be taken to match published numbers of
    Kang et al.; ``CosineAnnealingLR`` does what is meant. Its step is an epoch
    (``lr_interval: epoch``).

    Args:
        optimizer: whose rates it multiplies.
        total_iters: T. The command line gives the length of the run; a configuration does not.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int) -> None:
        self.total_iters = total_iters
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each group of parameters in the present epoch."""
        return self._get_closed_form_lr()

    def _get_closed_form_lr(self) -> list[float | Tensor]:
        """Torch's name for rates that do not depend on the last ones."""
        done = min(1.0, (self.last_epoch + 1) / self.total_iters)
        return [rate * (1 + cos(pi * done)) / 2 for rate in self.base_lrs]
