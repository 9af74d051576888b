"""The protocol of every method: what it trains by, and what it decides by."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from torch import Tensor, nn

from lit_seg.classification.networks.backbone import Backbone
from lit_seg.losses.base import SegLoss

Batch = tuple[Tensor, Tensor]
"""``(N, channels, H, W)`` normalised images and their ``(N,)`` int64 labels."""
Pass = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Begins a pass over this rank's images: ``(B, D)`` features and ``(B,)`` labels of each batch."""


class Step(NamedTuple):
    """What a training step computes.

    Attributes:
        loss: the scalar to minimise.
        logits: ``(N, C)`` of the head that decides, for the dynamics of classes; detached.
        target: their ``(N,)`` labels.
    """

    loss: Tensor
    logits: Tensor
    target: Tensor


class Method(nn.Module):
    """Base of all methods: a module from images to scores that knows its own training loss.

    A subclass makes its heads and losses, and implements :meth:`train_step`, and :meth:`forward` if
    it does not decide by its ``head`` alone.
    A method of a second stage takes the backbone and head of the first in its constructor.

    Args:
        backbone: makes ``(N, D)`` features.
    """

    samplings = 1
    """How many orders of the training images a step takes a batch of; 2 in BBN."""
    trains = True
    """Whether it takes steps; if not, :meth:`prepare` is all."""

    head: nn.Module
    """``(N, D)`` features to ``(N, C)`` scores: what decides."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C)`` scores of images, by which the method decides: those of inference."""
        scores: Tensor = self.head(self.features(images))
        return scores

    def features(self, images: Tensor) -> Tensor:
        """``(N, D)`` features of images, of which :meth:`prepare` gets those of all."""
        features: Tensor = self.backbone(images)
        return features

    def train_step(self, *batches: Batch) -> Step:
        """The loss of a step, of one batch for each of :attr:`samplings`."""
        raise NotImplementedError

    def prepare(self, train: Pass, val: Pass) -> str:
        """Look at the features of all images before the first step, in eval mode, if need be.

        Ranks have different images and must find the same. It lies in buffers or parameters, so
        that a resumed run need not look again.

        Args:
            train: makes those of the training images, with augmentation off.
            val: those of the validation images.

        Returns:
            A line that says what was found, or nothing.
        """
        return ""

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Tell the method which epoch, from 0, of how many it is in.

        A pure function of both: it may be called at each step, and a resumed run needs no state.
        """

    def set_progress(self, done: float) -> None:
        """Tell the losses which fraction of the training is done.

        Raises:
            ValueError: if it is not in [0, 1].
        """
        for loss in self.losses():
            loss.set_progress(done)

    def clipped_apart(self) -> list[list[nn.Parameter]]:
        """The parameters, divided where a gradient's norm must not shrink that of another part."""
        return [list(self.parameters())]

    def losses(self) -> list[SegLoss]:
        """The losses over logits that the method holds as children, with their state."""
        return [child for child in self.children() if isinstance(child, SegLoss)]

    def parameter_groups(self) -> Iterable[Any]:
        """What the optimizer trains: parameters, or groups that may have an ``LR_FACTOR``."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]
