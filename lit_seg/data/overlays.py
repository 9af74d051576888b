"""Label maps as colours, and predictions beside the truth."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lit_seg.files.palette import Colour
from lit_seg.metrics.labels import VOID

Picture = npt.NDArray[np.uint8]


def colourise(label: npt.NDArray[np.integer], palette: Sequence[Colour]) -> Picture:
    """Turn ``(H, W)`` class ids into ``(H, W, 3)`` RGB; void is black."""
    table = np.zeros((VOID + 1, 3), np.uint8)
    table[: len(palette)] = palette
    picture: Picture = table[label]
    return picture


def blend(image: Picture, colours: Picture, opacity: float = 0.55) -> Picture:
    """Lay colours over an image, both ``(H, W, 3)``."""
    mixed = (1 - opacity) * image + opacity * colours
    return mixed.round().astype(np.uint8)


def side_by_side(
    image: Picture,
    truth: npt.NDArray[np.integer],
    prediction: npt.NDArray[np.integer],
    palette: Sequence[Colour],
) -> Picture:
    """Put image, truth, prediction and errors (white on the image) in a row."""
    wrong = (truth != prediction) & (truth != VOID)
    errors = np.where(wrong[..., None], np.uint8(255), image // 3)
    return np.concatenate(
        [image, colourise(truth, palette), colourise(prediction, palette), errors], axis=1
    )
