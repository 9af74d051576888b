"""Losses for class-imbalanced segmentation, and the training of each class recorded over time."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lit_seg.inference.predictor import Precision, Predictor
    from lit_seg.inference.views import Views


def load(
    path: "Path | str",
    device: str = "auto",
    views: "Views | None" = None,
    tau: float | None = None,
    batch_size: int = 8,
    precision: "Precision" = "float32",
) -> "Predictor":
    """Load what labels images: ``lit_seg.load("runs/...")(image).labels``.

    The arguments are those of :class:`lit_seg.inference.predictor.Predictor`. No code is run from
    the file, and neither a trainer nor the state of the loss is needed.
    """
    # imported late, because the losses need nothing of it
    from lit_seg.inference.predictor import Predictor

    return Predictor(path, device, views, tau, batch_size, precision)
