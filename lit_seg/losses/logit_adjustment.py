"""Logit adjustment: cross-entropy of logits shifted by the log of the class frequency."""

from torch import Tensor

from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.frequency import pixels_of
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.ops.adjustment import per_class


def log_prior(class_counts: Counts) -> Tensor:
    r"""``(C,)`` float64 :math:`\log \pi_c`, with a class without pixels taken as if it had one."""
    pixels = pixels_of(class_counts).clamp(min=1)
    return (pixels / pixels.sum()).log()


def post_hoc_adjusted(logits: Tensor, class_counts: Counts, tau: float = 1.0) -> Tensor:
    r""":math:`z - \tau \log \pi`, for a network that was trained with plain cross-entropy.

    This is the paper's second method: nothing is trained anew, only predictions change. A network
    trained with :class:`LogitAdjustmentLoss` must not be adjusted again.

    Args:
        logits: ``(N, C, *)``.
        class_counts: pixels per class of the training set.
        tau: strength of the adjustment, at least 0.

    Raises:
        ValueError: if ``tau`` is negative, or the counts do not fit the channels.
    """
    prior = log_prior(class_counts).to(logits.dtype)
    if logits.ndim < 2 or logits.shape[1] != len(prior):
        raise ValueError(
            f"`logits` must be (N, {len(prior)}, *), a channel per class of `class_counts`, got "
            f"{tuple(logits.shape)}"
        )
    return logits - at_least_zero("tau", tau) * per_class(prior.to(logits.device), logits)


class LogitAdjustmentLoss(PixelLoss):
    r"""Cross-entropy of :math:`z + \tau \log \pi`, with :math:`\pi` the class frequencies.

    The network learns logits :math:`z` from which the prior is taken out, and predicts by them. In
    eval mode, where nothing is learned, it is plain cross-entropy of :math:`z`.

    Args:
        class_counts: pixels per class; a class without pixels is taken as if it had one.
        tau: at least 0; 0 is cross-entropy, 1 balanced softmax.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if ``tau`` is negative or there are no pixels.

    Reference: Menon et al., *Long-tail learning via logit adjustment*, arXiv 2007.07314, Eq. 10.

    Example:
        >>> import torch
        >>> loss = LogitAdjustmentLoss(class_counts=[90, 10])
        >>> logits, target = torch.zeros(1, 2, 2), torch.tensor([[1, 255]])
        >>> round(loss(logits, target).item(), 4)  # -log(10 / 100)
        2.3026
        >>> round(loss.eval()(logits, target).item(), 4)
        0.6931
    """

    log_prior: Tensor

    def __init__(self, class_counts: Counts, tau: float = 1.0) -> None:
        super().__init__(class_counts)
        self.tau = at_least_zero("tau", tau)
        self.register_buffer("log_prior", log_prior(class_counts), persistent=False)

    @property
    def shift(self) -> Tensor | None:
        return self.tau * self.log_prior if self.training else None
