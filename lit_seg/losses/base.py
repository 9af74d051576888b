"""The protocol that every segmentation loss follows: it behaves like BatchNorm.

Facts of the dataset come with the constructor, state lives in buffers that change in ``forward``
only while ``self.training``, and the fraction of training done arrives by one setter.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.labels import VOID, ClassCounts, check_labels

__all__ = ["VOID", "ClassCounts", "SegLoss"]


class SegLoss(nn.Module):
    """Base of all losses: checks the inputs, brings logits to the labels' size, in float32.

    A subclass implements :meth:`loss` and adds its hyperparameters as keywords.

    Args:
        class_counts: pixels of each class in the training set, or a :class:`ClassCounts`.

    Raises:
        ValueError: if a count is negative, or there are fewer than 2 or more than 255 classes
            (labels are 8-bit and 255 is void).
    """

    class_pixels: Tensor

    def __init__(self, class_counts: Sequence[int] | ClassCounts) -> None:
        super().__init__()
        pixels = class_counts.pixels if isinstance(class_counts, ClassCounts) else class_counts
        if not 2 <= len(pixels) <= VOID:
            raise ValueError(f"`class_counts` must hold 2 to {VOID} classes, got {len(pixels)}")
        if any(n < 0 or int(n) != n for n in pixels):
            raise ValueError(f"`class_counts` must be whole numbers >= 0, got {list(pixels)}")
        self.num_classes = len(pixels)
        # int64: float32 stops counting at 16.7 million pixels, thirty images of 1024x512
        self.register_buffer(
            "class_pixels", torch.tensor([int(n) for n in pixels]), persistent=False
        )
        self.align_corners = False
        """How low-resolution logits are upsampled; the task, which knows the head, sets it."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: ``(N, C, *)``; spatially smaller than the target they are upsampled bilinearly.
            target: ``(N, *)`` integer class ids, with ``VOID`` where a pixel does not count.

        Returns:
            A scalar >= 0, finite for finite logits. Void pixels give neither value nor gradient;
            a batch of only void gives exactly 0, still attached to the graph.

        Raises:
            ValueError: if shapes do not fit each other or the number of classes, or (on the CPU)
                a label is neither a class nor void.
        """
        self._check_shapes(logits, target)
        target = target.long()
        check_labels(target, self.num_classes)
        # One copy does both: half precision overflows in log-softmax, and on the CPU cross-entropy
        # over channels_last logits took 37 ms where contiguous ones took 10 (8x11x240x320).
        logits = logits.to(torch.float32, memory_format=torch.contiguous_format)
        if logits.shape[2:] != target.shape[1:]:
            logits = F.interpolate(
                logits, target.shape[1:], mode="bilinear", align_corners=self.align_corners
            )
        with torch.autocast(logits.device.type, enabled=False):
            return self.loss(logits, target)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of checked inputs: ``(N, C, *)`` float32 logits and ``(N, *)`` int64 labels."""
        raise NotImplementedError

    def set_progress(self, done: float) -> None:
        """Tell the loss which fraction of the training is done, in [0, 1]."""

    def class_stats(self) -> dict[str, Tensor]:
        """What the loss has to tell about each class: name to ``(C,)`` tensor."""
        return {}

    def _check_shapes(self, logits: Tensor, target: Tensor) -> None:
        if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
            raise ValueError(f"`target` must hold integer class ids, got {target.dtype}")
        if logits.ndim < 2 or target.ndim != logits.ndim - 1 or len(target) != len(logits):
            raise ValueError(
                "`logits` must be (N, C, *) and `target` (N, *), got "
                f"{tuple(logits.shape)} and {tuple(target.shape)}"
            )
        if logits.shape[1] != self.num_classes:
            raise ValueError(
                f"`logits` must have {self.num_classes} channels, one per class of "
                f"`class_counts`, got {logits.shape[1]}"
            )
        if logits.shape[2:] != target.shape[1:] and logits.ndim != 4:
            raise ValueError(
                "only (N, C, H, W) logits can be smaller than their target, got "
                f"{tuple(logits.shape)} and {tuple(target.shape)}"
            )
