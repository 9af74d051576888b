"""The Simple Decoupled Network: one head trains the backbone, another one decides."""

from collections.abc import Callable

from torch import nn

from lit_seg.classification.methods.base import Batch, Method, Step
from lit_seg.classification.networks.backbone import Backbone
from lit_seg.losses.base import SegLoss


class SDN(Method):
    r"""Two heads on one backbone; the gradient of the second stops before the backbone.

    .. math:: L = L_g(g(f(x)), y) + L_h(h(\mathrm{stop}(f(x))), y)

    Head g and the backbone f train by :math:`L_g`, head h by :math:`L_h` alone, and h alone
    decides. So a weight between both losses would be a factor of one learning rate, and there is
    none here. Gradients are clipped for head h by itself, and for head g with the backbone.

    Args:
        backbone: f, makes ``(N, D)`` features.
        feature_loss: :math:`L_g`: recall loss, or cross-entropy for the paper's SDN (CE). With
            thousands of classes take ``EpochRecallLoss`` or a ``momentum``: a batch holds one image
            of a class, and a recall of 0 or 1. Where the network learns its training images by
            heart take ``normalizer="weight_sum"`` too: with ``valid`` the loss goes to 0 as recall
            goes to 1, and the backbone stops learning.
        head_loss: :math:`L_h`: ``ClassBalancedLoss`` (Appendix A.1) or ``InverseFrequencyLoss``
            (section 4.5): the paper says both.
        feature_head: makes head g from the length of the features and C; LDAM's is cosine.

    Reference: Tian et al., *Striking the Right Balance*, arXiv 2106.14917, section 4.5, Appendix
    A.1 and Fig. 5. It leaves open how recall is counted over 8,142 classes, the effective number's
    beta, and epochs, schedule and augmentation; it has no public code.
    """

    def __init__(
        self,
        backbone: Backbone,
        feature_loss: SegLoss,
        head_loss: SegLoss,
        feature_head: Callable[[int, int], nn.Module] = nn.Linear,
    ) -> None:
        super().__init__(backbone)
        self.feature_head = feature_head(backbone.dim, feature_loss.num_classes)
        self.head = nn.Linear(backbone.dim, head_loss.num_classes)
        self.feature_loss = feature_loss
        self.head_loss = head_loss

    def train_step(self, *batches: Batch) -> Step:
        ((images, target),) = batches
        features = self.backbone(images)
        logits = self.head(features.detach())
        loss = self.feature_loss(self.feature_head(features), target)
        return Step(loss + self.head_loss(logits, target), logits.detach(), target)

    def clipped_apart(self) -> list[list[nn.Parameter]]:
        of_h = [*self.head.parameters(), *self.head_loss.parameters()]
        others = [each for each in self.parameters() if all(each is not other for other in of_h)]
        return [others, of_h]
