"""OLTR's second stage: attention, and a memory of the classes, enrich the features."""

from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from lit_seg.classification.heads.meta_embedding import MetaEmbedding
from lit_seg.classification.heads.modulated_attention import ModulatedAttention
from lit_seg.classification.heads.ncm import class_means
from lit_seg.classification.losses.discriminative_centroids import (
    DiscriminativeCentroidsLoss,
    Gradient,
)
from lit_seg.classification.methods.base import Batch, Method, Pass, Step
from lit_seg.classification.networks.backbone import Backbone, Frozen
from lit_seg.errors import check_choice
from lit_seg.losses.base import SegLoss, at_least_zero
from lit_seg.tasks.schedule import LR_FACTOR

Attention = Literal["modulated", "none"]
CENTROID_WEIGHT = 0.01


class OLTR(Method):
    r"""Trains :class:`MetaEmbedding` by a loss over its scores and .01 of the centroid loss.

    The centroids start as the class means of the training features (:meth:`prepare`) and train as
    parameters by the centroid loss alone. Images are drawn by ``ClassCycles(4)``.

    Args:
        backbone: of the first stage, a ``Plain`` with cross-entropy.
        first: its linear head.
        loss: over the scores; cross-entropy in the paper.
        map_shape: channels, height and width of the maps of the last block, on which the attention
            looks.
        attention: ``modulated`` is :class:`ModulatedAttention` between the last block and the mean
            over places; ``none`` has the effect of the published code until 2020-03-04, which froze
            the attention at zero.
        frozen: the part of the backbone that does not train; ``blocks`` leaves the neck, if there
            is one.
        freeze_batchnorm: whether batch statistics are frozen too; they are not in their code.
        backbone_lr_factor: what the rate is multiplied by for the attention and for what trains of
            the backbone; published are .0001 beside .01.
        centroid_gradient: as in :class:`DiscriminativeCentroidsLoss`.

    Raises:
        ValueError: if an option is none of its choices, or the factor is negative.

    Reference: Liu et al., arXiv 1904.05160. Their code freezes all but the last linear layers and
    the attention.
    """

    def __init__(
        self,
        backbone: Backbone,
        first: nn.Linear,
        loss: SegLoss,
        map_shape: tuple[int, int, int],
        attention: Attention = "modulated",
        frozen: Frozen = "blocks",
        freeze_batchnorm: bool = True,
        backbone_lr_factor: float = 0.01,
        centroid_gradient: Gradient = "published",
    ) -> None:
        check_choice("attention", attention, get_args(Attention))
        super().__init__(backbone.freeze(frozen, freeze_batchnorm))
        self.attention: nn.Module = nn.Identity()
        if attention == "modulated":
            self.attention = ModulatedAttention(map_shape[0], map_shape[1:])
        self.head = MetaEmbedding(first)
        self.loss = loss
        self.centroid_loss = DiscriminativeCentroidsLoss(
            torch.zeros_like(first.weight), centroid_gradient
        )
        self.backbone_lr_factor = at_least_zero("backbone_lr_factor", backbone_lr_factor)

    def forward(self, images: Tensor) -> Tensor:
        return self._scores(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        maps = self.backbone.last_block(self.backbone.trunk(images))
        return self.backbone.pooled(self.attention(maps))

    def train_step(self, *batches: Batch) -> Step:
        ((images, target),) = batches
        features = self.features(images)
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
        """Two groups: heads and centroids; attention and backbone at their own rate."""
        slow = [each for each in self.backbone.parameters() if each.requires_grad]
        slow += self.attention.parameters()
        heads = [*self.head.parameters(), *self.centroid_loss.parameters()]
        groups = [{"params": heads}]
        return [*groups, {"params": slow, LR_FACTOR: self.backbone_lr_factor}] if slow else groups

    def _scores(self, features: Tensor) -> Tensor:
        scores: Tensor = self.head(features, self.centroid_loss.centroids.detach())
        return scores
