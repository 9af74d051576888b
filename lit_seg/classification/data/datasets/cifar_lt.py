"""CIFAR-10 and CIFAR-100, made long-tailed as LDAM's code does it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lit_seg.classification.data.cifar_batches import read_batch
from lit_seg.classification.data.image_splits import ArraySplit, Targets
from lit_seg.classification.data.long_tail import Shape, ldam_images, tail_counts
from lit_seg.classification.data.small_images import SmallImages
from lit_seg.data.card import Archive, DataCard, SplitName
from lit_seg.errors import DataError
from lit_seg.images.open_and_save import Array

_URL = "https://www.cs.toronto.edu/~kriz"


class CIFAR10LT(SmallImages):
    """CIFAR-10-LT: the images that LDAM's code and all that follow it train on.

    Layout below ``root``: ``cifar-10-batches-py/{data_batch_1,...,data_batch_5,test_batch}``, the
    python version. Classes are ordered by their labels and images are chosen by one seed, whatever
    the seed of the run: results are compared with published ones.

    There is no official validation split. Public code validates on the test images, so that its
    best epoch is chosen on what it reports; here each tenth test image of a class validates, and
    the others test.

    Args:
        factor: the share of the most frequent class's images that the rarest has.
        shape: ``"exp"`` lets counts fall from class to class, ``"step"`` after half of them.
        val_share: the share of the test images that validates; with 0 all of them validate and all
            test, as in public code.
        shift: how far a training image is moved at most, in pixels; what comes in is black.
        flip: probability that it is mirrored.
        **options: options of :class:`ImageDataModule`.
    """

    folder = "cifar10_lt"
    names: tuple[str, ...] = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    size = 32
    mean = (125.3, 123.0, 113.9)
    std = (51.6, 50.8, 51.3)
    card = DataCard(
        what="photos of 32x32 pixels, 10 classes of 5000 to 50 images",
        images={"train": 12406, "val": 1000, "test": 9000},
        licence="none is stated",
        citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009; "
        "long-tailed by Cao et al., LDAM, NeurIPS 2019",
        how_to_get=f"CIFAR-10 is cifar-10-python.tar.gz of {_URL}/cifar.html, unpacked.",
        downloads=(
            Archive(f"{_URL}/cifar-10-python.tar.gz", "md5:c58f30108f718f92721af3b95e74349a"),
        ),
    )
    _batches: str = "cifar-10-batches-py"
    _label: str = "labels"
    _files: tuple[Sequence[str], Sequence[str]] = (
        [f"data_batch_{i}" for i in range(1, 6)],
        ["test_batch"],
    )

    def __init__(
        self,
        factor: float = 0.01,
        shape: Shape = "exp",
        val_share: float = 0.1,
        shift: int = 4,
        flip: float = 0.5,
        **options: Any,
    ) -> None:
        if not 0 <= val_share < 1:
            raise ValueError(f"`val_share` must be in [0, 1), got {val_share}")
        tail_counts(2**31, factor, len(self.names), shape)  # refuses what is out of range
        self.factor, self.shape, self.val_share = factor, shape, val_share
        super().__init__(shift, flip, **options)

    def split(self, name: SplitName) -> ArraySplit:
        if name == "train":
            images, targets = self._read(self._files[0])
            largest = len(targets) / len(self.names)
            counts = tail_counts(largest, self.factor, len(self.names), self.shape)
            chosen = ldam_images(targets, counts)
        else:
            images, targets = self._held_out
            # the place of each image among those of its class
            place = np.zeros(len(targets), np.int64)
            for c in range(len(self.names)):
                place[targets == c] = np.arange((targets == c).sum())
            validates = np.floor((place + 1) * self.val_share) > np.floor(place * self.val_share)
            part = validates if name == "val" else ~validates
            chosen = np.flatnonzero(part if self.val_share else np.ones_like(part))
        return ArraySplit(images[chosen], targets[chosen], chosen.tolist())

    @cached_property
    def _held_out(self) -> tuple[Array, Targets]:
        return self._read(self._files[1])

    def _read(self, files: Sequence[str]) -> tuple[Array, Targets]:
        folder, classes = self.root / self._batches, len(self.names)
        parts = []
        for file in files:
            if not (folder / file).is_file():
                raise self._missing(folder / file)
            images, targets = read_batch(folder / file, self._label)
            if targets.size and not 0 <= targets.min() <= targets.max() < classes:
                raise DataError(
                    f"{folder / file}: holds the class {targets.max()}, {self.folder} has 0 to "
                    f"{classes - 1}; fetch it again"
                )
            parts.append((images, targets))
        images, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
        return images, targets


class CIFAR100LT(CIFAR10LT):
    """CIFAR-100-LT: as :class:`CIFAR10LT`, with 100 classes of 500 to 5 images.

    Layout below ``root``: ``cifar-100-python/{train,test}``. Images are normalised by the
    statistics of CIFAR-10, as in LDAM's code.

    Args:
        factor: the share of the most frequent class's images that the rarest has.
        shape: ``"exp"`` lets counts fall from class to class, ``"step"`` after half of them.
        val_share: the share of the test images that validates; with 0 all of them validate and all
            test, as in public code.
        shift: how far a training image is moved at most, in pixels; what comes in is black.
        flip: probability that it is mirrored.
        **options: options of :class:`ImageDataModule`.
    """

    folder = "cifar100_lt"
    names = tuple(
        """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
        butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
        crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
        keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain
        mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain
        plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
        skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
        television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman
        worm""".split()  # noqa: SIM905 - a hundred quotes hide the words
    )
    card = DataCard(
        what="photos of 32x32 pixels, 100 classes of 500 to 5 images",
        images={"train": 10847, "val": 1000, "test": 9000},
        licence="none is stated",
        citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009; "
        "long-tailed by Cao et al., LDAM, NeurIPS 2019",
        how_to_get=f"CIFAR-100 is cifar-100-python.tar.gz of {_URL}/cifar.html, unpacked.",
        downloads=(
            Archive(f"{_URL}/cifar-100-python.tar.gz", "md5:eb9058c3a382ffc7106e4002c42a8d85"),
        ),
    )
    _batches = "cifar-100-python"
    _label = "fine_labels"
    _files = (["train"], ["test"])
