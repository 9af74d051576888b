"""Tasks: a network, a loss, metrics and an optimizer, as LightningModules."""

from lit_seg.tasks.segmentation import LitSegmenter

__all__ = ["LitSegmenter"]
