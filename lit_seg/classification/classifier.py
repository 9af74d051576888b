"""Trains and scores a classifier of images with many, medium and few images per class."""

import math
from argparse import ArgumentError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self

import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from lit_seg.classification.build_method import HeadName, Parts, build_backbone, deciding_loss
from lit_seg.classification.data.image_format import ImageFormat
from lit_seg.classification.image_evaluation import ImageEvaluation, ImageScores
from lit_seg.classification.networks.backbone import Frozen
from lit_seg.classification.rows import SECOND_STAGES
from lit_seg.classification.stages import features_of, load_first_stage
from lit_seg.config.parse_errors import explain
from lit_seg.config.trust import only_trusted
from lit_seg.data.dataset import Sample, check_batch
from lit_seg.errors import RunError
from lit_seg.losses import ClassBalancedLoss, CrossEntropyLoss, LossFactory
from lit_seg.metrics import predict_labels
from lit_seg.metrics.collectives import take_from_first_rank
from lit_seg.metrics.labels import ClassCounts, Counts
from lit_seg.metrics.shot_groups import Rule, shot_groups
from lit_seg.models.input_check import check_images
from lit_seg.runs.run_name import class_name
from lit_seg.tasks.exchanged_module import ExchangedModule
from lit_seg.tasks.schedule import SchedulerFactory
from lit_seg.tasks.weights import check_fits

_RGB = {"dataset": "", "height": 224, "width": 224, "resize": 256, "channels": 3} | {
    "mean": [0.0] * 3,
    "std": [255.0] * 3,
}
SHOWN = 50
"""Up to so many classes each of them is logged and shown; of more, groups and a few."""


class LitClassifier(ExchangedModule):
    """Trains a method of long-tailed classification and scores it.

    It logs ``train/{loss,lr}``, ``val/{loss,ce,macc,pixel_acc,many,medium,few}`` and further scores
    by the names that they have in segmentation, where an image is a pixel: ``pixel_acc`` is the
    share of images that are right, ``macc`` the mean accuracy of the classes. With up to 50 classes
    ``val/{iou,recall,precision}/<class>`` come beside; with more, those of ``watched`` classes.

    Args:
        class_counts: training images of each class.
        class_names: in the order of the class ids; ``class_0`` and so on by default.
        data_format: size, channels and statistics of the images; the command line sets it.
        network: ``digits``, ``resnet32``, or a ResNet of torchvision such as ``resnet50``.
        options: more arguments of the network.
        method: how heads and backbone train and decide: ``plain``, which is one head and one loss,
            ``sdn``, ``bbn``, ``oltr``, ``crt``, ``lws``, ``tau_norm``, ``post_hoc`` or ``ncm``.
        head: ``linear`` or ``cosine``, which makes the logits of ``loss``; only the former in
            methods whose head is their own. LDAM, and any loss with a ``scale``, is for cosines.
        loss: makes the loss from the class counts; in ``sdn`` that of head g, which trains the
            backbone. A method that trains nothing takes that of its first stage.
        head_loss: makes the loss of head h, which decides in ``sdn``.
        method_options: more arguments of the method.
        stage_one: finished run of the method ``plain`` that a second stage begins with.
        frozen: the part of the network that is not trained: ``none``, ``trunk``, ``blocks`` (all
            but the neck) or ``all``. With a ``stage_one`` the method freezes by options of its own.
        freeze_batchnorm: whether its batch statistics are frozen too. They are not in the published
            code of Kang et al. and OLTR. With a ``stage_one`` it is one of ``method_options``.
        rule: which classes are many, medium and few: ``kang``, ``oltr`` or ``mislas``.
        watched: names of further classes to log, where there are more than 50.
        optimizer: makes the optimizer from the parameters.
        lr_scheduler: as in segmentation, with ``lr_interval`` and ``lr_monitor``.

    Raises:
        ValueError: if an argument is out of range or none of its choices.
    """

    make_options = "TASK=classification "
    """What ``make`` needs to go on with a run."""
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        class_counts: Counts | Mapping[str, Any],
        class_names: Sequence[str] | None = None,
        data_format: ImageFormat | dict[str, Any] | None = None,
        network: str = "resnet32",
        options: dict[str, Any] | None = None,
        method: str = "plain",
        head: HeadName = "linear",
        loss: LossFactory = CrossEntropyLoss,
        head_loss: LossFactory = ClassBalancedLoss,
        method_options: dict[str, Any] | None = None,
        stage_one: str | None = None,
        frozen: Frozen = "none",
        freeze_batchnorm: bool = True,
        rule: Rule = "kang",
        watched: Sequence[str] = (),
        optimizer: Callable[[Any], Optimizer] = SGD,
        lr_scheduler: SchedulerFactory | None = None,
        lr_interval: Literal["step", "epoch"] = "step",
        lr_monitor: str = "val/loss",
    ) -> None:
        super().__init__(optimizer, lr_scheduler, lr_interval, lr_monitor)
        given: Any = class_counts
        counts = [int(n) for n in (given.pixels if isinstance(given, ClassCounts) else given)]
        if not isinstance(data_format, ImageFormat):  # from a checkpoint, or RGB from 0 to 255
            data_format = ImageFormat.of(data_format or _RGB)
        names = list(class_names) if class_names else [f"class_{c}" for c in range(len(counts))]
        if len(names) != len(counts) or len(set(names)) != len(names):
            raise ValueError(
                f"`class_names` must be {len(counts)} different names, one per entry of "
                f"`class_counts`, got {len(names)}, {len(set(names))} of them different"
            )
        if unknown := [name for name in watched if name not in names]:
            raise ValueError(f"`watched`: there is no class {unknown[0]!r} in this dataset")
        if method in SECOND_STAGES and stage_one is None:
            raise ValueError(
                f"`stage_one`: the method {method} needs a finished run of `plain`, got None; give "
                "one by `--model.stage_one runs/...`, or take `train`, which trains it first"
            )
        if method not in SECOND_STAGES and stage_one is not None:
            raise ValueError(
                f"`stage_one`: the method {method} takes no run, got {stage_one}; leave it out, or "
                f"take one of {', '.join(SECOND_STAGES)}"
            )
        logged = len(names) <= SHOWN  # loggers have the whole configuration anyway
        self.save_hyperparameters(logger=logged)
        # plain values, so that checkpoints load with weights_only=True
        plain = {"class_counts": counts, "class_names": names, "data_format": data_format.plain()}
        self.save_hyperparameters(plain, logger=logged)
        self.class_names = names
        self.class_pixels = counts  # what the readers of runs call them
        self.data_format = data_format
        self.groups = shot_groups(counts, rule)
        self.logged_classes = _logged(names, counts, watched)
        parts = Parts(
            partial(build_backbone, network, data_format.channels, options or {}),
            (data_format.channels, data_format.height, data_format.width),
            *(counts, loss, head_loss, head, method_options or {}),
        )
        self.stage_one = stage_one
        self._first_failure: RunError | None = None
        first: dict[str, Any] = {}
        if stage_one is not None:
            data = {"class_names": names, "class_counts": counts}
            try:
                first = load_first_stage(stage_one, parts.backbone, parts.first, data)
            except RunError as error:  # a run that goes on or is scored does not need it any more
                self._first_failure = error
        else:
            parts.backbone.freeze(frozen, freeze_batchnorm)
        self.method = parts.build(method)
        if not self.method.trains:
            if first and (was := class_name(first["loss"])) != type(parts.loss).__name__:
                self._first_failure = RunError(
                    f"`model.loss` {type(parts.loss).__name__}: {method} trains nothing, so that "
                    f"its loss is that of its first stage, {was}; give that one"
                )
            # a method without training takes one step, which changes nothing, to have a run
            self.formality = nn.Parameter(torch.zeros(()))
        self.evaluation = ImageEvaluation(len(counts), self.groups)
        self.scores: ImageScores | None = None
        """The scores of the last complete pass over a validation or test set."""
        for name, values in (("pixel_mean", data_format.mean), ("pixel_std", data_format.std)):
            planes = torch.tensor(list(values), dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, planes, persistent=False)

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Self:
        """Load a checkpoint as Lightning does, but import only known packages that it names.

        Raises:
            RunError: if it names a class of another package.
        """
        kwargs.setdefault("weights_only", True)
        with only_trusted(
            own=("lit_seg.losses", "lit_seg.classification", "lit_seg.tasks.warm_up")
        ):
            try:
                return super().load_from_checkpoint(*args, **kwargs)
            except ArgumentError as error:
                raise RunError(explain(str(error))) from None

    @property
    def loss(self) -> nn.Module:
        """The loss of the head that decides."""
        found = deciding_loss(self.method)
        assert found is not None
        return found

    def forward(self, image: Tensor) -> Tensor:
        """``(N, C)`` scores of ``(N, channels, H, W)`` uint8 images: what the method decides by."""
        scores: Tensor = self.method(self._normalised(image))
        return scores

    def parameter_groups(self) -> Iterable[Any]:
        """What the method trains; a RunError if it cannot begin with the first stage."""
        if self._first_failure is not None:
            raise self._first_failure
        return self.method.parameter_groups() if self.method.trains else [self.formality]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse another method, network or head, other classes or another loss."""
        had = checkpoint.get("hyper_parameters", {})
        for key in ("method", "network", "head"):
            if key in had and had[key] != self.hparams[key]:
                raise RunError(
                    f"`model.{key}` {self.hparams[key]}: the checkpoint is of a run with "
                    f"{had[key]}; leave the option out, or train a new run with it"
                )
        check_fits(checkpoint, self.class_names, self.state_dict())
        self._first_failure = None  # all that the first stage gives is in the checkpoint
        super().on_load_checkpoint(checkpoint)

    def on_fit_start(self) -> None:
        """Let a second stage look at the features of all images, in a new run."""
        if self.trainer.ckpt_path or self.stage_one is None:
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        was = self.method.training
        self.method.eval()
        passes = (partial(self._features, data, split) for split in ("train", "val"))
        if line := self.method.prepare(*passes):
            rank_zero_info(line)
        self.method.train(was)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Tell method and losses where in the training they are."""
        total = self.trainer.estimated_stepping_batches
        self.method.set_progress(min(1.0, self.global_step / total))
        of_epoch = math.ceil(
            self.trainer.num_training_batches / self.trainer.accumulate_grad_batches
        )
        self.method.set_epoch(self.current_epoch, max(1, math.ceil(total / max(1, of_epoch))))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Compute the loss of a batch; :meth:`on_after_backward` looks at it."""
        check_batch(batch, ("image", "target"))
        if not self.method.trains:
            return self.formality * 0
        keys = [("image", "target"), ("image2", "target2")][: self.method.samplings]
        if "image2" in batch and len(keys) == 1:
            raise RunError(
                f"`data.init_args.second_sampling`: {type(self.method).__name__} takes one order "
                "of the images; leave it out, or take BBN"
            )
        if keys[-1][0] not in batch:
            raise RunError(
                f"`data.init_args.second_sampling`: {type(self.method).__name__} needs a second "
                "order of the images, such as `{class_path: ByPower, init_args: {power: -1}}`"
            )
        step = self.method.train_step(*((self._normalised(batch[i]), batch[t]) for i, t in keys))
        self.end_step_with(batch, step.loss, step.logits, step.target)
        return step.loss

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm of each part that the method keeps apart."""
        if gradient_clip_val and gradient_clip_algorithm != "value":
            parts = self.method.clipped_apart()
            if len(parts) > 1:
                for part in parts:
                    nn.utils.clip_grad_norm_(part, gradient_clip_val)
                return
        super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_after_backward(self) -> None:
        """Look at the step, if one was trained."""
        if self.method.trains:
            super().on_after_backward()

    def on_validation_epoch_start(self) -> None:
        """Score the batch statistics of the first rank: checkpoints hold no others."""
        take_from_first_rank(self.method.buffers())

    def predict_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Predict the ``(N,)`` class ids of a batch."""
        return predict_labels(self(batch["image"]))

    def _normalised(self, image: Tensor) -> Tensor:
        check_images(image, self.data_format.channels)
        return (image - self.pixel_mean) / self.pixel_std

    def _features(self, data: Any, split: str) -> Iterator[tuple[Tensor, Tensor]]:
        return features_of(self.method, data.whole(split), self._normalised, self.device)

    def evaluate(self, batch: Sample, stage: str) -> None:
        check_batch(batch, ("image", "target", "name"))
        scores = self(batch["image"])
        loss = deciding_loss(self.method) if self.method.trains else None
        value = None if loss is None else loss(scores, batch["target"])
        self.evaluation.update(scores, value, batch, stage)

    def log_scores(self, stage: str) -> None:
        scores, values = self.evaluation.compute(stage)
        if self.trainer.state.fn == TrainerFn.FITTING:
            self.step_on_plateau({f"{stage}/{key}": value for key, value in values.items()})
        for stat, column in zip(("iou", "recall", "precision"), scores.per_class, strict=True):
            values |= {f"{stat}/{self.class_names[c]}": column[c] for c in self.logged_classes}
        for key, value in values.items():
            # the counts are of all ranks, so the value is the same on all of them
            shown = key in ("macc", "few")
            number = torch.tensor(float(value), dtype=torch.float32)
            self.log(f"{stage}/{key}", number, prog_bar=shown, rank_zero_only=False)
        if not self.trainer.sanity_checking:
            self.scores = scores
            self.scored_step = self.global_step
        self.evaluation.reset()


def _logged(names: Sequence[str], counts: Sequence[int], watched: Sequence[str]) -> list[int]:
    """The ids of the classes that are logged: all, or the ends of the ranking and the watched."""
    if len(names) <= SHOWN:
        return list(range(len(names)))
    ranked = sorted(range(len(counts)), key=lambda c: -counts[c])
    asked = [names.index(name) for name in watched]
    return list(dict.fromkeys([*ranked[:5], *ranked[-5:], *asked]))
