"""One head on one backbone, trained in one step: the baseline, and the first stage of others."""

from torch import nn

from lit_seg.classification.methods.base import Batch, Method, Step
from lit_seg.classification.networks.backbone import Backbone
from lit_seg.losses.base import SegLoss, at_least_zero


class Plain(Method):
    r"""Any loss over the logits of any head, and optionally one over the features beside it.

    .. math:: L = L_{logits} + \lambda L_{features}

    Cross-entropy, focal, LDAM with the cosine head, recall, balanced softmax and logit adjustment
    are this with their loss.

    Args:
        backbone: makes ``(N, D)`` features.
        head: ``(N, D)`` features to ``(N, C)`` logits, such as ``nn.Linear``.
        loss: over the logits; made with the training images of each class as its class counts.
        feature_loss: of ``(N, D)`` features and ``(N,)`` labels, such as the lifted structure
            loss. Its pairs are those of one rank's batch.
        feature_weight: :math:`\lambda`, at least 0. Those of OLTR's tables are not known; its
            centroid loss has .01.

    Raises:
        ValueError: if the weight is negative or infinite.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        loss: SegLoss,
        feature_loss: nn.Module | None = None,
        feature_weight: float = 0.01,
    ) -> None:
        super().__init__(backbone)
        self.head = head
        self.loss = loss
        self.feature_loss = feature_loss
        self.feature_weight = at_least_zero("feature_weight", feature_weight)

    def train_step(self, *batches: Batch) -> Step:
        ((images, target),) = batches
        features = self.backbone(images)
        logits = self.head(features)
        loss = self.loss(logits, target)
        if self.feature_loss is not None:
            loss = loss + self.feature_weight * self.feature_loss(features, target)
        return Step(loss, logits.detach(), target)
