"""Logits that are brought to the size of the images only where that is needed, or for a class."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]
"""Height and width."""


class Resizing(NamedTuple):
    """Bilinear interpolation to a size, of which the upper left part is kept."""

    size: Size
    kept: Size
    align_corners: bool


@dataclass(frozen=True)
class Logits:
    """Logits of a batch, as a network computed them.

    At full size they take the most memory of all that a network computes. Each class is resized by
    itself, to the same bits as all at once.

    Attributes:
        small: ``(N, C, h, w)``.
        resizings: what brings them to the size of the images; none if they have it.
    """

    small: Tensor
    resizings: tuple[Resizing, ...] = ()

    @property
    def size(self) -> Size:
        """Height and width of what :meth:`whole` returns."""
        height, width = self.resizings[-1].kept if self.resizings else self.small.shape[2:]
        return height, width

    def whole(self, classes: slice = slice(None)) -> Tensor:
        """Resize logits: ``(N, C, H, W)`` of all classes, or of some."""
        x = self.small[:, classes]
        for size, (rows, columns), align_corners in self.resizings:
            x = F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
            x = x[:, :, :rows, :columns]
        return x

    def planes(self) -> Iterator[Tensor]:
        """Resize class after class: ``(N, H, W)`` each."""
        for c in range(self.small.shape[1]):
            yield self.whole(slice(c, c + 1))[:, 0]

    def images(self) -> Iterator[Self]:
        """The logits of one image after the other, each a batch of one."""
        for i in range(len(self.small)):
            yield replace(self, small=self.small[i : i + 1])

    def cropped(self, size: Size) -> Self:
        """Keep the upper left part of the result."""
        if not self.resizings:
            return replace(self, small=self.small[:, :, : size[0], : size[1]])
        last = self.resizings[-1]._replace(kept=size)
        return replace(self, resizings=(*self.resizings[:-1], last))

    def resized(self, size: Size) -> Self:
        """Resize the result bilinearly."""
        if size == self.size:
            return self
        return replace(self, resizings=(*self.resizings, Resizing(size, size, False)))

    def for_loss(
        self, target: Tensor, void: int, align_corners: bool | None
    ) -> tuple[Tensor, Tensor]:
        """The logits and labels to give to a loss, which may upsample small logits itself.

        Args:
            target: ``(N, H, W)`` labels of the size of the result.
            void: the label of what the network saw beyond the images.
            align_corners: ``upsampling`` of the loss. If it does none, or another one is needed, it
                is done here, without what the network saw beyond the images.
        """
        if not self.resizings:
            return self.small, target
        (height, width), kept, by = self.resizings[0]
        if len(self.resizings) > 1 or by != align_corners:
            # what is interpolated in half precision has equals
            wide = self.small.to(torch.promote_types(self.small.dtype, torch.float))
            return replace(self, small=wide).whole(), target
        return self.small, F.pad(target, (0, width - kept[1], 0, height - kept[0]), value=void)
