"""Losses for imbalanced classes, one file each, all behind the protocol of ``base.SegLoss``.

``losses.csv`` is their table: family, formula, needs, paper, and what public code does differently.
``python -m lit_seg losses`` prints it, docs/losses.md says when to use which, and docs/errata.md by
how much public code differs. Importing this package needs torch and torchmetrics only.
"""

from lit_seg.losses.balanced_softmax import BalancedSoftmaxLoss
from lit_seg.losses.base import Card, ClassCounts, LossFactory, SegLoss
from lit_seg.losses.blv import BLVLoss
from lit_seg.losses.class_balanced import ClassBalancedLoss
from lit_seg.losses.class_balanced_focal import ClassBalancedFocalLoss
from lit_seg.losses.cross_entropy import CrossEntropyLoss
from lit_seg.losses.deferred import DeferredReweightingLoss
from lit_seg.losses.focal import FocalLoss
from lit_seg.losses.inverse_frequency import InverseFrequencyLoss
from lit_seg.losses.ldam import LDAMLoss
from lit_seg.losses.logit_adjustment import LogitAdjustmentLoss, post_hoc_adjusted
from lit_seg.losses.lovasz import LovaszSoftmaxLoss
from lit_seg.losses.metric_weighted import MetricWeightedLoss
from lit_seg.losses.ohem import OHEMLoss
from lit_seg.losses.pat import PATLoss
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.losses.recall import RecallLoss
from lit_seg.losses.recall_focal import RecallFocalLoss
from lit_seg.losses.seesaw import SeesawLoss
from lit_seg.losses.soft_dice import SoftDiceLoss
from lit_seg.losses.soft_iou import SoftIoULoss
from lit_seg.losses.soft_tversky import SoftTverskyLoss
from lit_seg.losses.weighted_sum import WeightedSumLoss
from lit_seg.metrics.labels import VOID

__all__ = [
    "VOID",
    "BLVLoss",
    "BalancedSoftmaxLoss",
    "Card",
    "ClassBalancedFocalLoss",
    "ClassBalancedLoss",
    "ClassCounts",
    "CrossEntropyLoss",
    "DeferredReweightingLoss",
    "FocalLoss",
    "InverseFrequencyLoss",
    "LDAMLoss",
    "LogitAdjustmentLoss",
    "LossFactory",
    "LovaszSoftmaxLoss",
    "MetricWeightedLoss",
    "OHEMLoss",
    "PATLoss",
    "PixelLoss",
    "RecallFocalLoss",
    "RecallLoss",
    "SeesawLoss",
    "SegLoss",
    "SoftDiceLoss",
    "SoftIoULoss",
    "SoftTverskyLoss",
    "WeightedSumLoss",
    "post_hoc_adjusted",
]
