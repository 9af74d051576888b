"""Losses for class-imbalanced segmentation, and the training of each class recorded over time."""

from typing import TYPE_CHECKING, Any

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
) -> "Predictor | Any":
    """Load what labels or classifies images: ``lit_seg.load("runs/...")(image).labels``.

    The arguments are those of :class:`lit_seg.inference.predictor.Predictor`. No code is run from
    the file, and neither a trainer nor the state of the loss is needed. Of a run of classification
    it is a :class:`lit_seg.classification.use.Classifier`, whose answers have one ``label``; there
    are no ``views`` and ``tau`` for it, and float32 alone.

    Raises:
        RunError: naming the file, or the option and its value.
    """
    # imported late, because the losses need nothing of it
    from lit_seg.errors import OfClassifierError, RunError
    from lit_seg.inference.predictor import Predictor

    try:
        return Predictor(path, device, views, tau, batch_size, precision)
    except OfClassifierError as error:
        if views is not None or tau is not None or precision != "float32":
            raise RunError(
                f"{path}: is of a classifier, without views, tau or precision"
            ) from error
    from lit_seg.classification.use import Classifier

    return Classifier(path, device, batch_size)
