"""BBN: two copies of the last block, of which each learns from its own sampling."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lit_seg.classification.methods.base import Batch, Method, Step
from lit_seg.classification.networks.backbone import Backbone
from lit_seg.losses.base import SegLoss

DIVISORS = {90: 100, 180: 200}
"""The divisors of the epoch in alpha that are not the number of epochs, as published."""


class BBN(Method):
    r"""A conventional and a re-balancing branch whose features one classifier mixes.

    In epoch t from 1 of T, with images a of the first sampling and b of the second,

    .. math::

        z = W \left[2 \alpha f_1(x_a);\; 2 (1 - \alpha) f_2(x_b)\right] + b, \qquad
        L = \alpha L(z, y_a) + (1 - \alpha) L(z, y_b), \qquad \alpha = 1 - ((t - 1) / T)^2

    with T = 100 and 200 where there are 90 and 180 epochs. In inference an image goes through both
    branches, without the factors 2, :math:`\alpha` and :math:`1 - \alpha`.

    The samplings are all images alike, and classes drawn by :math:`1 / n_c` (``ByPower(-1)``).

    Args:
        backbone: shared but for its last block, that of the conventional branch.
        second_block: the last block of the re-balancing branch: that of another backbone, so that
            it starts from weights of its own.
        loss: cross-entropy in the paper. It is called once for each sampling, with the same logits.
        head: makes the classifier from the length of its features and C; LDAM's is cosine.

    Raises:
        ValueError: if the loss keeps state: the recall of mixed logits on either sampling says
            nothing about a class.

    Reference: Zhou et al., arXiv 1912.02413, section 4; the divisors and the two passes, each with
    its own batch statistics, are those of their code.
    """

    samplings = 2

    def __init__(
        self,
        backbone: Backbone,
        second_block: nn.Module,
        loss: SegLoss,
        head: Callable[[int, int], nn.Module] = nn.Linear,
    ) -> None:
        # whether deferred weights have `started` does not depend on what a loss has seen
        if any(not key.endswith("started") for key in loss.state_dict()):
            raise ValueError(
                f"`loss` {type(loss).__name__}: learns from what it sees, and BBN shows it logits "
                "of two mixed images; take one without state, such as `CrossEntropyLoss`"
            )
        super().__init__(backbone)
        self.second_block = second_block
        self.head = head(2 * backbone.dim, loss.num_classes)
        self.loss = loss
        self.alpha = 1.0

    def set_epoch(self, epoch: int, epochs: int) -> None:
        self.alpha = 1 - (epoch / DIVISORS.get(epochs, epochs)) ** 2

    def forward(self, images: Tensor) -> Tensor:
        maps = self.backbone.trunk(images)
        blocks = (self.backbone.last_block, self.second_block)
        scores: Tensor = self.head(
            torch.cat([self.backbone.pooled(block(maps)) for block in blocks], dim=1)
        )
        return scores

    def train_step(self, *batches: Batch) -> Step:
        (images, target), (other_images, other_target) = batches
        first = self.backbone(images)
        second = self.backbone.pooled(self.second_block(self.backbone.trunk(other_images)))
        mixed = torch.cat([self.alpha * first, (1 - self.alpha) * second], dim=1)
        logits = self.head(2 * mixed)
        losses = self.loss(logits, target), self.loss(logits, other_target)
        loss = self.alpha * losses[0] + (1 - self.alpha) * losses[1]
        return Step(loss, logits.detach(), target)
