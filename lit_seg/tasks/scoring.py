"""The options by which `validate` and `test` score images otherwise than training does."""

import math
from dataclasses import dataclass, field
from typing import Literal

from lit_seg.inference.views import Views

TAUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0)
"""The strengths of post-hoc balancing that are tried."""


@dataclass(frozen=True)
class Scoring:
    """How images are scored; the default is how a training validates.

    Args:
        views: what is averaged: windows, mirror images and other scales. Windows are of the image
            as large as the network sees it, which is `height` x `width` of the data.
        original_size: whether logits are resized to the size of the dataset's own label files, and
            scored there; images may differ in size, and are scored one by one.
        tau: strength of post-hoc balancing: `tau` times the logarithm of the class's share of
            training pixels is subtracted from its score. By default that of the run's
            posthoc.json; 0 for none.
        tau_sweep: try strengths from 0 to 2 in the same pass over the validation images, and keep
            the best in posthoc.json of the run, for `validate`, `test`, `predict` and `export`.
        tau_by: the score by which a strength is the best: mean IoU or mean accuracy.
        boundary_iou: whether the IoU near the boundaries of classes is computed too, which takes
            time.

    Raises:
        ValueError: if `tau` is negative or not finite.
    """

    views: Views = field(default_factory=Views)
    original_size: bool = False
    tau: float | None = None
    tau_sweep: bool = False
    tau_by: Literal["miou", "macc"] = "miou"
    boundary_iou: bool = False

    def __post_init__(self) -> None:
        if self.tau is not None and not 0 <= self.tau < math.inf:
            raise ValueError(f"`tau` must be a finite number of at least 0, got {self.tau}")
