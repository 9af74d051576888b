"""Semantic segmentation: any smp network with any loss of the protocol."""

import math
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from timm.layers import convert_sync_batchnorm
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_seg.config.parse_errors import explain
from lit_seg.config.trust import only_trusted
from lit_seg.data.dataset import Sample
from lit_seg.distributed.step_exchange import exchange, is_finite, non_finite
from lit_seg.errors import NonFiniteError, RunError
from lit_seg.losses import CrossEntropyLoss, LossFactory
from lit_seg.metrics import (
    ClassScores,
    ConfusionMatrix,
    PixelMean,
    confusion_scores,
    image_counts,
    predict_labels,
)
from lit_seg.metrics.collectives import gather_over_ranks, sum_over_ranks
from lit_seg.metrics.labels import ClassCounts, void_of
from lit_seg.tasks.network import (
    build_network,
    check_backend,
    load_encoder_weights,
    load_local_weights,
    size_multiple,
)
from lit_seg.tasks.resume import (
    changed_options,
    check_fits,
    check_takes_steps,
    forget_horizon,
    put_on_schedule,
)

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class LitSegmenter(LightningModule):
    """Trains and scores a segmentation network.

    Logs ``train/{loss,lr}``, ``val/{loss,ce,miou,macc,mprec,pixel_acc,classes_scored}`` and
    ``val/{iou,recall,precision}/<class>``, likewise under ``test/``. Scores are of the whole
    dataset, from one confusion matrix; ``ce`` is plain cross-entropy, comparable between losses.
    ``val/loss`` is the mean of the batches' losses, each weighted by its valid pixels.

    Args:
        class_counts: pixels per class of the training set (or more, as :class:`ClassCounts`).
        class_names: in the order of the class ids; ``class_0`` and so on by default.
        loss: makes the loss from the class counts.
        architecture: of ``segmentation_models_pytorch``, such as ``unet`` or ``deeplabv3plus``.
        encoder: likewise, such as ``resnet18``.
        options: more arguments of the smp model.
        weights: published encoder weights to start from, such as ``imagenet``; when they cannot
            be had the encoder starts from random ones and a line says so.
        init: checkpoint or state dict to start from; comes after ``weights``.
        optimizer: makes the optimizer from the parameters.
        lr_scheduler: makes a scheduler from the optimizer and the number of optimisation steps,
            and steps with each of them: ``PolynomialLR`` and ``CosineAnnealingLR`` fit.
        channels_last: keep images and weights in the layout that convolutions prefer.
        compile: backend of ``torch.compile`` for the network, such as ``inductor``; null for none.
            The loss is never compiled: it counts, and ranks meet in it.
        sync_batchnorm: on several GPUs take batch statistics over all of them, so that they equal
            those of one process with the whole batch. On CPUs torch has no such layer.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        class_counts: Sequence[int] | ClassCounts | Mapping[str, Any],
        class_names: Sequence[str] | None = None,
        loss: LossFactory = CrossEntropyLoss,
        architecture: str = "unet",
        encoder: str = "resnet18",
        options: dict[str, Any] | None = None,
        weights: str | None = None,
        init: str | None = None,
        optimizer: Callable[[Any], Optimizer] = AdamW,
        lr_scheduler: Callable[[Optimizer, int], LRScheduler] | None = None,
        channels_last: bool = True,
        compile: str | None = None,
        sync_batchnorm: bool = True,
    ) -> None:
        super().__init__()
        if isinstance(class_counts, Mapping):  # as a checkpoint holds them
            class_counts = ClassCounts(**class_counts)
        n = len(class_counts)
        names = list(class_names) if class_names else [f"class_{c}" for c in range(n)]
        if len(names) != n or len(set(names)) != n:
            raise ValueError(
                f"`class_names` must be {n} different names, one per entry of `class_counts`, "
                f"got {names}"
            )
        if compile is not None:
            check_backend(compile)
        self.save_hyperparameters()
        if isinstance(class_counts, ClassCounts):
            # plain, so that checkpoints load with weights_only=True
            self.hparams["class_counts"] = asdict(class_counts)
        self.class_names = names
        self.encoder = encoder
        self.weights = weights
        self.init = init
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.compile_backend = compile
        self.sync_batchnorm = sync_batchnorm
        self.network = build_network(architecture, encoder, n, options or {})
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.size_multiple = size_multiple(self.network)
        self.loss = loss(class_counts)
        self.class_pixels: list[int] = self.loss.class_pixels.tolist()
        self.confusion = ConfusionMatrix(n)
        self.mean_loss = PixelMean()
        self.mean_ce = PixelMean()
        self.wants_to_stop = False
        """Set by a signal; ranks tell each other with each loss."""
        self.all_stop = False
        """Whether any rank wanted to stop when it last told the others."""
        self._changed: set[str] = set()  # options of the optimizer that a resumed run changes
        self._broken: NonFiniteError | None = None  # the first such batch of a validation
        self.scores: ClassScores | None = None
        """Of the last complete pass over a validation or test set."""
        self.image_counts: dict[str, Tensor] = {}
        """Of the images of that pass, by name: ``(3, C)`` pixels labelled, predicted, and hit."""
        self._counted: list[tuple[str, Tensor]] = []  # of this rank in the pass under way
        self.scored_step = -1
        """How many steps were done when the scores were taken."""
        mean, std = torch.tensor([_IMAGENET_MEAN, _IMAGENET_STD]).mul(255).view(2, 1, 3, 1, 1)
        self.register_buffer("pixel_mean", mean, persistent=False)
        self.register_buffer("pixel_std", std, persistent=False)

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Self:
        """Like Lightning's, but what the checkpoint names is imported from known packages only.

        Raises:
            RunError: if it names a class of another package; run within
                ``lit_seg.config.trust.only_trusted(packages=[...])`` if you trust that.
        """
        kwargs.setdefault("weights_only", True)  # of a URL Lightning would unpickle anything
        with only_trusted():
            try:
                return super().load_from_checkpoint(*args, **kwargs)
            except ArgumentError as error:
                raise RunError(explain(str(error))) from None

    def forward(self, image: Tensor) -> Tensor:
        """Logits of images of any size.

        Args:
            image: ``(N, 3, H, W)`` uint8 RGB.

        Returns:
            ``(N, C, H, W)`` logits. Sizes that the network cannot take are padded with the mean
            colour on the right and at the bottom, and the logits cropped back.
        """
        height, width = image.shape[2:]
        x = (image - self.pixel_mean) / self.pixel_std
        bottom, right = -height % self.size_multiple, -width % self.size_multiple
        if bottom or right:
            x = F.pad(x, (0, right, 0, bottom))
        try:
            logits: Tensor = self.network(x.contiguous(memory_format=self.memory_format))
        # some architectures take few sizes
        except (AssertionError, ValueError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "size is too small" not in str(error):
                raise  # no memory, and the like
            name = type(self.network).__name__
            raise RunError(
                f"{name} cannot take {len(image)} images of {height}x{width}: {error}. "
                "Change `data.init_args.height`, `width` or `batch_size`, or the model"
            ) from error
        return logits[:, :, :height, :width]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other classes or another network, and keep this run's horizon."""
        check_fits(checkpoint, self.class_names, self.state_dict())
        forget_horizon(checkpoint)
        if self._trainer is None:
            return
        if self.trainer.precision == "64-true":
            self.network.double()  # Lightning does after loading, and all would be rounded
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._changed = changed_options(checkpoint, self.hparams)

    def on_train_start(self) -> None:
        """Put a resumed run on the schedule of its own length and options.

        Schedulers step from the last rate, so one that had reached 0 would stay there; and the
        checkpoint brings the optimizer's options, which the resumed run may have changed.
        """
        if not self.global_step:
            return
        for optimizer in self.trainer.optimizers:
            for group, options in zip(optimizer.param_groups, self._options, strict=True):
                group.update({k: v for k, v in options.items() if k in self._changed})
        schedulers = self.lr_schedulers() or []
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            put_on_schedule(scheduler)

    def setup(self, stage: str) -> None:
        """Fetch the weights to start from, before DDP makes all ranks equal, and compile."""
        if stage == "fit":
            if self.weights:
                load_encoder_weights(self.network, self.encoder, self.weights)
            if self.init:
                load_local_weights(self.network, self.init)
            if self.sync_batchnorm and self.trainer.world_size > 1 and self.device.type == "cuda":
                # torch's own would drop the activations that timm's batch norms contain
                self.network = convert_sync_batchnorm(self.network)
        if self.compile_backend is not None:
            self.network.compile(backend=self.compile_backend)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The given optimizer, and its schedule over all steps of the run."""
        optimizer = self.optimizer(self.parameters())
        moving = {"params"} if self.lr_scheduler is None else {"params", "lr"}
        self._options = [
            {key: value for key, value in group.items() if key not in moving}
            for group in optimizer.param_groups
        ]
        if self.lr_scheduler is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise RunError("a schedule needs an end: set `trainer.max_epochs` or `max_steps`")
        try:
            scheduler = self.lr_scheduler(optimizer, int(steps))
            check_takes_steps(scheduler, self.hparams.get("lr_scheduler"))
        except TypeError as error:
            raise RunError(
                f"`model.lr_scheduler` is made from the optimizer and the number of steps: {error}"
            ) from error
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_batch_start(self, batch: Sample, batch_idx: int) -> None:
        """Tell the loss how far training is."""
        self.loss.set_progress(min(1.0, self.global_step / self.trainer.estimated_stepping_batches))

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """The loss of a batch; its mean over ranks is logged.

        Raises:
            NonFiniteError: on all ranks, if it or the logits are NaN or infinite on one.
        """
        logits = self(batch["image"])
        loss: Tensor = self.loss(logits, batch["target"])
        report = exchange(loss, is_finite(loss, logits), self.wants_to_stop)
        self.all_stop = report.stop
        if not report.finite:
            raise non_finite(f"step {self.global_step}", loss, logits, batch["name"])
        self.log("train/loss", report.loss, prog_bar=True)
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """Have the last of ``max_steps`` validated, also within an epoch: it may be the best."""
        if self.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Count a validation batch."""
        self._count(batch, "validation")

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        """Count a test batch."""
        self._count(batch, "test")

    def predict_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """``(N, H, W)`` predicted class ids of a batch."""
        return predict_labels(self._logits(batch))

    def on_validation_epoch_end(self) -> None:
        """Score the validation set."""
        self._score("val")

    def on_test_epoch_end(self) -> None:
        """Score the test set."""
        self._score("test")

    @property
    def needs_scoring(self) -> bool:
        """Whether steps were done since the last validation, and there is something to validate."""
        return self.scored_step != self.global_step and self.trainer.enable_validation

    def _logits(self, batch: Sample) -> Tensor:
        logits: Tensor = self(batch["image"])
        return logits.float().contiguous()

    def _count(self, batch: Sample, stage: str) -> None:
        logits = self._logits(batch)
        target = batch["target"]
        void = void_of(len(self.class_names))
        pixels = (target != void).sum()
        loss = self.loss(logits, target)
        if self._broken is None and not is_finite(loss, logits):
            self._broken = non_finite(stage, loss, logits, batch["name"])
        self.mean_loss.update(loss, pixels)
        ce = F.cross_entropy(logits, target, ignore_index=void, reduction="sum")
        self.mean_ce.update(ce / pixels.clamp(min=1), pixels)
        preds = predict_labels(logits)
        self.confusion.update(preds, target)
        counts = image_counts(preds, target, len(self.class_names)).cpu()
        self._counted += [(name, c) for name, c in zip(batch["name"], counts, strict=True) if name]

    def _score(self, stage: str) -> None:
        broken, self._broken = self._broken, None
        counted, self._counted = self._counted, []
        if sum_over_ranks(torch.tensor(broken is not None, dtype=torch.long, device=self.device)):
            raise broken or NonFiniteError(f"{stage}: logits of another rank are NaN or infinite")
        scores = confusion_scores(self.confusion.compute().cpu())
        values = {
            "loss": self.mean_loss.compute(),
            "ce": self.mean_ce.compute(),
            "miou": scores.miou,
            "macc": scores.macc,
            "mprec": scores.mprec,
            "pixel_acc": scores.pixel_acc,
            "classes_scored": torch.tensor(float(scores.num_scored)),
        }
        for c, name in enumerate(self.class_names):
            values[f"iou/{name}"] = scores.iou[c]
            values[f"recall/{name}"] = scores.recall[c]
            values[f"precision/{name}"] = scores.precision[c]
        shown = ("miou", "macc")
        for key, value in values.items():
            # computed from counts of all ranks: the same everywhere, nothing left to reduce
            self.log(f"{stage}/{key}", value.float(), prog_bar=key in shown, rank_zero_only=False)
        for metric in (self.mean_loss, self.mean_ce, self.confusion):
            metric.reset()
        if not self.trainer.sanity_checking:
            self.image_counts = dict(sorted(gather_over_ranks(counted)))
            self.scores = scores
            self.scored_step = self.global_step
