"""Counting and summing over logits in one pass, on the CPU and on CUDA. Needs torch only."""

from lit_seg.ops.class_nll import ClassNLL, class_nll, modulates
from lit_seg.ops.modulation import ModulatedPixels, Modulation

__all__ = ["ClassNLL", "ModulatedPixels", "Modulation", "class_nll", "modulates"]
