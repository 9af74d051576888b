"""Labels images with a trained network, in two lines of Python."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args, overload

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from lit_seg.errors import DataError, RunError, check_choice
from lit_seg.images.bands import read_bands
from lit_seg.images.decode import turn_upright
from lit_seg.images.open_and_save import Array, Colour
from lit_seg.images.overlays import blend, colourise
from lit_seg.images.resize import fit_image, fitted_size
from lit_seg.inference.exported import SUFFIXES, ExportedNetwork, load_exported
from lit_seg.inference.prior import balanced, read_tau
from lit_seg.inference.trained import TrainedNetwork, checkpoint_file, load_network
from lit_seg.inference.views import Views, predicted, score
from lit_seg.losses.logit_adjustment import log_prior
from lit_seg.models.resized_logits import Logits

Picture = npt.NDArray[np.uint8] | Image.Image | Tensor | Path | str
"""``(H, W, 3)`` uint8 RGB, a picture of PIL, a ``(3, H, W)`` uint8 tensor, or a path."""
Precision = Literal["float32", "bfloat16"]
_LARGEST = 2**28
"""Scores that are held at once, 1 GB: a photograph of 12 megapixels has 11 classes at each."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The labels of an image.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB, as it was given; a photograph is turned as viewers turn it.
        labels: ``(H, W)`` uint8 class ids, at the size of that image.
        class_names: in the order of the class ids.
        palette: RGB of each class.
    """

    image: Array
    labels: Array
    class_names: Sequence[str]
    palette: Sequence[Colour]
    _score: Callable[[Array], Tensor]

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """``(C, H, W)`` float32; the image is scored again when this is first asked for."""
        found: npt.NDArray[np.float32] = self._score(self.image).softmax(0).cpu().numpy()
        return found

    def overlay(self, opacity: float = 0.55) -> Array:
        """Lay the colours of the classes over the image, ``(H, W, 3)`` uint8 RGB."""
        return blend(self.image, colourise(self.labels, self.palette), opacity)


class Predictor:
    """Labels images at their own size, as a run labels its validation images.

    An image is brought to the size of the run's validation as there, scored, and its scores are
    resized to the size of the image.

    Args:
        path: a run, whose best checkpoint is taken, a checkpoint, or an export (.pt2 or .onnx).
        device: such as ``cpu`` or ``cuda:1``; ``auto`` is a GPU if there is one.
        views: windows, mirror images and scales that are averaged; the whole image by default.
        tau: strength of the post-hoc balancing of classes; that of the run by default.
        batch_size: images that the network sees at once, of those that have one shape.
        precision: ``bfloat16`` computes the network in it, which is faster on some processors.

    Raises:
        RunError: naming the file, or the option and its value.
    """

    def __init__(
        self,
        path: Path | str,
        device: str = "auto",
        views: Views | None = None,
        tau: float | None = None,
        batch_size: int = 8,
        precision: Precision = "float32",
    ) -> None:
        check_choice("precision", precision, get_args(Precision))
        if tau is not None and not 0 <= tau < math.inf:
            raise RunError(f"`tau` must be a number of at least 0, got {tau}")
        if batch_size < 1:
            raise RunError(f"`batch_size` must be at least 1, got {batch_size}")
        self.device = device_of(device)
        self.file = Path(path).expanduser()
        if self.file.suffix in SUFFIXES:
            exported = load_exported(self.file)
            kept = within = exported.tau  # its logits are balanced already
            network: TrainedNetwork | ExportedNetwork = exported
        else:
            self.file = checkpoint_file(self.file)
            network = load_network(self.file)
            kept, within = read_tau(self.file), 0.0
        self.network = network.to(self.device)
        self.class_names = self.network.class_names
        self.data_format = self.network.data_format
        self.views = views or Views()
        self.tau = kept if tau is None else tau
        self._added_tau = self.tau - within
        self._log_prior = log_prior(self.network.class_pixels).float().to(self.device)
        self.batch_size = batch_size
        self.precision = precision

    @overload
    def __call__(self, image: Picture) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, image: Sequence[Picture]) -> list[Prediction]: ...

    def __call__(self, image: Picture | Sequence[Picture]) -> Prediction | list[Prediction]:
        """Label an image, or each of a list, whose sizes may differ.

        Raises:
            DataError: naming what is no image.
        """
        if not isinstance(image, list | tuple):
            return self([image])[0]  # type: ignore[list-item]
        if not image:
            raise DataError("the list of images is empty; give at least one")
        images = [as_array(one, self.data_format.channels) for one in image]
        labels: dict[int, Array] = {}
        for place, scores in self.scores(images):
            labels[place] = labels_of(scores)
        facts = (self.class_names, self.data_format.palette, self._score)
        return [Prediction(one, labels[i], *facts) for i, one in enumerate(images)]

    def scores(self, images: Sequence[Array]) -> Iterator[tuple[int, Logits]]:
        """Yield the place of each ``(H, W, 3)`` uint8 image and its scores, a batch of one.

        The softmax over the classes of the whole, ``(1, C, H, W)`` float32, is the probabilities.
        Images of one shape are scored together, so the order is another one.
        """
        shapes: dict[tuple[int, ...], list[int]] = {}
        for place, image in enumerate(images):
            shapes.setdefault(image.shape[:2], []).append(place)
        for (height, width), places in shapes.items():
            most = _LARGEST // (height * width * len(self.class_names))
            step = max(1, min(self.batch_size, most))
            for start in range(0, len(places), step):
                part = places[start : start + step]
                yield from zip(part, self._batch([images[i] for i in part]).images(), strict=True)

    def _score(self, image: Array) -> Tensor:
        return self._batch([image]).whole()[0]

    def _batch(self, images: Sequence[Array]) -> Logits:
        """Compute the scores of images that have one shape."""
        form = self.data_format
        size = form.height, form.width
        fitted = np.stack([fit_image(image, size, form.fit) for image in images])
        if fitted.dtype != np.uint8:
            fitted = fitted.astype(np.int32)  # torch can do little with 16 bits
        batch = torch.from_numpy(fitted).movedim(-1, 1).to(self.device)
        shape = images[0].shape[:2]
        fast = self.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast):
            content = fitted_size(shape, size, form.fit)
            scores = score(self.network.logits, batch, self.views, (shape[0], shape[1]), content)
        small = balanced(scores.small, self._log_prior, self._added_tau)
        return replace(scores, small=small)


def labels_of(scores: Logits) -> Array:
    """Choose the class of the highest score at each pixel of one image, as ``(H, W)`` uint8."""
    return predicted(scores)[0].cpu().numpy().astype(np.uint8)


def as_array(picture: Picture, channels: int = 3) -> Array:
    """Bring what a caller may have to ``(H, W, channels)``, uint8 RGB if there are three.

    Other channels may hold 16 bits without a sign. Photographs are turned as viewers turn them.

    Raises:
        DataError: naming what it is, and what to give.
    """
    if isinstance(picture, str | Path):
        return read_bands(Path(picture).expanduser(), channels, upright=True)
    if isinstance(picture, Image.Image) and channels == 3:
        if picture.mode.startswith(("I", "F")):
            raise DataError(
                f"a picture of PIL's mode {picture.mode} does not hold 8 bits per channel; scale "
                "it to 0..255 first"
            )
        upright = picture.copy()
        turn_upright(upright)
        return np.asarray(upright.convert("RGB"))
    found = picture
    if isinstance(picture, Tensor):
        found = picture.detach().cpu().movedim(0, -1).numpy() if picture.ndim == 3 else picture
    shape = tuple(getattr(picture, "shape", ()))
    if (
        not isinstance(found, np.ndarray)
        or found.dtype not in ([np.uint8] if channels == 3 else [np.uint8, np.uint16])
        or found.ndim != 3
        or found.shape[2] != channels
        or not found.size
    ):
        kind = getattr(picture, "dtype", None)
        what = f"{shape} of {kind}" if shape else f"a {type(picture).__name__}"
        if channels != 3:
            raise DataError(
                f"an image cannot be {what}; give (H, W, {channels}) uint8 or uint16, a path or a "
                "list of these"
            )
        raise DataError(
            f"an image cannot be {what}; give (H, W, 3) uint8 RGB, a (3, H, W) uint8 tensor, a "
            "picture of PIL, a path or a list of these: `(image * 255).round().astype('uint8')` is "
            "for floats in [0, 1], `np.stack([image] * 3, -1)` for grey ones, `list(images)` for a "
            "batch"
        )
    return found


def device_of(name: str) -> torch.device:
    """The device of that name; ``auto`` is a GPU if there is one.

    Raises:
        RunError: if there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"`device` cannot be {name!r} ({reason}); `auto` takes what there is"
        ) from None
    return torch.device(name)
