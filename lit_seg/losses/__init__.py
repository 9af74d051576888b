"""Losses for imbalanced classes, one file each, all behind the protocol of ``base.SegLoss``.

======================= ========= ======== ================= =======================================
class                   family    needs    arXiv             public code differs
======================= ========= ======== ================= =======================================
CrossEntropyLoss        plain     nothing  2106.14917 Eq. 1  no
ClassBalancedLoss       weighted  counts   1901.05555 Eq. 2  ibla: counts of the batch
InverseFrequencyLoss    weighted  counts   2106.14917 Eq. 2  recall-semseg: counts validation images
MetricWeightedLoss      weighted  state    2106.14917 Eq. 9  no code
RecallLoss              weighted  state    2106.14917 Eq. 5  misses floored at one; fails on void
ClassBalancedFocalLoss  modulated counts   1901.05555        one sigmoid per class
FocalLoss               modulated nothing  1708.02002        recall-semseg: γ acts on the batch mean
OHEMLoss                modulated nothing  1604.03540        recall-semseg: sorts the wrong axis
PATLoss                 modulated nothing  2404.05393 Eq.4-5 no mask sizes; Table 1: reciprocal
RecallFocalLoss         modulated state    none              no code
BLVLoss                 adjusted  counts   2306.02061        ibla: noise grows with frequency
BalancedSoftmaxLoss     adjusted  counts   2007.10740        ibla: takes the exponential, keeps it
LDAMLoss                adjusted  counts   1906.07413 Eq.13  fails on a class without samples
LogitAdjustmentLoss     adjusted  counts   2007.07314 Eq.10  no
SeesawLoss              adjusted  state    2008.10032        mmdetection: float32 counts per rank
LovaszSoftmaxLoss       overlap   nothing  1705.08790        kornia: sorts class ids, wrong values
SoftDiceLoss            overlap   nothing  1707.03237        no
SoftIoULoss             overlap   nothing  Rahman, Wang '16  recall-semseg: void in the union
SoftTverskyLoss         overlap   nothing  1706.05721        copies swap the weights
DeferredReweightingLoss wrapper   progress 1906.07413 Alg.1  Focal-DRW: weight inside p, mean by N
WeightedSumLoss         wrapper   losses   none              no code
======================= ========= ======== ================= =======================================

``python -m lit_seg losses`` prints them with their formulas; docs/losses.md says when to use which.
Public code is the authors' or, where it is named, another's; each docstring says how it differs and
docs/errata.md shows by how much. Importing this package needs torch and torchmetrics only.
"""

from lit_seg.losses.balanced_softmax import BalancedSoftmaxLoss
from lit_seg.losses.base import VOID, Card, ClassCounts, LossFactory, SegLoss
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
