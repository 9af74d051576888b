"""Metrics: pure functions of pixel counts, and thin torchmetrics around them."""

from lit_seg.metrics.class_recall import ClassRecall, recall_counts
from lit_seg.metrics.class_tversky import ClassTversky
from lit_seg.metrics.confusion import (
    ClassScores,
    ConfusionMatrix,
    confusion_matrix,
    confusion_scores,
    image_counts,
)
from lit_seg.metrics.pixel_mean import PixelMean
from lit_seg.ops.predict_labels import predict_labels

__all__ = [
    "ClassRecall",
    "ClassScores",
    "ClassTversky",
    "ConfusionMatrix",
    "PixelMean",
    "confusion_matrix",
    "confusion_scores",
    "image_counts",
    "predict_labels",
    "recall_counts",
]
