"""The module that is exported: from images of any size to labels, with all that lies between."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.inference.trained import TrainedNetwork


class DeployedNetwork(nn.Module):
    """A trained network without what a tracer cannot follow, such as checks of its input.

    Args:
        trained: the network, whose weights are shared and get the layout of the export.
        offset: ``(C,)``, which is added to the logits, such as by post-hoc balancing.
        size: height and width that images are resized to before the network sees them, and from
            which its logits are resized back; None for images as they are.
    """

    pixel_mean: Tensor
    pixel_std: Tensor
    offset: Tensor

    def __init__(
        self, trained: TrainedNetwork, offset: Tensor, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        # other programs than torch have one layout, and in another float32 rounds otherwise
        trained.memory_format = torch.contiguous_format
        self.network = trained.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.register_buffer("pixel_mean", trained.pixel_mean.clone())
        self.register_buffer("pixel_std", trained.pixel_std.clone())
        self.register_buffer("offset", offset.float().view(1, -1, 1, 1).clone())
        self.multiple = trained.size_multiple
        self.size = size
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Label ``(N, 3, H, W)`` uint8 RGB images, or int32 ones of other channels.

        Returns:
            ``(N, H, W)`` int64 labels, and the ``(N, C, H, W)`` float32 logits that they are of.
        """
        x = (image - self.pixel_mean) / self.pixel_std
        if self.size is not None:
            x = F.interpolate(x, self.size, mode="bilinear", antialias=True)
        height, width = x.shape[2:]
        # not only where it is needed: a branch would be fixed by the images of the trace
        x = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple))
        logits = self.network(x)[:, :, :height, :width] + self.offset
        if self.size is not None:
            logits = F.interpolate(logits, image.shape[2:], mode="bilinear")
        return logits.argmax(1), logits

    def reference(self, trained: TrainedNetwork, image: Tensor) -> Tensor:
        """Compute the logits that an export must give, by ``trained`` where that is possible."""
        if self.size is not None:
            return self(image)[1]  # type: ignore[no-any-return]
        return trained(image) + self.offset  # type: ignore[no-any-return]
