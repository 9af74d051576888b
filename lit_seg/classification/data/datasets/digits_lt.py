"""Handwritten digits of 8x8 pixels that come with scikit-learn, made long-tailed."""

from typing import Any

import numpy as np

from lit_seg.classification.data.image_splits import Targets
from lit_seg.classification.data.small_images import DrawnTail, missing_package
from lit_seg.data.card import DataCard
from lit_seg.images.open_and_save import Array


class DigitsLT(DrawnTail):
    """Digits-LT: 342 of the 1797 digits of scikit-learn to train, 124 of one class to 2 of another.

    A class has 174 to 183 images. 50 test. Of the rest up to 20 validate; of the most frequent
    class 3 to 9 are left for it. Of digit 8, which has 174, none would be: it is never the most
    frequent. The 16 shades become 0 to 255.

    Args:
        largest: training images of the most frequent class.
        factor: the share of them that the rarest class has; counts fall exponentially.
        val_images: validation images of a class, at most.
        test_images: test images of a class.
        shift: how far a training image is moved at most, in pixels.
        **options: options of :class:`ImageDataModule`.
    """

    folder = "digits_lt"
    names = tuple("0123456789")
    size = 8
    mean, std = (77.8,), (95.9,)
    card = DataCard(
        what="handwritten digits of 8x8 pixels, 10 classes of 124 to 2 images drawn by the seed",
        images={"train": 342, "test": 500},
        licence="CC BY 4.0 (UCI Machine Learning Repository)",
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998",
        how_to_get="They come with scikit-learn.",
    )

    def __init__(
        self,
        largest: int = 124,
        factor: float = 0.02,
        val_images: int = 20,
        test_images: int = 50,
        shift: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(largest, factor, val_images, test_images, shift, **options)

    def images(self) -> tuple[Array, Targets]:
        try:
            from sklearn.datasets import load_digits  # an extra
        except ModuleNotFoundError as error:
            raise missing_package("scikit-learn", error) from None
        found = load_digits()
        shades = np.rint(found.images[..., None] * (255 / 16)).astype(np.uint8)
        return shades, found.target.astype(np.int64)
