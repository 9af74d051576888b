"""Class weights from class frequencies, each scheme under its own name."""

import math
import warnings
from typing import Literal, get_args

import torch
from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import ClassCounts, Counts, in_range
from lit_seg.metrics.labels import known

Scheme = Literal["inverse", "sqrt_inverse", "median", "segnet", "enet"]
Unit = Literal["pixels", "images"]


def pixels_of(class_counts: Counts) -> Tensor:
    """``(C,)`` float64 pixels, or other counts, per class.

    Raises:
        ValueError: if all counts are 0.
    """
    counts = class_counts.pixels if isinstance(class_counts, ClassCounts) else class_counts
    pixels = torch.tensor(list(counts), dtype=torch.float64)
    if not known(pixels.sum() > 0, "`class_counts`"):
        raise ValueError(f"`class_counts` must hold pixels of some class, got {list(counts)}")
    return pixels


def frequency_weights(class_counts: Counts, scheme: Scheme) -> Tensor:
    r"""``(C,)`` float64 weights; a class without pixels weighs 0.

    With :math:`f_c` the share of class c in all pixels:

    - ``inverse``: :math:`1 / f_c`, scaled so that the mean weight over training pixels is 1, and
      the loss and its gradient keep the size that they have with cross-entropy.
    - ``sqrt_inverse``: :math:`1 / \sqrt{f_c}`, scaled the same way.
    - ``median``: :math:`median(f) / f_c` over the classes with pixels.
    - ``segnet``: the same with :math:`f_c` the share of class c in the pixels of the images that
      contain it (Eigen & Fergus, arXiv 1411.4734; SegNet, arXiv 1511.00561).
    - ``enet``: :math:`1 / \ln(1.02 + f_c)` (ENet, arXiv 1606.02147).

    Raises:
        ValueError: if the scheme is none of these, there are no pixels, or ``segnet`` gets counts
            without images.
    """
    check_choice("scheme", scheme, get_args(Scheme))
    pixels = pixels_of(class_counts)
    present = pixels > 0
    share = pixels / pixels.sum()
    if scheme == "segnet":
        image_pixels = getattr(class_counts, "image_pixels", None)
        if image_pixels is None:
            raise ValueError(
                "`scheme` 'segnet' needs the pixels of the images that contain each class: give "
                "`class_counts` as ClassCounts with `image_pixels`, or take 'median'"
            )
        share = pixels / torch.tensor(list(image_pixels), dtype=torch.float64)
    if scheme in ("inverse", "sqrt_inverse"):
        weight = share ** (-1 if scheme == "inverse" else -0.5)
        weight = weight / (share * weight)[present].sum()
    elif scheme == "enet":
        weight = 1 / torch.log(1.02 + share)
    else:
        # `quantile` is the mean of the middle two for an even number, torch's median the lower one
        weight = share[present].quantile(0.5) / share
    return torch.where(present, weight, 0.0)


def class_balanced_weights(
    class_counts: Counts, beta: float | None = None, unit: Unit = "pixels"
) -> Tensor:
    r"""``(C,)`` float64 :math:`(1 - \beta) / (1 - \beta^{n_c})`, scaled to sum to C.

    The inverse of the *effective number* of samples (Cui et al., arXiv 1901.05555, Eq. 2). A class
    without samples weighs 0, and the others sum to their own number.

    Args:
        class_counts: pixels per class, or ``ClassCounts``.
        beta: in [0, 1); by default :math:`(N - 1) / N`, with N all samples.
        unit: what a sample is: a pixel, or an image that contains the class.

    Raises:
        ValueError: if an argument is out of range, or images are not counted.

    Warns:
        UserWarning: if all weights are nearly equal, as with ``beta=0.9999`` and pixel counts,
            where every class reaches the largest possible effective number.
    """
    check_choice("unit", unit, get_args(Unit))
    counts = pixels_of(class_counts)
    if unit == "images":
        images = getattr(class_counts, "images", None)
        if images is None:
            raise ValueError(
                "`unit` 'images' needs the images that contain each class: give `class_counts` as "
                "ClassCounts with `images`, or take 'pixels'"
            )
        counts = pixels_of(images)
    if beta is not None:
        in_range("beta", beta, "[0, 1)")
    log_beta = -math.inf if beta == 0 else math.log(beta) if beta else _log_default_beta(counts)
    present = counts > 0
    # 1 - beta^n loses all its digits where beta is close to 1, expm1 none
    effective = -torch.expm1(torch.where(present, counts, 1.0) * log_beta)
    weight = torch.where(present, 1 / effective, 0.0)
    weight = weight * present.sum() / weight.sum()
    fewest, most = counts[present].min(), counts.max()
    if beta and most > 2 * fewest and weight.max() < 1.01 * weight[present].min():
        warnings.warn(
            f"class-balanced weights are all alike with beta={beta} and counts of {unit} from "
            f"{int(fewest)} to {int(most)}: this is plain cross-entropy; leave `beta` out, or "
            "count images",
            stacklevel=2,
        )
    return weight


def _log_default_beta(counts: Tensor) -> float:
    samples = float(counts.sum())
    return math.log1p(-1 / samples) if samples > 1 else -math.inf
