"""What happens to an image and its labels between the file and the network.

This is the only module here that knows albumentations. Labels are never interpolated. Where a crop
reaches beyond the image, its pixels are void.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import Fit, fit_image, fit_label, fitted_size, resized
from lit_seg.metrics.labels import VOID

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network for news
import albumentations as A
import cv2

Transform = Callable[[Array, Array, int], tuple[Array, Array]]
"""Brings an ``(H, W, 3)`` image and ``(H, W)`` labels to another size; the last is a seed."""


class EvalTransform:
    """Resizes to one height and width; padding is void, on the right and at the bottom."""

    def __init__(self, height: int, width: int, fit: Fit = "stretch") -> None:
        self.size = (height, width)
        self.fit = fit

    def __call__(self, image: Array, label: Array, seed: int = 0) -> tuple[Array, Array]:
        return fit_image(image, self.size, self.fit), fit_label(label, self.size, self.fit)

    def of_images(self, image: Array, label: Array, seed: int = 0) -> tuple[Array, Array]:
        """Resize the image as ever, and leave the labels as large as they are."""
        return fit_image(image, self.size, self.fit), label


class TrainTransform:
    """Random scale, crop, flip and colour jitter, by the options of ``SegDataModule``.

    ``size`` and ``fit`` are those of evaluation; training does the same, times the random scale.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fit: Fit = "stretch",
        crop: tuple[int, int] | None = None,
        scale: tuple[float, float] = (1.0, 1.0),
        flip: float = 0.0,
        jitter: float = 0.0,
        class_crops: float = 0.0,
    ) -> None:
        if not 0 < scale[0] <= scale[1] <= 64:
            raise ValueError(f"`scale` must be a range of positive factors up to 64, got {scale}")
        for name, chance in (("flip", flip), ("class_crops", class_crops)):
            if not 0 <= chance <= 1:
                raise ValueError(f"`{name}` must be in [0, 1], got {chance}")
        if not 0 <= jitter < 1:
            raise ValueError(f"`jitter` must be in [0, 1), got {jitter}")
        height, width = crop or size
        border = {"border_mode": cv2.BORDER_CONSTANT, "fill": 0, "fill_mask": VOID}
        cropping = (
            _ClassCrop(height, width, class_crops) if class_crops else A.RandomCrop(height, width)
        )
        factors, hues = (1 - jitter, 1 + jitter), (-jitter / 5, jitter / 5)
        self.pipeline = A.Compose(
            [
                _FitAndScale(size, fit, scale),
                A.PadIfNeeded(height, width, position="random", **border),
                cropping,
                A.HorizontalFlip(p=flip),
                A.ColorJitter(factors, factors, factors, hues, p=0.5 if jitter > 0 else 0),
            ]
        )

    def __call__(self, image: Array, label: Array, seed: int) -> tuple[Array, Array]:
        self.pipeline.set_random_seed(seed)
        out = self.pipeline(image=image, mask=label)
        return out["image"], out["mask"]


class _FitAndScale(A.DualTransform):  # type: ignore[misc]
    """Fits and scales in one resize, since each resize costs sharpness."""

    def __init__(self, size: tuple[int, int], fit: Fit, scale: tuple[float, float]) -> None:
        super().__init__(p=1)
        self.size = size
        self.fit = fit
        self.scale = scale

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        shape = params["shape"][:2]
        height, width = fitted_size(shape, self.size, self.fit)
        factor = self.py_random.uniform(*self.scale)
        largest = height * width * self.scale[1] ** 2
        return {
            # the small summand is for products such as 0.29 * 100, which is below 29
            "to": (max(1, int(height * factor + 1e-6)), max(1, int(width * factor + 1e-6))),
            # when shrinking, linear interpolation aliases; when enlarging, area is blocky
            "interpolation": cv2.INTER_AREA if largest <= shape[0] * shape[1] else cv2.INTER_LINEAR,
        }

    def apply(self, img: Array, to: tuple[int, int], interpolation: int, **params: Any) -> Array:
        return resized(img, to, interpolation)

    def apply_to_mask(self, mask: Array, to: tuple[int, int], **params: Any) -> Array:
        return resized(mask, to, cv2.INTER_NEAREST_EXACT)


class _ClassCrop(A.RandomCrop):  # type: ignore[misc]
    """A random crop that sometimes must hold a pixel of a class that is drawn from the image."""

    def __init__(self, height: int, width: int, probability: float) -> None:
        super().__init__(height, width)
        self.probability = probability

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        found: dict[str, Any] = super().get_params_dependent_on_data(params, data)
        label: Array = data["mask"]
        present = np.flatnonzero(np.bincount(label.ravel(), minlength=VOID + 1)[:VOID])
        if self.py_random.random() >= self.probability or not len(present):
            return found
        pixels = np.flatnonzero(label == self.py_random.choice(present.tolist()))
        pixel = int(pixels[self.py_random.randrange(len(pixels))])
        y, x = divmod(pixel, label.shape[1])
        top = self._start(y, self.height, label.shape[0])
        left = self._start(x, self.width, label.shape[1])
        found["crop_coords"] = (left, top, left + self.width, top + self.height)
        return found

    def _start(self, place: int, length: int, whole: int) -> int:
        """Draw the start of a crop of ``length`` that lies inside and holds ``place``."""
        first, last = max(0, place - length + 1), min(place, whole - length)
        return int(self.py_random.randint(first, last))
