"""Losses for imbalanced classes, one file each, all behind the protocol of ``base.SegLoss``.

================ ================ ============ ========================= ===============
class            family           needs        paper                     differs from
                                                                         its public code
================ ================ ============ ========================= ===============
CrossEntropyLoss cross-entropy    nothing      arXiv 2106.14917, Eq. 1   no
RecallLoss       class-weighted   nothing      arXiv 2106.14917, Eq. 4-5 yes, see class
================ ================ ============ ========================= ===============

Importing this package needs torch and torchmetrics only.
"""

from lit_seg.losses.base import VOID, ClassCounts, SegLoss
from lit_seg.losses.cross_entropy import CrossEntropyLoss
from lit_seg.losses.recall import RecallLoss

__all__ = ["VOID", "ClassCounts", "CrossEntropyLoss", "RecallLoss", "SegLoss"]
