"""Batches of a dataset: the options, samplers and loaders that all DataModules share."""

import math
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.states import TrainerFn
from torch.utils.data import DataLoader, Sampler

from lit_seg.data.card import SplitName
from lit_seg.data.channels import measured_statistics
from lit_seg.data.counting.cache import content_hash
from lit_seg.data.dataset import Sample, SegDataset
from lit_seg.data.decoded import DecodedSplit, Limit, decoded_split, remove_decoded
from lit_seg.data.facts import DatasetFacts
from lit_seg.data.processes import processors
from lit_seg.data.sampling import EvalSampler, Key, Sampling, TrainSampler, shuffled
from lit_seg.data.transforms import EvalTransform, TrainTransform, Transform
from lit_seg.data.workers import WorkerLoader, worker_options
from lit_seg.errors import DataError, check_choice
from lit_seg.files.escape import file_name
from lit_seg.images.data_format import DataFormat
from lit_seg.images.resize import Fit

_LARGEST = 2**15
"""The longest side, in pixels, that OpenCV can resize to and pad."""
Augmentation = Literal["fast", "albumentations"]
_SPLITS_OF: dict[TrainerFn, tuple[SplitName, ...]] = {
    TrainerFn.FITTING: ("train", "val"),
    TrainerFn.TESTING: ("test",),
}


class SegDataModule(DatasetFacts, LightningDataModule):
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
        LightningDataModule.__init__(self)
        native = self.native_size or (0, 0)
        self.height, self.width = height or native[0], width or native[1]
        needed = f"4 to {_LARGEST}, or 0 for the size of the dataset's images"
        if not self.native_size:
            needed = f"given, 4 to {_LARGEST}: the images of {self.folder} may differ in size"
        for name, size in (("height", self.height), ("width", self.width)):
            if not 4 <= size <= _LARGEST:
                raise ValueError(f"`{name}` must be {needed}, got {size}")
        if crop and not 4 <= min(crop) <= max(crop) <= _LARGEST:
            raise ValueError(f"`crop` must be a height and width of 4 to {_LARGEST}, got {crop}")
        if not 1 <= batch_size <= _LARGEST:
            raise ValueError(f"`batch_size` must be 1 to {_LARGEST}, got {batch_size}")
        most = 16 * (os.cpu_count() or 1)
        if num_workers is None:
            ranks = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
            num_workers = min(8, max(2, processors() // ranks - 1))
        if not 0 <= num_workers <= most:  # each is a process on each rank
            raise ValueError(
                f"`num_workers` must be 0 to {most}, 16 per processor, got {num_workers}"
            )
        DatasetFacts.__init__(self, root, void, count_labels)
        self.fit: Fit = fit or ("stretch" if self.native_size else "pad")
        check_choice("fit", self.fit, get_args(Fit))
        self.batch_size = batch_size
        self.crop = crop
        self.scale = scale
        self.flip = flip
        self.jitter = jitter
        self.class_crops = class_crops
        self.sampling = sampling
        if cache is not None:
            check_choice("cache", cache, ("full", "reduced"))
        check_choice("augmentation", augmentation, get_args(Augmentation))
        self.cache = cache
        self.num_workers = num_workers
        self.seed = seed
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
        self._start = {"epoch": 0, "done": 0}
        self.changed_data: Literal["refuse", "accept"] = "refuse"
        """What a run does that goes on with other data than it began with."""
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

    def prepare_data(self) -> None:
        """Check what can be checked cheaply, once, before loggers and workers start."""
        state = self.trainer.state.fn if self.trainer else None
        for name in _SPLITS_OF.get(state or TrainerFn.FITTING, ("val",)):
            split = self._split(name)
            if len(split) == 0:
                raise DataError(f"{self.root}: the {name} split of {self.folder} is empty")
            split.load(0)
            if self.cache:
                self.decoded(name)  # the first rank decodes, the others then find the file
            if name == "train" and self.sampling is not None:
                _ = self.image_counts  # the first rank counts, the others then find it
        if state == TrainerFn.FITTING:
            _ = self.content_hashes

    def setup(self, stage: str) -> None:
        """Know the data on each rank, before they may change; the first rank has read them."""
        if stage == TrainerFn.FITTING:
            _ = self.content_hashes

    def state_dict(self) -> dict[str, str]:
        """What a checkpoint holds of the data."""
        return self.content_hashes

    def load_state_dict(self, state_dict: dict[str, str]) -> None:
        """Refuse to go on with other data than those of the checkpoint."""
        fits = self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        if not fits or self.changed_data == "accept":
            return
        found = self.content_hashes
        changed = [name for name in found if state_dict.get(name, found[name]) != found[name]]
        if changed:
            raise DataError(
                f"{self.root}: the {' and '.join(changed)} images or labels of {self.folder} are "
                "not those that the run began with; put those back, or go on with these by "
                "`--changed_data accept`"
            )

    def decoded(self, name: SplitName) -> DecodedSplit:
        """The samples of a split, decoded by ``cache``; made on first use."""
        if name not in self._decoded:
            limit = None
            if self.cache == "reduced":
                largest = self.scale[1] if name == "train" else 1.0
                limit = Limit((self.height, self.width), self.fit, largest)
            split, what = self._split(name), f"the {name} images of {self.folder}"
            stem = f"{file_name(self.folder)}-{name}"
            meaning = f"{self.label_meaning}\n{self.channels}"
            self._decoded[name] = decoded_split(split, stem, meaning, limit, what)
        return self._decoded[name]

    def remove_decoded(self) -> list[Path]:
        """Remove the decoded files of all splits; return which."""
        return [
            path
            for name in get_args(SplitName)
            for path in remove_decoded(f"{file_name(self.folder)}-{name}")
        ]

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Widen targets to int64 on the device: until there they travel as uint8."""
        if isinstance(batch, dict) and isinstance(batch.get("target"), torch.Tensor):
            batch["target"] = batch["target"].long()
        return batch

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffled, augmented; the same number of full batches on every rank."""
        split = self.decoded("train") if self.cache else self._split("train")
        dataset = SegDataset(split, self._train, self.seed, self._void_class)
        rank, ranks = _rank_and_ranks()
        if self.sampling is not None:
            self.sampling.fit(self.image_counts[:, :-1])
        sampler = TrainSampler(self._order, len(dataset), rank, ranks, **self._start)
        batch_size = self.samples_per_batch // ranks
        if batch_size < self.batch_size:
            rank_zero_info(
                f"{self.folder}: {len(dataset)} training images make batches of {batch_size}, "
                f"not {self.batch_size}"
            )
        return self._loader(dataset, sampler, batch_size, drop_last=True)

    def val_dataloader(self) -> DataLoader[Sample]:
        """Every validation image once, also where there are fewer than ranks."""
        return self._eval_loader("val")

    predict_dataloader = val_dataloader

    def test_dataloader(self) -> DataLoader[Sample]:
        """Every test image once."""
        return self._eval_loader("test")

    def start_at(self, epoch: int, done: int, accumulated: int = 1) -> int:
        """Let training start within an epoch; call this before the training loader is made.

        ``done`` are the samples of the epoch that all ranks together have seen. Returns the batches
        per rank that they make, rounded down to whole steps of ``accumulated`` batches if batches
        have grown.
        """
        batches = min(done // self.samples_per_batch, self.batches_per_epoch)
        if batches < self.batches_per_epoch:
            batches -= batches % accumulated
        self._start = {"epoch": epoch, "done": batches * self.samples_per_batch}
        return batches

    @property
    def samples_per_batch(self) -> int:
        """Training samples per step, of all ranks together; no rank may be left without one."""
        ranks, images = _rank_and_ranks()[1], len(self._split("train"))
        if images < ranks:
            raise DataError(
                f"the {images} training images of {self.folder} do not reach {ranks} ranks: "
                "use fewer devices"
            )
        return ranks * min(self.batch_size, images // ranks)

    @property
    def samples_per_epoch(self) -> int:
        """Training images, with those of an incomplete last batch."""
        return len(self._split("train"))

    @property
    def batches_per_epoch(self) -> int:
        """Batches per rank per epoch; the incomplete last batch is dropped."""
        return len(self._split("train")) // self.samples_per_batch

    @cached_property
    def content_hashes(self) -> dict[str, str]:
        """Hashes of the data that the run trains and validates on, as they are at its start."""
        splits = _SPLITS_OF[TrainerFn.FITTING]
        return {
            name: content_hash(self._split(name), f"{name} of {self.folder}") for name in splits
        }

    def _order(self, epoch: int) -> list[int]:
        if self.sampling is None:
            order = shuffled(len(self._split("train")), self.seed, epoch)
        else:
            order = self.sampling.order(self.seed, epoch)
        return list(map(int, order))

    def _eval_loader(self, name: SplitName) -> DataLoader[Sample]:
        transform: Transform = self._eval.of_images if self.original_labels else self._eval
        batch_size = 1 if self.original_labels else self.batch_size
        kept = self.cache == "full" or (self.cache and not self.original_labels)
        split = self.decoded(name) if kept else self._split(name)
        dataset = SegDataset(split, transform, void_class=self._void_class)
        sampler = EvalSampler(len(dataset), *_rank_and_ranks())
        return self._loader(dataset, sampler, batch_size)

    def _loader(
        self, dataset: SegDataset, sampler: Sampler[Key], batch_size: int, drop_last: bool = False
    ) -> DataLoader[Sample]:
        pixels = max(math.prod(self.crop or ()), self.height * self.width)
        batch_bytes = batch_size * pixels * (self.channels + 1)
        return WorkerLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            pin_memory=torch.cuda.is_available(),
            drop_last=drop_last,
            # the loader draws a seed for its workers here: from the global generator, all later
            # numbers would depend on whether there are workers
            generator=torch.Generator().manual_seed(self.seed),
            **worker_options(self.num_workers, batch_bytes),
        )


def _rank_and_ranks() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
