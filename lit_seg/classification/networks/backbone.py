"""A network without its classifier, divided before its last block."""

from typing import Literal, Self, get_args

import torch
from torch import Tensor, nn

from lit_seg.errors import check_choice

Frozen = Literal["none", "trunk", "blocks", "all"]


class Backbone(nn.Module):
    """Turns images into features: a trunk, the last block, the mean over places, and a neck.

    The last block stands by itself because BBN has two of it and Places-LT trains nothing else.

    Args:
        trunk: ``(N, channels, H, W)`` images to ``(N, K, h, w)``.
        last_block: ``(N, K, h, w)`` to ``(N, D, h', w')``.
        dim: the length of the features before the neck.
        neck_dim: their length D after a linear layer with ReLU; None for no neck, and D = ``dim``.
            OLTR has one with 512 on Places-LT.
    """

    def __init__(
        self, trunk: nn.Module, last_block: nn.Module, dim: int, neck_dim: int | None = None
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.last_block = last_block
        self.neck: nn.Module = nn.Identity()
        if neck_dim is not None:
            self.neck = nn.Sequential(nn.Linear(dim, neck_dim), nn.ReLU())
        self.dim = neck_dim or dim
        self._resting: tuple[str, ...] = ()  # names of what stays in eval mode

    def forward(self, images: Tensor) -> Tensor:
        """``(N, D)`` features of ``(N, channels, H, W)`` normalised images."""
        return self.pooled(self.last_block(self.trunk(images)))

    @torch.no_grad()
    def map_shape(self, channels: int, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of what the last block makes of images of a size."""
        was = self.training
        image = next(self.parameters()).new_zeros(1, channels, height, width)
        _, *shape = self.eval().last_block(self.trunk(image)).shape
        self.train(was)
        return shape[0], shape[1], shape[2]

    def pooled(self, maps: Tensor) -> Tensor:
        """``(N, D)`` features of what the last block, or another in its place, made."""
        features: Tensor = self.neck(maps.mean((2, 3)))
        return features

    def freeze(self, part: Frozen, batchnorm: bool = True) -> Self:
        """Train only what is left of the backbone.

        Args:
            part: what is frozen: ``trunk``, ``blocks`` (with the last one, but not the neck),
                ``all`` or ``none``.
            batchnorm: whether its batch statistics are frozen as well. They are not in the code of
                Kang et al. and of OLTR: there frozen features still normalise by the batch, and
                their running means follow the sampling of the second stage.

        Raises:
            ValueError: if the part is none of these.
        """
        check_choice("part", part, get_args(Frozen))
        self.requires_grad_(part == "none")
        self.last_block.requires_grad_(part in ("none", "trunk"))
        self.neck.requires_grad_(part != "all")
        frozen = {"none": (), "trunk": ("trunk",)}.get(part, ("trunk", "last_block"))
        self._resting = frozen if batchnorm else ()
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode as usual, but what is frozen keeps its batch statistics."""
        super().train(mode)
        for name in self._resting:
            self.get_submodule(name).eval()
        return self
