"""What any DataModule needs so that a resumed run sees the batches that an undisturbed one sees."""

import os
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.states import TrainerFn
from torch.utils.data import DataLoader, Dataset, Sampler

from lit_seg.data.card import SplitName
from lit_seg.data.sampling import EvalSampler, Order, TrainSampler, shuffled
from lit_seg.data.workers import WorkerLoader, processors, worker_options
from lit_seg.errors import DataError

MOST = 2**15
"""The largest batch; also the longest side, in pixels, that OpenCV can resize to and pad."""
CLASSES = "classes"
"""The key of a hash of what stored labels stand for, beside those of the splits."""
_SPLITS_OF: dict[TrainerFn, tuple[SplitName, ...]] = {
    TrainerFn.FITTING: ("train", "val"),
    TrainerFn.TESTING: ("test",),
}


class _Sampling(Protocol):
    def order(self, seed: int, epoch: int) -> Order: ...


class ResumableDataModule(LightningDataModule, ABC):
    """Batches that are functions of (seed, epoch, index), and hashes of the data they come from.

    Args:
        batch_size: samples per step and rank.
        sampling: the order of an epoch; by default every image is shown once.
        num_workers: processes that load samples, per rank; by default 2 to 8, by the processors.
        seed: seed of order and augmentation.
    """

    folder: str
    root: Path

    def __init__(
        self, batch_size: int, sampling: _Sampling | None, num_workers: int | None, seed: int
    ) -> None:
        super().__init__()
        if not 1 <= batch_size <= MOST:
            raise ValueError(f"`batch_size` must be 1 to {MOST}, got {batch_size}")
        most = 16 * (os.cpu_count() or 1)
        if num_workers is None:
            ranks = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
            num_workers = min(8, max(2, processors() // ranks - 1))
        if not 0 <= num_workers <= most:  # each is a process on each rank
            raise ValueError(
                f"`num_workers` must be 0 to {most}, 16 per processor, got {num_workers}"
            )
        self.batch_size = batch_size
        self.sampling = sampling
        self.num_workers = num_workers
        self.seed = seed
        self._start = {"epoch": 0, "done": 0}
        self.changed_data: Literal["refuse", "accept"] = "refuse"
        """What a run does that goes on with other data than it began with."""

    @abstractmethod
    def _split(self, name: SplitName) -> Any:
        """The samples of a split, with ``len`` and ``load(index)``; found once."""

    @abstractmethod
    def _content_hash(self, name: SplitName) -> str:
        """Hash the samples of a split."""

    def prepare_data(self) -> None:
        """Check what can be checked cheaply, once, before loggers and workers start."""
        state = self.trainer.state.fn if self.trainer else None
        for name in _SPLITS_OF.get(state or TrainerFn.FITTING, ("val",)):
            self._look_at(name)
        if state == TrainerFn.FITTING:
            _ = self.content_hashes

    def _look_at(self, name: SplitName) -> None:
        split = self._split(name)
        if len(split) == 0:
            raise DataError(f"{self.root}: the {name} split of {self.folder} is empty")
        split.load(0)

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
        if changed == [CLASSES]:
            raise DataError(
                f"{self.root}: the options make other classes of the labels of {self.folder} than "
                "those that the run began with; give the classes as they were, or go on with these "
                "by `--changed_data accept`"
            )
        if splits := [name for name in changed if name != CLASSES]:
            raise DataError(
                f"{self.root}: the {' and '.join(splits)} images or labels of {self.folder} are "
                "not those that the run began with; put those back, or go on with these by "
                "`--changed_data accept`"
            )

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
        ranks, images = rank_and_ranks()[1], len(self._split("train"))
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
        return {name: self._content_hash(name) for name in _SPLITS_OF[TrainerFn.FITTING]}

    def _order(self, epoch: int) -> list[int]:
        if self.sampling is None:
            order = shuffled(len(self._split("train")), self.seed, epoch)
        else:
            order = self.sampling.order(self.seed, epoch)
        return list(map(int, order))

    def _train_sampler(self) -> TrainSampler:
        return TrainSampler(
            self._order, len(self._split("train")), *rank_and_ranks(), **self._start
        )

    def _train_loader(self, dataset: Dataset[Any], sample_bytes: int) -> DataLoader[Any]:
        """Load the same number of full batches on every rank, from where :meth:`start_at` says."""
        batch_size = self.samples_per_batch // rank_and_ranks()[1]
        if batch_size < self.batch_size:
            rank_zero_info(
                f"{self.folder}: {self.samples_per_epoch} training images make batches of "
                f"{batch_size}, not {self.batch_size}"
            )
        sampler = self._train_sampler()
        return self._loader(dataset, sampler, batch_size, sample_bytes, drop_last=True)

    def _whole_loader(
        self, dataset: Dataset[Any], size: int, batch_size: int, sample_bytes: int
    ) -> DataLoader[Any]:
        """Each of the ``size`` samples once over all ranks, also where there are fewer of them."""
        sampler = EvalSampler(size, *rank_and_ranks())
        return self._loader(dataset, sampler, batch_size, sample_bytes)

    def _loader(
        self,
        dataset: Dataset[Any],
        sampler: Sampler[Any],
        batch_size: int,
        sample_bytes: int,
        drop_last: bool = False,
    ) -> DataLoader[Any]:
        return WorkerLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            pin_memory=torch.cuda.is_available(),
            drop_last=drop_last,
            # the loader draws a seed for its workers here: from the global generator, all later
            # numbers would depend on whether there are workers
            generator=torch.Generator().manual_seed(self.seed),
            **worker_options(self.num_workers, batch_size * sample_bytes),
        )


def rank_and_ranks() -> tuple[int, int]:
    """This process's rank and the number of ranks."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
