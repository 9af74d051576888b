"""The augmentation of training, by albumentations: the reading that the fast one is held to.

This is the only module that knows albumentations. It takes about three times as long and is a
DataModule's option for who wants to compare, or to build a pipeline of their own upon it.
"""

import os
from random import Random
from typing import Any

from lit_seg.data.crops import drawn_pixel, start_with
from lit_seg.data.transforms import TrainTransform, scaled_size
from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import Fit, resized
from lit_seg.metrics.labels import VOID

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network for news
import albumentations as A
import cv2


class AlbumentationsTransform(TrainTransform):
    """:class:`TrainTransform`, as a pipeline of albumentations."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        height, width = self.crop
        border = {"border_mode": cv2.BORDER_CONSTANT, "fill": 0, "fill_mask": VOID}
        cropping = A.RandomCrop(height, width)
        if self.class_crops:
            cropping = _ClassCrop(height, width, self.class_crops)
        factors, hues = (1 - self.jitter, 1 + self.jitter), (-self.jitter / 5, self.jitter / 5)
        self.pipeline = A.Compose(
            [
                _FitAndScale(self.size, self.fit, self.scale),
                A.PadIfNeeded(height, width, position="random", **border),
                cropping,
                A.HorizontalFlip(p=self.flip),
                A.ColorJitter(factors, factors, factors, hues, p=0.5 if self.jitter > 0 else 0),
            ]
        )

    def __call__(self, image: Array, label: Array, seed: int) -> tuple[Array, Array]:
        self.pipeline.set_random_seed(seed)
        out = self.pipeline(image=image, mask=label)
        return out["image"], out["mask"]


class _FitAndScale(A.DualTransform):  # type: ignore[misc]
    """Fits and scales in one resize."""

    def __init__(self, size: tuple[int, int], fit: Fit, scale: tuple[float, float]) -> None:
        super().__init__(p=1)
        self.how = size, fit, scale

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        rng: Random = self.py_random
        to, interpolation = scaled_size(params["shape"][:2], *self.how, rng)
        return {"to": to, "interpolation": interpolation}

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
        pixel = drawn_pixel(label, self.probability, self.py_random)
        if pixel:
            crop = self.height, self.width
            top, left = start_with(pixel, label.shape, crop, self.py_random)
            found["crop_coords"] = (left, top, left + self.width, top + self.height)
        return found
