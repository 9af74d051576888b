"""Batches of images with one class each: what all classification DataModules share."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from lightning_utilities.core.rank_zero import rank_zero_info
from torch.utils.data import DataLoader

from lit_seg.classification.class_sampling import LabelSampling
from lit_seg.classification.data.image_dataset import ClassSample, ImageDataset, TwoOrderSampler
from lit_seg.classification.data.image_format import ImageFormat
from lit_seg.classification.data.image_splits import ImageSplit
from lit_seg.classification.data.image_transforms import ImageTransform
from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.facts import default_root, from_home, not_there
from lit_seg.data.resumable import ResumableDataModule, rank_and_ranks
from lit_seg.data.sampling import TrainSampler
from lit_seg.errors import DataError
from lit_seg.metrics.labels import ClassCounts

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""What published weights expect of red, green and blue from 0 to 255."""


class ImageDataModule(ResumableDataModule):
    """Base of the DataModules for classification: samplers, loaders and counts.

    A dataset is a subclass that states its facts and implements :meth:`split`,
    :attr:`class_names`, :attr:`data_format` and :meth:`train_transform`.

    Args:
        root: folder of the dataset; ``$DATA_ROOT/<name>`` by default, and ``data/<name>`` without
            that variable.
        batch_size: samples per step and rank.
        sampling: shows images of rare classes more often, such as ``ClassCycles``; by default
            every image is shown once per epoch.
        second_sampling: a second order of the training images; each sample then also has
            ``image2`` and ``target2`` of it, as BBN needs.
        num_workers: processes that load samples, per rank; by default 2 to 8, by the processors.
        seed: seed of order and augmentation, and of what a dataset draws. The command line sets it
            to ``seed_everything``.
    """

    card: ClassVar[DataCard]
    """What a user should know before getting the dataset."""

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 128,
        sampling: LabelSampling | None = None,
        second_sampling: LabelSampling | None = None,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, sampling, num_workers, seed)
        self.root = from_home(root) if root else default_root(self.folder)
        self.second_sampling = second_sampling
        self._splits: dict[SplitName, ImageSplit] = {}

    @abstractmethod
    def split(self, name: SplitName) -> ImageSplit:
        """Find the images of a split; a DataError says if it is missing or incomplete."""

    @property
    @abstractmethod
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of their ids."""

    @property
    @abstractmethod
    def data_format(self) -> ImageFormat:
        """What a classifier that is trained on this dataset needs to classify other images."""

    @abstractmethod
    def train_transform(self) -> ImageTransform:
        """How training images are changed."""

    @cached_property
    def class_counts(self) -> ClassCounts:
        """The number of training images of each class; each stands for a pixel here."""
        counts = np.bincount(self._split("train").targets, minlength=len(self.class_names))
        if len(counts) == 1:
            raise DataError(
                f"{self.root}: holds one class alone, {self.class_names[0]!r}, where 2 are needed: "
                f"{self.card.how_to_get}"
            )
        if not counts.all():
            empty = [self.class_names[c] for c in np.flatnonzero(counts == 0)]
            raise DataError(
                f"{self.root}: {len(empty)} of {len(counts)} classes of {self.folder} have no "
                f"training image, such as {empty[0]!r}: add some, or take out the class"
            )
        images = tuple(counts.tolist())
        return ClassCounts(images, images)

    def train_dataloader(self) -> DataLoader[ClassSample]:
        """Shuffled, augmented; the same number of full batches on every rank."""
        split = self._split("train")
        for sampling in (self.sampling, self.second_sampling):
            if isinstance(sampling, LabelSampling):
                sampling.fit(split.targets)
        dataset = ImageDataset(split, self._classes, self.train_transform(), self.seed)
        return self._train_loader(dataset, self._sample_bytes)

    def val_dataloader(self) -> DataLoader[ClassSample]:
        """Every validation image once, also where there are fewer than ranks."""
        return self.whole("val")

    predict_dataloader = val_dataloader

    def test_dataloader(self) -> DataLoader[ClassSample]:
        """Every test image once."""
        return self.whole("test")

    def whole(self, name: SplitName) -> DataLoader[ClassSample]:
        """Each image of a split once over all ranks, in order and without augmentation.

        Of the training split it serves methods that look at all features, such as NCM.
        """
        dataset = ImageDataset(self._split(name), self._classes, self.data_format.fitted)
        return self._whole_loader(dataset, len(dataset), self.batch_size, self._sample_bytes)

    def _split(self, name: SplitName) -> ImageSplit:
        if name not in self._splits:
            self._splits[name] = self.split(name)
        return self._splits[name]

    def _look_at(self, name: SplitName) -> None:
        self._split(name).check()
        super()._look_at(name)
        absent = np.setdiff1d(np.arange(self._classes), self._split(name).targets)
        if len(absent):
            rank_zero_info(
                f"{self.root}: {len(absent)} of {self._classes} classes have no {name} image, such "
                f"as {self.class_names[absent[0]]!r}; means over classes are of the others"
            )

    def _content_hash(self, name: SplitName) -> str:
        return self._split(name).content_hash()

    def _train_sampler(self) -> TrainSampler:
        if self.second_sampling is None:
            return super()._train_sampler()
        return TwoOrderSampler(
            self._order,
            self._second_order,
            self.samples_per_epoch,
            *rank_and_ranks(),
            **self._start,
        )

    def _second_order(self, epoch: int) -> Sequence[int]:
        assert self.second_sampling is not None
        # of another seed: two orders of one kind must not be the same
        seed = np.random.SeedSequence((self.seed, 1)).generate_state(1)[0]
        return [int(index) for index in self.second_sampling.order(int(seed), epoch)]

    @property
    def _classes(self) -> int:
        return len(self.class_names)

    @property
    def _sample_bytes(self) -> int:
        """Bytes of an image, or of two, and of the int64 targets."""
        size = self.data_format
        return (size.height * size.width * size.channels + 8) * (1 + bool(self.second_sampling))

    def _missing(self, path: Path) -> DataError:
        program = "lit_seg.classification"
        return not_there(path, self.card, self.root, self.folder, program)
