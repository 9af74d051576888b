"""Compares an exported file with the network that it was made of, on images of several sizes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from lit_seg.errors import RunError, reason_of
from lit_seg.images.bands import read_bands
from lit_seg.images.decode import read_image
from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import resized
from lit_seg.runs.layout import PICTURES

SIZES = ((96, 128), (90, 130), (100, 100))
"""Heights and widths; of the last two, a network's stride of 8 or more divides at most one side."""
TOLERANCE = 1e-4
"""The largest difference of a float32 logit; above logits of 5, a 50000th of the largest."""
_MOST_IMAGES = 4

Network = Callable[[Tensor], Tensor]


def images_of(paths: Sequence[Path], run: Path, channels: int) -> list[Array]:
    """Read the images to compare on: those that are given, else the pictures of a run.

    Raises:
        DataError: naming a file that is no image.
        RunError: if there are no pictures, or none with all channels.
    """
    pictures = sorted(run.glob(f"{PICTURES}/**/*_image.jpg")) if channels == 3 else []
    found = list(paths) or pictures
    if not found:
        raise RunError(f"{run}: holds no pictures to compare the export on; give some by --check")
    found = found[:_MOST_IMAGES]
    return [read_image(path) if channels == 3 else read_bands(path, channels) for path in found]


def allowed(wanted: Tensor) -> float:
    """The largest difference that an export may have from these logits."""
    # float32 has 7 digits, and a deep network of torch in another layout of weights differs from
    # itself by a 100000th
    return TOLERANCE * max(1, float(wanted.abs().max()) / 5)


def differences(
    exported: Network, reference: Network, images: Sequence[Array], file: Path
) -> dict[tuple[int, int], float]:
    """Compute the largest difference of a logit at each of ``SIZES``.

    Batches have one image at the first size and all at the others.

    Raises:
        RunError: if one is above what ``TOLERANCE`` allows, or the export fails, naming the size.
    """
    found = {}
    for number, size in enumerate(SIZES):
        batch = np.stack([resized(image, size, cv2.INTER_AREA) for image in images])
        batch = batch if batch.dtype == np.uint8 else batch.astype(np.int32)
        image = torch.from_numpy(batch).movedim(-1, 1).contiguous()[: None if number else 1]
        at = f"at {size[0]}x{size[1]}"
        with torch.no_grad():
            wanted = reference(image)
            try:
                logits = exported(image)
                found[size] = float((logits - wanted).abs().max())
                most = allowed(wanted)
            except Exception as error:  # whatever torch and onnxruntime raise
                raise RunError(
                    f"{file.name}: fails {at} ({reason_of(error)[:300]}), so it is not kept; try "
                    "another --format"
                ) from error
        if not found[size] <= most:
            raise RunError(
                f"{file.name}: its logits differ from the network's by {found[size]:.2g} {at}, "
                f"more than {most:.2g}, so it is not kept; try another --format"
            )
    return found
