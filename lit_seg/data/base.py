"""Batches of a dataset: the options, samplers and loaders that all DataModules share."""

import math
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, get_args

from torch import Tensor
from torch.utils.data import DataLoader

from lit_seg.data.card import SplitName
from lit_seg.data.counting.cache import content_hash
from lit_seg.data.counting.count import measured_statistics
from lit_seg.data.dataset import Sample, SegDataset
from lit_seg.data.decoded import DecodedSplit, decoded_split
from lit_seg.data.facts import DatasetFacts
from lit_seg.data.resumable import CLASSES, MOST, ResumableDataModule
from lit_seg.data.sampling import Sampling
from lit_seg.data.transforms import EvalTransform, TrainTransform, Transform
from lit_seg.errors import check_choice
from lit_seg.images.data_format import DataFormat
from lit_seg.images.resize import Fit, Limit

Augmentation = Literal["fast", "albumentations"]


class SegDataModule(DatasetFacts, ResumableDataModule):
    """Base of all DataModules: options, transforms, samplers and loaders.

    A dataset is a subclass that states its :class:`DatasetFacts` and implements :meth:`split`.

    Args:
        root: folder of the dataset; ``$DATA_ROOT/<name>`` by default, and ``data/<name>`` without
            that variable.
        height: height of the images that the network sees in evaluation, in pixels; 0 for the
            height of the dataset's images.
        width: width of these images, in pixels; 0 for the width of the dataset's images.
        fit: how an image of another shape is brought to this size: ``"stretch"`` changes its
            proportions, ``"pad"`` adds void beside it. By default ``"stretch"`` for datasets
            whose images have one size, else ``"pad"``.
        batch_size: samples per step and rank.
        crop: height and width of training crops; ``height`` and ``width`` by default.
        scale: range of the random scale in training, relative to the size in evaluation.
        flip: probability of a horizontal flip in training.
        jitter: strength of the changes of brightness, contrast, saturation and hue in training, 0
            for none; only RGB images are changed.
        class_crops: probability that a training crop is placed on a pixel of a class that is
            drawn uniformly from those in the image, so that a cyclist is seen as often as the road.
        sampling: shows images with rare classes more often, such as ``RepeatFactor`` and
            ``ClassAware``; by default every image is shown once per epoch.
        void: ``"ignore"`` leaves void pixels out, ``"train"`` makes them one more class, the last
            (as the code of the recall-loss and PAT papers does).
        augmentation: ``"fast"`` draws scale, place, flip and jitter independently of each other.
            ``"albumentations"`` repeats runs from before there was a choice: each step of it starts
            from the same seed, so there an image is flipped if its scale is low, and then jittered.
        cache: ``"full"`` decodes each image and label once and keeps the pixels in a file, from
            which they come bit by bit; ``"reduced"`` keeps them in the largest size that training
            needs, which resizes twice, and those of evaluation in the size of evaluation.
        count_labels: count the training labels also where ``counts`` are published; some are
            published without the number of images that hold a class.
        num_workers: processes that load samples, per rank; by default 2 to 8, by the processors.
        seed: seed of order and augmentation. The command line sets it to ``seed_everything``.
    """

    def __init__(
        self,
        root: str | None = None,
        height: int = 0,
        width: int = 0,
        fit: Fit | None = None,
        batch_size: int = 8,
        crop: tuple[int, int] | None = None,
        scale: tuple[float, float] = (0.75, 2.0),
        flip: float = 0.5,
        jitter: float = 0.3,
        class_crops: float = 0.0,
        sampling: Sampling | None = None,
        augmentation: Augmentation = "fast",
        cache: Literal["full", "reduced"] | None = None,
        void: Literal["ignore", "train"] = "ignore",
        count_labels: bool = False,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        native = self.native_size or (0, 0)
        self.height, self.width = height or native[0], width or native[1]
        needed = f"4 to {MOST}, or 0 for the size of the dataset's images"
        if not self.native_size:
            needed = f"given, 4 to {MOST}: the images of {self.folder} may differ in size"
        for name, size in (("height", self.height), ("width", self.width)):
            if not 4 <= size <= MOST:
                raise ValueError(f"`{name}` must be {needed}, got {size}")
        if crop and not 4 <= min(crop) <= max(crop) <= MOST:
            raise ValueError(f"`crop` must be a height and width of 4 to {MOST}, got {crop}")
        ResumableDataModule.__init__(self, batch_size, sampling, num_workers, seed)
        DatasetFacts.__init__(self, root, void, count_labels)
        self.sampling: Sampling | None = sampling
        self.fit: Fit = fit or ("stretch" if self.native_size else "pad")
        check_choice("fit", self.fit, get_args(Fit))
        self.crop = crop
        self.scale = scale
        self.flip = flip
        self.jitter = jitter
        self.class_crops = class_crops
        check_choice("cache", cache, ("full", "reduced", None))
        check_choice("augmentation", augmentation, get_args(Augmentation))
        self.cache = cache
        self._eval = EvalTransform(self.height, self.width, self.fit)
        whole = (self.height, self.width)
        transform = TrainTransform
        if augmentation == "albumentations":
            from lit_seg.data.by_albumentations import AlbumentationsTransform

            transform = AlbumentationsTransform
        self._train = transform(
            *(whole, self.fit, crop, scale, flip),
            jitter if self.channels == 3 else 0.0,
            class_crops,
        )
        self._decoded: dict[SplitName, DecodedSplit] = {}
        self.original_labels = False
        """Whether labels keep their own size in evaluation; batches then hold one image."""

    @property
    def data_format(self) -> DataFormat:
        """What a network that is trained on this dataset needs to label other images."""
        ids = list(self.label_ids or range(len(self.names)))
        if self.void == "train":
            ids.append(self.void_id)
        size = (self.height, self.width, self.fit)
        mean, std = self.mean, self.std
        if self.channels != 3 and (mean is None or std is None):
            mean, std = self._measured
        return DataFormat(self.folder, self.palette, ids, *size, self.channels, mean, std)

    @cached_property
    def _measured(self) -> tuple[list[float], list[float]]:
        return measured_statistics(self._split("train"))

    def _look_at(self, name: SplitName) -> None:
        super()._look_at(name)
        if self.cache:
            self.decoded(name)  # the first rank decodes, the others then find the file
        if name == "train" and self.sampling is not None:
            _ = self.image_counts  # the first rank counts, the others then find it

    def _content_hash(self, name: SplitName) -> str:
        return content_hash(self._split(name), f"{name} of {self.folder}")

    @cached_property
    def content_hashes(self) -> dict[str, str]:
        """Hashes of the data, and of the classes that stored labels stand for."""
        meanings = [self._split(name).meaning for name in ("train", "val")]
        classes = sha256(repr([self.label_meaning, *meanings]).encode()).hexdigest()
        return {**super().content_hashes, CLASSES: classes}

    def decoded(self, name: SplitName) -> DecodedSplit:
        """The samples of a split, decoded by ``cache``; made on first use."""
        if name not in self._decoded:
            limit = None
            if self.cache == "reduced":
                largest = self.scale[1] if name == "train" else 1.0
                limit = Limit((self.height, self.width), self.fit, largest)
            meaning = f"{self.label_meaning}\n{self.channels}"
            found = decoded_split(self._split(name), self.folder, name, meaning, limit)
            self._decoded[name] = found
        return self._decoded[name]

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Widen targets to int64 on the device: until there they travel as uint8."""
        if isinstance(batch, dict) and isinstance(batch.get("target"), Tensor):
            batch["target"] = batch["target"].long()
        return batch

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffled, augmented; the same number of full batches on every rank."""
        split = self.decoded("train") if self.cache else self._split("train")
        dataset = SegDataset(split, self._train, self.seed, self._void_class)
        if self.sampling is not None:
            self.sampling.fit(self.image_counts[:, :-1])
        return self._train_loader(dataset, self._sample_bytes)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Every validation image once, also where there are fewer than ranks."""
        return self._eval_loader("val")

    predict_dataloader = val_dataloader

    def test_dataloader(self) -> DataLoader[Sample]:
        """Every test image once."""
        return self._eval_loader("test")

    def _eval_loader(self, name: SplitName) -> DataLoader[Sample]:
        transform: Transform = self._eval.of_images if self.original_labels else self._eval
        batch_size = 1 if self.original_labels else self.batch_size
        kept = self.cache == "full" or (self.cache and not self.original_labels)
        split = self.decoded(name) if kept else self._split(name)
        dataset = SegDataset(split, transform, void_class=self._void_class)
        return self._whole_loader(dataset, len(dataset), batch_size, self._sample_bytes)

    @property
    def _sample_bytes(self) -> int:
        """Bytes of an image and of its labels."""
        return max(math.prod(self.crop or ()), self.height * self.width) * (self.channels + 1)
