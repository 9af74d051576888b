"""What all datasets share: a DataModule that a dataset completes with its facts and its files."""

import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.states import TrainerFn
from torch.utils.data import DataLoader, Sampler

from lit_seg.data.dataset import Sample, SegDataset, Split
from lit_seg.data.samplers import EvalSampler, Key, TrainSampler
from lit_seg.data.transforms import EvalTransform, TrainTransform
from lit_seg.errors import DataError
from lit_seg.labels import VOID, ClassCounts

SplitName = Literal["train", "val", "test"]
Colour = tuple[int, int, int]


class SegDataModule(LightningDataModule, ABC):
    """Base of all DataModules: samplers, transforms and loaders.

    A dataset is a subclass that states the facts below and implements :meth:`split`.

    Args:
        root: folder of the dataset; ``$DATA_ROOT/<name>`` by default, and ``data/<name>`` without
            that variable.
        height: of the images that the network sees, in pixels. Evaluation resizes to it, training
            crops to it.
        width: likewise.
        batch_size: samples per step and rank.
        scale: range of the random scale in training, relative to the size in evaluation.
        flip: probability of a horizontal flip in training.
        jitter: strength of the colour changes in training, 0 for none.
        void: ``"ignore"`` leaves void pixels out, ``"train"`` makes them one more class, the last
            (what the code of the recall-loss and PAT papers does).
        num_workers: processes that load samples, per rank.
        seed: of order and augmentation. The command line sets it to ``seed_everything``.

    Raises:
        ValueError: if an argument is out of range.
    """

    folder: ClassVar[str]
    """Name of the dataset in ``make train DATA=<name>`` and of its folder in ``$DATA_ROOT``."""
    names: ClassVar[tuple[str, ...]]
    """Class names in the order of their ids."""
    colours: ClassVar[tuple[Colour, ...]]
    """RGB of each class."""
    counts: ClassVar[ClassCounts]
    """Of the training split, one entry more than classes: the last is void."""
    native_size: ClassVar[tuple[int, int]]
    """Height and width of the dataset's images."""
    how_to_get: ClassVar[str]
    """One sentence for those who do not have the data."""

    def __init__(
        self,
        root: str | None = None,
        height: int = 0,
        width: int = 0,
        batch_size: int = 8,
        scale: tuple[float, float] = (0.75, 2.0),
        flip: float = 0.5,
        jitter: float = 0.3,
        void: Literal["ignore", "train"] = "ignore",
        num_workers: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, size in (("height", height), ("width", width)):
            if size and not 4 <= size <= 2**15:  # what OpenCV can resize to and pad
                raise ValueError(f"`{name}` must be 4 to {2**15}, or 0 for the data's, got {size}")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        most = 16 * (os.cpu_count() or 1)
        if not 0 <= num_workers <= most:  # each is a process on each rank
            raise ValueError(
                f"`num_workers` must be 0 to {most}, 16 per processor, got {num_workers}"
            )
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"`scale` must be a range of positive factors, got {scale}")
        if not 0 <= flip <= 1 or not 0 <= jitter < 1:
            raise ValueError(
                f"`flip` must be in [0, 1] and `jitter` in [0, 1), got {flip} and {jitter}"
            )
        if void not in ("ignore", "train"):
            raise ValueError(f"`void` must be 'ignore' or 'train', got {void!r}")
        self.root = Path(root) if root else Path(os.environ.get("DATA_ROOT", "data")) / self.folder
        self.height = height or self.native_size[0]
        self.width = width or self.native_size[1]
        self.batch_size = batch_size
        self.scale = scale
        self.flip = flip
        self.jitter = jitter
        self.void = void
        self.num_workers = num_workers
        self.seed = seed
        self._splits: dict[SplitName, Split] = {}
        self._start = {"epoch": 0, "done": 0}

    @abstractmethod
    def split(self, name: SplitName) -> Split:
        """Find the samples of a split.

        Raises:
            DataError: if it is not there or not complete.
        """

    @property
    def class_names(self) -> list[str]:
        """Names of the classes that are trained, in the order of their ids."""
        return [*self.names, "void"] if self.void == "train" else list(self.names)

    @property
    def palette(self) -> list[Colour]:
        """RGB of each class that is trained."""
        return [*self.colours, (0, 0, 0)] if self.void == "train" else list(self.colours)

    @property
    def class_counts(self) -> ClassCounts:
        """What the training split holds of each class that is trained."""
        return self.counts.first(len(self.class_names))

    def prepare_data(self) -> None:
        """Check what can be checked cheaply, once, before loggers and workers start."""
        state = self.trainer.state.fn if self.trainer else None
        for name in _splits_of(state or TrainerFn.FITTING):
            split = self._split(name)
            if len(split) == 0:
                raise DataError(f"{self.root}: the {name} split of {self.folder} is empty")
            split.load(0)
        if (
            self.trainer
            and self.trainer.world_size > 1
            and self.trainer._accelerator_connector.use_distributed_sampler
        ):
            raise DataError(
                "`trainer.use_distributed_sampler` must be false: Lightning's sampler scores some "
                "validation images twice, the one of this DataModule none"
            )

    def train_dataloader(self) -> DataLoader[Sample]:
        """Shuffled, augmented; the same number of full batches on every rank."""
        transform = TrainTransform(
            self.height,
            self.width,
            self.height / self.native_size[0],
            self.scale,
            self.flip,
            self.jitter,
        )
        dataset = SegDataset(self._split("train"), transform, self.seed, self._void_class)
        rank, ranks = _rank_and_ranks()
        sampler = TrainSampler(len(dataset), self.seed, rank, ranks, **self._start)
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

    def test_dataloader(self) -> DataLoader[Sample]:
        """Every test image once."""
        return self._eval_loader("test")

    def predict_dataloader(self) -> DataLoader[Sample]:
        """The validation images."""
        return self._eval_loader("val")

    def start_at(self, epoch: int, done: int) -> int:
        """Let training start within an epoch; to be called before its loader is made.

        Args:
            epoch: counted from 0.
            done: samples of it that all ranks together have seen.

        Returns:
            How many batches of a rank that is; rounded down, should the batches have grown.
        """
        batches = min(done // self.samples_per_batch, self.batches_per_epoch)
        self._start = {"epoch": epoch, "done": batches * self.samples_per_batch}
        return batches

    @property
    def samples_per_batch(self) -> int:
        """Training samples that all ranks together see at a time.

        Raises:
            DataError: if there are fewer than ranks.
        """
        ranks, images = _rank_and_ranks()[1], len(self._split("train"))
        if images < ranks:
            raise DataError(
                f"the {images} training images of {self.folder} do not reach {ranks} ranks: "
                "use fewer devices"
            )
        return ranks * min(self.batch_size, images // ranks)

    @property
    def batches_per_epoch(self) -> int:
        """Of each rank; what does not fill one is left out."""
        return len(self._split("train")) // self.samples_per_batch

    def _eval_loader(self, name: SplitName) -> DataLoader[Sample]:
        transform = EvalTransform(self.height, self.width)
        dataset = SegDataset(self._split(name), transform, void_class=self._void_class)
        sampler = EvalSampler(len(dataset), *_rank_and_ranks())
        return self._loader(dataset, sampler, self.batch_size)

    def _loader(
        self, dataset: SegDataset, sampler: Sampler[Key], batch_size: int, drop_last: bool = False
    ) -> DataLoader[Sample]:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            drop_last=drop_last,
            worker_init_fn=_leave_signals_to_the_trainer,
            # workers draw a seed here; from the global generator it would change with their number
            generator=torch.Generator().manual_seed(self.seed),
        )

    def _split(self, name: SplitName) -> Split:
        if name not in self._splits:
            self._splits[name] = self.split(name)
        return self._splits[name]

    @property
    def _void_class(self) -> int:
        return len(self.names) if self.void == "train" else VOID

    def _missing(self, what: Path) -> DataError:
        return DataError(
            f"{what}: not found. {self.how_to_get} Then put it into {self.root}, or set DATA_ROOT "
            f"to the folder that holds `{self.folder}/`."
        )


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Ctrl-C and schedulers signal all processes: those that load go on until they are told."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, signal.SIG_IGN)


def _splits_of(state: TrainerFn) -> list[SplitName]:
    if state == TrainerFn.FITTING:
        return ["train", "val"]
    return ["test"] if state == TrainerFn.TESTING else ["val"]


def _rank_and_ranks() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
