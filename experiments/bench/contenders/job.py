"""What every contender of the whole run is told: files, sizes, epochs."""

import json
from pathlib import Path
from typing import NamedTuple

import segmentation_models_pytorch as smp
from torch import nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STEP = "step ended"
"""The line that a contender prints after each training step."""


class Job(NamedTuple):
    """One training.

    Attributes:
        train, val: paths of image and label.
        classes: their number; labels hold 0 to ``classes - 1``.
        void: the label that does not count, in the files.
        size: height and width of crops, and of images in validation.
        scale: range of the random scale.
        batch: images per step.
        epochs: passes over the training images.
        folder: for what the training writes.
    """

    train: list[tuple[str, str]]
    val: list[tuple[str, str]]
    classes: int
    void: int
    size: tuple[int, int]
    scale: tuple[float, float]
    batch: int
    epochs: int
    folder: str

    def save(self, path: Path) -> None:
        """Write it for the process of a contender."""
        path.write_text(json.dumps(self._asdict()), encoding="utf-8")

    @classmethod
    def load(cls, path: str) -> "Job":
        """Read what :meth:`save` wrote."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


def network(classes: int) -> nn.Module:
    """The same for all: DeepLabV3+ with ResNet18, from random weights."""
    return smp.DeepLabV3Plus("resnet18", encoder_weights=None, classes=classes)


def step_ended() -> None:
    """Tell the parent."""
    print(STEP, flush=True)
