"""Scores images from several views of them: windows, mirror images and other scales."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.models.resized_logits import Logits
from lit_seg.ops.predict_labels import highest, predict_labels

Network = Callable[[Tensor], Logits]
"""From ``(N, 3, H, W)`` uint8 images of any size to logits that become ``(N, C, H, W)``."""


@dataclass(frozen=True)
class Views:
    """The views of an image that are scored.

    Args:
        crop: height and width of windows that slide over the image; None for the whole image.
        stride: how far a window is moved down and right; two thirds of ``crop`` by default.
        flip: whether the mirror image is scored too.
        scales: factors by which the image is enlarged, each of which is one view.

    Raises:
        ValueError: naming the option and its value.
    """

    crop: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    flip: bool = False
    scales: Sequence[float] = (1.0,)

    def __post_init__(self) -> None:
        if self.crop is not None and min(self.crop) < 1:
            raise ValueError(f"`crop` must be a height and width of at least 1, got {self.crop}")
        if self.stride is not None:
            if self.crop is None:
                raise ValueError("`stride` moves a window; give its size by `crop`")
            if not all(
                1 <= step <= side for step, side in zip(self.stride, self.crop, strict=True)
            ):
                raise ValueError(
                    f"`stride` must be 1 to the side of `crop` {self.crop}, got {self.stride}; "
                    "a longer step would leave pixels without a score"
                )
        if not self.scales or not all(0.1 <= scale <= 8 for scale in self.scales):
            raise ValueError(f"`scales` must be factors of 0.1 to 8, got {list(self.scales)}")

    @property
    def number(self) -> int:
        """How many views of the image are averaged."""
        return len(self.scales) * (1 + self.flip)


@torch.no_grad()
def score(
    network: Network,
    image: Tensor,
    views: Views,
    size: tuple[int, int],
    content: tuple[int, int] | None = None,
) -> Logits:
    """Score the classes at each pixel of the original images.

    Args:
        network: gives logits of images of any size.
        image: ``(N, 3, H, W)`` uint8 images, as large as the network sees them in evaluation.
        views: what is averaged.
        size: height and width of the result, those of the original images.
        content: height and width of the image without the padding at its right and bottom.

    Returns:
        What becomes ``(N, C, *size)`` float32: logits if there is one view, else the logarithm of
        the mean of the views' probabilities. Logits are resized, bilinearly; labels never are.
        Where windows overlap, their logits are averaged.
    """
    whole = image.shape[2:]
    content = content or (whole[0], whole[1])
    mean = None
    for scale, flip in product(views.scales, (False, True) if views.flip else (False,)):
        view = _scaled(image, scale)
        if flip:
            view = view.flip(-1)
        logits = _logits(network, view, views)
        # in float32 before they are resized: in half precision many classes would be equal there
        logits = replace(logits, small=logits.small.float().contiguous())
        if flip:
            logits = Logits(logits.whole().flip(-1))
        rows, columns = (
            max(1, round(part * n / side))
            for part, n, side in zip(content, logits.size, whole, strict=True)
        )
        logits = logits.cropped((rows, columns)).resized(size)
        if views.number == 1:
            return logits
        share = logits.whole().softmax(1).div_(views.number)
        mean = share if mean is None else mean.add_(share)
    assert mean is not None
    # a probability that rounds to 0 is the least of all, and not infinitely less
    return Logits(mean.clamp_(min=torch.finfo(mean.dtype).tiny).log_())


def predicted(logits: Logits) -> Tensor:
    """Predict ``(N, H, W)`` class ids, without logits of all classes at full size on the CPU."""
    if not logits.resizings:
        return predict_labels(logits.small)
    if logits.small.is_cuda:  # where one image is enough to be busy
        return torch.cat([predict_labels(image.whole()) for image in logits.images()])
    return highest(logits.planes())


def _scaled(image: Tensor, scale: float) -> Tensor:
    size = [max(1, round(side * scale)) for side in image.shape[2:]]
    if size == list(image.shape[2:]):
        return image
    # without antialiasing a smaller view would hold single pixels of fine structures
    resized = F.interpolate(
        image.float(), size=size, mode="bilinear", align_corners=False, antialias=scale < 1
    )
    return resized.round_().clamp_(0, torch.iinfo(image.dtype).max).to(image.dtype)


def _logits(network: Network, image: Tensor, views: Views) -> Logits:
    """Compute the logits of an image, the mean of those of its windows."""
    if views.crop is None:
        return network(image)
    height, width = image.shape[2:]
    step = views.stride or tuple(max(1, side * 2 // 3) for side in views.crop)
    total = None
    count = torch.zeros(height, width, device=image.device)
    for top, bottom in _spans(height, views.crop[0], step[0]):
        for left, right in _spans(width, views.crop[1], step[1]):
            logits = network(image[:, :, top:bottom, left:right]).whole().float()
            if total is None:
                total = logits.new_zeros(*logits.shape[:2], height, width)
            total[:, :, top:bottom, left:right] += logits
            count[top:bottom, left:right] += 1
    assert total is not None
    return Logits(total.div_(count))


def _spans(length: int, window: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each window; the last one is shifted back into the image."""
    for start in range(0, max(length - window, 0) + step, step):
        end = min(start + window, length)
        yield max(0, end - window), end
        if end == length:
            return
