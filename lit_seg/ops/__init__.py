"""Counting and summing over logits in one pass, on the CPU and on CUDA. Needs torch only."""

from lit_seg.ops.class_nll import ClassNLL, class_nll

__all__ = ["ClassNLL", "class_nll"]
