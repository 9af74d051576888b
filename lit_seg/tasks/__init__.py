"""Tasks: LightningModules that put a network, a loss, metrics and an optimizer together."""

from lit_seg.tasks.segmentation import LitSegmenter

__all__ = ["LitSegmenter"]
