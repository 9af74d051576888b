"""Describes the form that a dataset gives to images and labels, for use far from its files."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lit_seg.images.open_and_save import Colour
from lit_seg.images.resize import Fit


@dataclass(frozen=True)
class DataFormat:
    """What a trained network must know of its dataset to label other images.

    Attributes:
        dataset: name of the dataset.
        palette: RGB of each class, in the order of the class ids.
        ids: the value of each class in label files of the dataset, such as 7 for the road of
            Cityscapes, whose class id is 0.
        height: height of the images that the network sees in evaluation, in pixels.
        width: their width.
        fit: how an image of another shape is brought to this size.
        channels: of the images; 3 are red, green and blue from 0 to 255.
        mean: of each channel, in the numbers that files hold; None for the statistics that the
            network's published weights expect of RGB.
        std: the same of the standard deviation.

    Raises:
        ValueError: if mean and standard deviation are not given for each channel.
    """

    dataset: str
    palette: Sequence[Colour]
    ids: Sequence[int]
    height: int
    width: int
    fit: Fit
    channels: int = 3
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.channels == 3 and self.mean is None and self.std is None:
            return
        for name, values, least in (("mean", self.mean, -math.inf), ("std", self.std, 0)):
            if not values or len(values) != self.channels or not least < min(values):
                raise ValueError(
                    f"`{name}` must be {self.channels} numbers{'' if least else ' above 0'}, one "
                    f"per channel as files hold it, got {values}"
                )

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Make it from the plain values of :meth:`plain`."""
        palette = [(int(r), int(g), int(b)) for r, g, b in content["palette"]]
        return cls(**{**content, "palette": palette, "ids": [int(i) for i in content["ids"]]})

    def plain(self) -> dict[str, Any]:
        """Lists, numbers and texts, for checkpoints and metadata of exports."""
        return {
            **asdict(self),
            "palette": [list(colour) for colour in self.palette],
            "ids": list(self.ids),
        }

    def in_ids(
        self, labels: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
        """Turn class ids ``(H, W)`` into the values of the dataset's label files.

        Returns:
            uint8 of the same shape, or uint16 if a value needs it.
        """
        ids: npt.NDArray[np.uint16] = np.array(self.ids, np.uint16)[labels]
        return ids.astype(np.uint8) if max(self.ids) < 2**8 else ids
