"""OLTR's second stage: a memory of the classes enriches the features."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lit_seg.classification.heads.meta_embedding import MetaEmbedding
from lit_seg.classification.heads.ncm import class_means
from lit_seg.classification.losses.discriminative_centroids import (
    DiscriminativeCentroidsLoss,
    Gradient,
)
from lit_seg.classification.methods.base import Batch, Method, Pass, Step
from lit_seg.classification.networks.backbone import Backbone, Frozen
from lit_seg.losses.base import SegLoss
from lit_seg.tasks.schedule import LR_FACTOR

CENTROID_WEIGHT = 0.01


class OLTR(Method):
    r"""Trains :class:`MetaEmbedding` by a loss over its scores and .01 of the centroid loss.

    The centroids start as the class means of the training features (:meth:`prepare`) and train as
    parameters by the centroid loss alone. Images are drawn by ``ClassCycles(4)``.

    Args:
        backbone: of the first stage, a ``Plain`` with cross-entropy.
        first: its linear head.
        loss: over the scores; cross-entropy in the paper.
        frozen: the part of the backbone that does not train; ``blocks`` in the paper's time, where
            only the neck did.
        backbone_lr_factor: what the rate is multiplied by for the rest of the backbone; published
            are .0001 beside .01.
        centroid_gradient: as in :class:`DiscriminativeCentroidsLoss`.

    The modulated attention of the paper is left out: its code has it for images of 224 pixels only.

    Reference: Liu et al., arXiv 1904.05160. Their code freezes all but the last linear layers and
    the attention; until 2020-03-04 it froze the attention as well.
    """

    def __init__(
        self,
        backbone: Backbone,
        first: nn.Linear,
        loss: SegLoss,
        frozen: Frozen = "trunk",
        backbone_lr_factor: float = 0.01,
        centroid_gradient: Gradient = "published",
    ) -> None:
        super().__init__(backbone.freeze(frozen))
        self.head = MetaEmbedding(first)
        self.loss = loss
        self.centroid_loss = DiscriminativeCentroidsLoss(
            torch.zeros_like(first.weight), centroid_gradient
        )
        self.backbone_lr_factor = backbone_lr_factor

    def forward(self, images: Tensor) -> Tensor:
        return self._scores(self.backbone(images))

    def train_step(self, *batches: Batch) -> Step:
        ((images, target),) = batches
        features = self.backbone(images)
        logits = self._scores(features)
        loss = self.loss(logits, target) + CENTROID_WEIGHT * self.centroid_loss(features, target)
        return Step(loss, logits.detach(), target)

    @torch.no_grad()
    def prepare(self, train: Pass, val: Pass) -> str:
        centroids = self.centroid_loss.centroids
        means = class_means(train(), centroids)
        centroids.copy_(torch.where(means.isfinite(), means, 0))  # a class without images
        return ""

    def parameter_groups(self) -> Iterable[Any]:
        """Two groups: heads and centroids, and what trains of the backbone at its own rate."""
        slow = [each for each in self.backbone.parameters() if each.requires_grad]
        heads = [*self.head.parameters(), *self.centroid_loss.parameters()]
        groups = [{"params": heads}]
        return [*groups, {"params": slow, LR_FACTOR: self.backbone_lr_factor}] if slow else groups

    def _scores(self, features: Tensor) -> Tensor:
        scores: Tensor = self.head(features, self.centroid_loss.centroids.detach())
        return scores
