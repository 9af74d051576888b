"""Trains and scores a segmentation network with any loss of ``lit_seg.losses``."""

import time
from argparse import ArgumentError
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, Self

import torch
from pytorch_lightning.trainer.states import TrainerFn
from timm.layers import convert_sync_batchnorm
from torch import Tensor
from torch.optim import AdamW, Optimizer

from lit_seg.config.parse_errors import explain
from lit_seg.config.trust import only_trusted
from lit_seg.data.dataset import Sample, check_batch
from lit_seg.errors import RunError, check_choice
from lit_seg.images.data_format import DataFormat
from lit_seg.images.resize import fitted_size
from lit_seg.inference.prior import balanced
from lit_seg.inference.views import predicted, score
from lit_seg.losses import CrossEntropyLoss, LossFactory
from lit_seg.losses.base import at_least_zero
from lit_seg.losses.logit_adjustment import log_prior
from lit_seg.losses.own_weights import own_weights
from lit_seg.metrics import ClassScores
from lit_seg.metrics.collectives import take_from_first_rank
from lit_seg.metrics.labels import ClassCounts, Counts
from lit_seg.models.any_size import padded_forward, size_multiple
from lit_seg.models.build import DEFAULT_ENCODER, build_network
from lit_seg.models.input_check import check_images
from lit_seg.models.low_resolution import last_upsampling
from lit_seg.models.normalisation import (
    IMAGENET,
    NORMALISATION,
    as_planes,
    in_bytes,
    published_statistics,
)
from lit_seg.models.resized_logits import Logits
from lit_seg.tasks.evaluation import Evaluation
from lit_seg.tasks.exchanged_module import ExchangedModule
from lit_seg.tasks.schedule import LR_FACTOR, SchedulerFactory
from lit_seg.tasks.scoring import TAUS, Scoring
from lit_seg.tasks.weights import check_fits, load_encoder_weights, load_local_weights


class LitSegmenter(ExchangedModule):
    """Trains and scores a segmentation network.

    It logs ``train/{loss,lr}``, ``val/{loss,ce,miou,macc,mprec,pixel_acc,classes_scored}`` and
    ``val/{iou,recall,precision}/<class>``, and the same values under ``test/``. Scores come from
    one confusion matrix of the whole dataset. ``ce`` is plain cross-entropy, which is comparable
    between losses. ``val/loss`` is the mean of the batches' losses, weighted by their valid pixels.

    Args:
        class_counts: pixels per class of the training set, or a :class:`ClassCounts`.
        class_names: in the order of the class ids; ``class_0`` and so on by default.
        loss: makes the loss from the class counts.
        architecture: of ``segmentation_models_pytorch`` (smp), such as ``unet``, or of the two
            papers: ``pat_unet``, ``pat_unetplusplus``, ``pat_attention_unet``, ``segnet`` and
            ``recall_paper``.
        encoder: of smp, such as ``resnet18``. Images are normalised as its published weights
            expect; the checkpoint holds that mean and standard deviation. ``recall_paper`` has
            ``resnet18``, ``resnet50`` and ``resnet101``; PAT's networks have none.
        options: more arguments of the network.
        weights: name of published encoder weights to start from, such as ``imagenet``. If they
            cannot be downloaded the encoder starts from random weights and a line says so.
        init: checkpoint or state dict to start from; it is loaded after ``weights``.
        optimizer: makes the optimizer from the parameters.
        lr_scheduler: a scheduler of torch with its arguments, or a function that makes one from
            the optimizer and the length of the run. ``PolynomialLR``, ``CosineAnnealingLR`` and
            ``OneCycleLR`` span the run where no length is given.
        lr_interval: whether the schedule takes a step after each optimisation step or epoch; its
            lengths are counted in these.
        lr_monitor: the score of a validation after which ``ReduceLROnPlateau`` takes a step.
        channels_last: whether images and weights have the layout that convolutions prefer.
        compile: backend of ``torch.compile`` for the network, such as ``inductor``; null for none.
            It is not for the loss, which exchanges counts between ranks.
        loss_backend: ``compiled`` compiles the pass of the loss over logits of full size on the
            CPU, which needs a C++ compiler and half a minute at its first use on a machine.
        fused_upsampling: whether a network that ends with an upsampling of its logits leaves it to
            loss and prediction, which do it part by part. Logits of full size, which take most of
            the memory, are then never made by losses that are means over pixels. The results are
            the same up to rounding.
        sync_batchnorm: whether batch statistics are taken over all GPUs, so that they equal those
            of one process with the whole batch. On CPUs torch has no such layer.
        class_weights: weights of your own on top of the loss's, by name (``{pole: 4}``, the others
            weigh 1) or one per class; of every loss that is a mean over pixels, which becomes a
            weighted mean.
        encoder_lr_factor: what the learning rate of the encoder is multiplied by, such as .1; 0
            freezes it, with its batch statistics. ``train/lr`` is that of the other parameters.
        data_format: palette, label ids, image size and channels of the dataset; the command line
            sets it. The checkpoint holds it, so that prediction and export need no dataset.
    """

    pixel_mean: Tensor
    pixel_std: Tensor
    log_prior: Tensor

    def __init__(
        self,
        class_counts: Counts | Mapping[str, Any],
        class_names: Sequence[str] | None = None,
        loss: LossFactory = CrossEntropyLoss,
        architecture: str = "unet",
        encoder: str | None = DEFAULT_ENCODER,
        options: dict[str, Any] | None = None,
        weights: str | None = None,
        init: str | None = None,
        optimizer: Callable[[Any], Optimizer] = AdamW,
        lr_scheduler: SchedulerFactory | None = None,
        lr_interval: Literal["step", "epoch"] = "step",
        lr_monitor: str = "val/loss",
        channels_last: bool = True,
        compile: str | None = None,
        loss_backend: Literal["auto", "compiled"] = "auto",
        fused_upsampling: bool = True,
        sync_batchnorm: bool = True,
        class_weights: dict[str, float] | list[float] | None = None,
        encoder_lr_factor: float = 1.0,
        data_format: DataFormat | dict[str, Any] | None = None,
    ) -> None:
        super().__init__(optimizer, lr_scheduler, lr_interval, lr_monitor)
        if isinstance(class_counts, Mapping):  # from a checkpoint
            class_counts = ClassCounts(**class_counts)
        n = len(class_counts)
        names = list(class_names) if class_names else [f"class_{c}" for c in range(n)]
        if len(names) != n or len(set(names)) != n:
            raise ValueError(
                f"`class_names` must be {n} different names, one per entry of `class_counts`, "
                f"got {names}"
            )
        if compile is not None:
            known = [*torch.compiler.list_backends(), "eager", "aot_eager"]
            if compile not in known:
                there = ", ".join(known)
                raise ValueError(f"`compile`: there is no backend {compile!r}; there are {there}")
        self.encoder_lr_factor = at_least_zero("encoder_lr_factor", encoder_lr_factor)
        if encoder_lr_factor == 0 and not (weights or init):
            raise ValueError(
                "`encoder_lr_factor` 0 freezes the encoder, which would start from random weights; "
                "give `weights` (WEIGHTS=imagenet) or `init` (INIT=<file>)"
            )
        self.save_hyperparameters()
        if isinstance(class_counts, ClassCounts):
            # a plain dict, for W&B and so that checkpoints load with weights_only=True
            self.save_hyperparameters({"class_counts": asdict(class_counts)})
        if isinstance(data_format, Mapping):  # from a checkpoint
            data_format = DataFormat.of(data_format)
        elif data_format is not None:
            self.save_hyperparameters({"data_format": data_format.plain()})
        self.class_names = names
        self.weights = weights
        self.init = init
        self.compile_backend = compile
        self.fused_upsampling = fused_upsampling
        self.sync_batchnorm = sync_batchnorm
        self.channels = data_format.channels if data_format else 3
        self.network = build_network(architecture, encoder, n, options or {}, self.channels)
        self.encoder = encoder if hasattr(self.network, "encoder") else None
        if self.encoder is None:
            self.save_hyperparameters({"encoder": None})
            for name, value, default in (
                ("weights", weights, None),
                ("encoder_lr_factor", encoder_lr_factor, 1),
            ):
                if value != default:
                    raise ValueError(
                        f"`{name}`: {architecture} has no encoder, got {value!r}; leave it out"
                    )
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        if encoder_lr_factor == 0:
            self.network.get_submodule("encoder").requires_grad_(False)
            self.network.get_submodule("encoder").eval()
        self.size_multiple = size_multiple(self.network)
        self.loss = loss(class_counts)
        check_choice("loss_backend", loss_backend, ("auto", "compiled"))
        self.loss.backend = loss_backend
        if fused_upsampling and (upsampling := last_upsampling(self.network)):
            self.loss.align_corners = upsampling.align_corners
        if class_weights is not None:
            self.loss.set_class_weight(own_weights(class_weights, names))
        self.class_pixels: list[int] = self.loss.class_pixels.tolist()
        self.data_format = data_format
        self.scoring = Scoring()
        self.evaluation = Evaluation(names)
        self.scores: ClassScores | None = None
        """The scores of the last complete pass over a validation or test set."""
        self.image_counts: dict[str, Tensor] = {}
        """``(3, C)`` pixels labelled, predicted and hit of each image of that pass, by name."""
        self.scoring_seconds = 0.0
        """How long that pass took, with loading."""
        self._begun = 0.0  # the clock at its start
        self.boundary_counts: Tensor | None = None
        """``(C, 3)`` pixels near true, predicted and both boundaries, if `scoring` asks for it."""
        self.confusion_of_taus = torch.zeros(0, n, n, dtype=torch.long)
        """``(T, C, C)``, what that pass would have counted with each of ``TAUS``, if asked for."""
        if data_format and data_format.mean:
            mean, std = as_planes(torch.tensor([data_format.mean, data_format.std]))
        else:
            mean, std = in_bytes(published_statistics(self.network, self.encoder, weights))
        self.register_buffer("pixel_mean", mean, persistent=False)
        self.register_buffer("pixel_std", std, persistent=False)

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Self:
        """Load a checkpoint as Lightning does, but import only known packages that it names.

        Raises:
            RunError: if it names a class of another package; run within
                ``lit_seg.config.trust.only_trusted(packages=[...])`` if you trust that.
        """
        kwargs.setdefault("weights_only", True)  # Lightning would unpickle anything from a URL
        with only_trusted(own=("lit_seg.losses", "lit_seg.tasks.warm_up")):
            try:
                return super().load_from_checkpoint(*args, **kwargs)
            except ArgumentError as error:
                raise RunError(explain(str(error))) from None

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, C, H, W)`` logits of ``(N, channels, H, W)`` images of any size.

        They are uint8, RGB where there are three channels; others may hold 16 bits, as int32.
        """
        return self.logits(image).whole()

    def logits(self, image: Tensor) -> Logits:
        """Compute the logits of :meth:`forward`, which are not upsampled yet if that is fused."""
        check_images(image, self.channels)
        x = (image - self.pixel_mean) / self.pixel_std
        layout = self.size_multiple, self.memory_format
        return padded_forward(self.network, x, *layout, self.fused_upsampling)

    def train(self, mode: bool = True) -> Self:
        """Switch the mode as usual, but a frozen encoder keeps its batch statistics."""
        super().train(mode)
        if self.encoder_lr_factor == 0:
            self.network.get_submodule("encoder").eval()
        return self

    def parameter_groups(self) -> Iterable[Any]:
        """All parameters in one group, or two groups, the encoder with its own rate."""
        if self.encoder_lr_factor in (0, 1):
            return self.parameters()
        encoder = list(self.network.get_submodule("encoder").parameters())
        known = set(encoder)
        others = [parameter for parameter in self.parameters() if parameter not in known]
        return [{"params": others}, {"params": encoder, LR_FACTOR: self.encoder_lr_factor}]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save how this run normalises images, because a newer timm may do it in another way."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[NORMALISATION] = torch.stack((self.pixel_mean, self.pixel_std))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Normalise images as the run did; refuse other classes, network or loss."""
        check_fits(checkpoint, self.class_names, self.state_dict())
        mean, std = checkpoint.get(NORMALISATION, in_bytes(torch.tensor(IMAGENET)))
        self.pixel_mean.copy_(mean)
        self.pixel_std.copy_(std)
        super().on_load_checkpoint(checkpoint)
        if (trainer := self.trainer_or_none) and trainer.precision == "64-true":
            self.network.double()  # Lightning does so after loading, when values are rounded

    def score_by(self, scoring: Scoring) -> None:
        """Let later passes over a validation or test set score images by other options."""
        self.scoring = scoring
        taus = TAUS if scoring.tau_sweep else ()
        self.evaluation = Evaluation(self.class_names, taus, scoring.boundary_iou)
        self.register_buffer("log_prior", log_prior(self.class_pixels).float(), persistent=False)

    def setup(self, stage: str) -> None:
        """Load the weights to start from, before DDP copies them to all ranks, and compile."""
        if stage == "fit":
            loaded = False
            if self.weights and self.encoder:
                loaded = load_encoder_weights(self.network, self.encoder, self.weights)
                if not (loaded or self.init or self.encoder_lr_factor):
                    raise RunError(
                        f"`encoder_lr_factor` 0 freezes the encoder, and its {self.weights} "
                        "weights cannot be had; give a local file by INIT=<path>"
                    )
            if self.init:
                load_local_weights(self.network, self.init, published=loaded)
            if self.sync_batchnorm and self.trainer.world_size > 1 and self.device.type == "cuda":
                # torch's own conversion drops the activations that timm's batch norms contain
                self.network = convert_sync_batchnorm(self.network)
        if self.compile_backend is not None:
            self.network.compile(backend=self.compile_backend)

    def on_train_batch_start(self, batch: Sample, batch_idx: int) -> None:
        """Tell the loss which fraction of the training is done."""
        self.loss.set_progress(min(1.0, self.global_step / self.trainer.estimated_stepping_batches))

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Compute the loss of a batch; :meth:`on_after_backward` looks at it."""
        check_batch(batch, ("image", "target"))
        logits, target = self.logits(batch["image"]).for_loss(
            batch["target"], self.loss.void, self.loss.upsampling
        )
        loss: Tensor = self.loss(logits, target)
        self.end_step_with(batch, loss, logits, batch["target"])
        return loss

    def on_validation_epoch_start(self) -> None:
        """Score the batch statistics of the first rank: checkpoints hold no others."""
        take_from_first_rank(self.network.buffers())
        self._begun = time.perf_counter()

    def on_test_epoch_start(self) -> None:
        self._begun = time.perf_counter()

    def predict_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Predict the ``(N, H, W)`` class ids of a batch."""
        return predicted(self._balanced(self._logits(batch)))

    def _logits(self, batch: Sample) -> Logits:
        image = batch["image"]
        size = content = (image.shape[2], image.shape[3])
        if self.scoring.original_size:
            assert self.data_format is not None
            height, width = batch["target"].shape[1:]
            size = (height, width)
            content = fitted_size(size, content, self.data_format.fit)
        return score(self.logits, image, self.scoring.views, size, content)

    def _balanced(self, logits: Logits) -> Logits:
        if not self.scoring.tau:
            return logits
        return replace(logits, small=balanced(logits.small, self.log_prior, self.scoring.tau))

    def evaluate(self, batch: Sample, stage: str) -> None:
        check_batch(batch, ("image", "target", "name"))
        logits = self._logits(batch)
        if self.scoring.tau_sweep:
            self.evaluation.update_taus(logits, self.log_prior, batch["target"])
        self.evaluation.update(self._balanced(logits), self.loss, batch, stage)

    def log_scores(self, stage: str) -> None:
        scores, values = self.evaluation.compute(stage)
        if self.trainer.state.fn == TrainerFn.FITTING:
            self.step_on_plateau({f"{stage}/{key}": value for key, value in values.items()})
        for key, value in values.items():
            # the counts are summed over ranks, so the value is the same on all of them
            shown = key in ("miou", "macc")
            self.log(f"{stage}/{key}", value.float(), prog_bar=shown, rank_zero_only=False)
        if not self.trainer.sanity_checking:
            self.image_counts = self.evaluation.counts_per_image()
            self.boundary_counts = self.evaluation.boundary_counts()
            self.confusion_of_taus = self.evaluation.confusion_of_taus()
            self.scores = scores
            self.scored_step = self.global_step
            self.scoring_seconds = time.perf_counter() - self._begun
        self.evaluation.reset()
