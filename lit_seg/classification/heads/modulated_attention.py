"""OLTR's modulated attention: which places of a feature map are enriched by the others."""

from torch import Tensor, nn


class ModulatedAttention(nn.Module):
    r"""Adds to a map what each place finds at the others, where a second attention looks.

    With the K features :math:`x_p` of each place p of a map,

    .. math::

        y_p = x_p + a_p W \sum_q \mathrm{softmax}_q(\theta(x_p) \cdot \phi(x_q))\, g(x_q), \qquad
        a = \mathrm{softmax}(W_a [x_1; x_2; \dots] + b_a)

    :math:`\theta, \phi, g` are linear layers of K/2 features each. W starts at 0, so that the
    features of the first stage stay as they are at first.

    Args:
        channels: K, at least 2.
        size: height and width of the maps. They are fixed, since :math:`W_a` has a weight for each
            feature of each place: 7 and 7 for images of 224 pixels.

    Shapes: ``(N, K, h, w)`` to the same.

    Raises:
        ValueError: if a map has another size.

    Reference: Liu et al., *Large-Scale Long-Tailed Recognition in an Open World*, arXiv 1904.05160,
    section 3, as ``ModulatedAttLayer`` of their code has it.
    """

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        half, places = channels // 2, size[0] * size[1]
        self.size = tuple(size)
        self.theta, self.phi, self.g = (nn.Linear(channels, half) for _ in range(3))
        for layer in (self.theta, self.phi, self.g):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.out = nn.Linear(half, channels, bias=False)
        nn.init.zeros_(self.out.weight)
        self.mask = nn.Linear(channels * places, places)

    def forward(self, maps: Tensor) -> Tensor:
        """``(N, K, h, w)`` enriched maps."""
        if tuple(maps.shape[2:]) != self.size:
            raise ValueError(
                f"the attention is for maps of {self.size} places, got {tuple(maps.shape[2:])}: "
                "give images of the size that it was trained with"
            )
        x = maps.flatten(2).transpose(1, 2)
        found = (self.theta(x) @ self.phi(x).transpose(1, 2)).softmax(2) @ self.g(x)
        mask = self.mask(maps.flatten(1)).softmax(1).unsqueeze(2)
        enriched: Tensor = (x + mask * self.out(found)).transpose(1, 2)
        return enriched.reshape(maps.shape)
