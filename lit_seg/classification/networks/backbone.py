"""A network without its classifier, divided before its last block."""

from typing import Literal, Self

from torch import Tensor, nn

from lit_seg.errors import check_choice

Frozen = Literal["none", "trunk", "all"]


class Backbone(nn.Module):
    """Turns images into features: a trunk, the last block and the mean over places.

    The last block stands by itself because BBN has two of it and Places-LT trains nothing else.

    Args:
        trunk: ``(N, channels, H, W)`` images to ``(N, K, h, w)``.
        last_block: ``(N, K, h, w)`` to ``(N, D, h', w')``.
        dim: D, the length of the features.
    """

    def __init__(self, trunk: nn.Module, last_block: nn.Module, dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.last_block = last_block
        self.dim = dim
        self._resting: tuple[str, ...] = ()  # names of what stays in eval mode

    def forward(self, images: Tensor) -> Tensor:
        """``(N, D)`` features of ``(N, channels, H, W)`` normalised images."""
        return pooled(self.last_block(self.trunk(images)))

    def freeze(self, part: Frozen, batchnorm: bool = True) -> Self:
        """Train no longer the ``"trunk"``, or ``"all"``, but what is left; ``"none"`` thaws.

        Args:
            part: what is frozen.
            batchnorm: whether its batch statistics are frozen as well. They are not in the code of
                Kang et al. and of OLTR: there frozen features still normalise by the batch, and
                their running means follow the sampling of the second stage.

        Raises:
            ValueError: if the part is none of these.
        """
        check_choice("part", part, ("none", "trunk", "all"))
        self.requires_grad_(part == "none")
        self.last_block.requires_grad_(part != "all")
        frozen = {"none": (), "trunk": ("trunk",), "all": ("trunk", "last_block")}[part]
        self._resting = frozen if batchnorm else ()
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode as usual, but what is frozen keeps its batch statistics."""
        super().train(mode)
        for name in self._resting:
            self.get_submodule(name).eval()
        return self


def pooled(maps: Tensor) -> Tensor:
    """``(N, D)`` means over the places of ``(N, D, h, w)``."""
    return maps.mean((2, 3))
