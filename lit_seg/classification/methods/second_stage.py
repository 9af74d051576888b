"""The second stage of a decoupled training: another head on the frozen backbone of the first."""

import torch
from torch import nn

from lit_seg.classification.heads.ncm import NCMHead
from lit_seg.classification.heads.tau_norm import TauNormHead
from lit_seg.classification.methods.base import Batch, Method, Pass, Step
from lit_seg.classification.networks.backbone import Backbone
from lit_seg.losses.base import SegLoss


class SecondStage(Method):
    """A head on frozen features; which head it is makes the method.

    - cRT: a new ``nn.Linear``, trained with class-aware sampling.
    - LWS: ``LWSHead`` of the first stage's head, likewise.
    - tau-norm: ``TauNormHead`` of it, which :meth:`prepare` lets choose on validation images,
      unless ``tau`` is given.
    - post-hoc logit adjustment: ``PostHocHead`` of it.
    - NCM: ``NCMHead``, which :meth:`prepare` gives the features of the training images.

    Args:
        backbone: of the first stage. It is frozen.
        head: ``(N, D)`` features to ``(N, C)`` scores.
        loss: over the logits; cross-entropy in all of these methods.
        freeze_batchnorm: whether batch statistics are frozen too. They are not in the published
            code, where the second stage changes the running means by its sampling.

    Reference: Kang et al., *Decoupling Representation and Classifier*, arXiv 1910.09217.
    """

    def __init__(
        self, backbone: Backbone, head: nn.Module, loss: SegLoss, freeze_batchnorm: bool = True
    ) -> None:
        super().__init__(backbone.freeze("all", freeze_batchnorm))
        self.head = head
        self.loss = loss
        self.trains = any(parameter.requires_grad for parameter in head.parameters())

    def train_step(self, *batches: Batch) -> Step:
        ((images, target),) = batches
        with torch.no_grad():
            features = self.backbone(images)
        logits = self.head(features)
        return Step(self.loss(logits, target), logits.detach(), target)

    def prepare(self, train: Pass, val: Pass) -> str:
        if isinstance(self.head, NCMHead):
            self.head.prepare(train)
        if not isinstance(self.head, TauNormHead) or not self.head.is_chosen:
            return ""
        best = max(self.head.choose(val()).values())
        return (
            f"tau-norm: tau {float(self.head.tau):g} has the highest mean accuracy of classes on "
            f"the validation images, {best:.4f}"
        )
