"""Makes the optimizer and its schedule over a run, and continues them in a resumed run."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.optim import SGD, Optimizer, SparseAdam
from torch.optim import lr_scheduler as schedulers
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lit_seg.config.parse_errors import made_of_code
from lit_seg.distributed.torch_private import PHASES, closed_form_rates, scheduler_states
from lit_seg.errors import RunError
from lit_seg.tasks import warm_up

SchedulerFactory = Callable[[Optimizer, int], LRScheduler] | Callable[[Optimizer], LRScheduler]
"""A function that makes a scheduler. With two arguments it gets the length of the run too, which a
configuration need not give then; with one, a configuration may give all arguments."""

_LENGTHS = {
    "PolynomialLR": "total_iters",
    "CosineAnnealingLR": "T_max",
    "OneCycleLR": "total_steps",
    "WarmUpLR": "total_iters",
}
"""The schedulers that span the run where no length is given, and how they name it."""

_OPTIONS = {"total_iters", "T_max", "base_lrs", "power", "eta_min", PHASES, "min_lrs"}
"""Keys of a scheduler's state that hold the run's length or the schedule's options."""

_MOVED = {"lr", "momentum", "betas", "weight_decay"}
"""Options of an optimizer that schedules and callbacks change during a run."""

LR_FACTOR = "lr_factor"
"""The key of a group of parameters that multiplies its learning rate."""


class ScheduledModule(LightningModule):
    """A module that steps a learning-rate schedule over the length of the run.

    A resumed run follows the schedule of its own length and options, and takes the options of the
    optimizer that the user changed.

    Args:
        optimizer: makes the optimizer from the parameters.
        lr_scheduler: makes the scheduler from the optimizer; where it gives no length, that of the
            run comes second.
        lr_interval: after what the schedule takes a step; its lengths are counted in these.
        lr_monitor: the value of a validation by which ``ReduceLROnPlateau`` takes a step.
    """

    def __init__(
        self,
        optimizer: Callable[[Any], Optimizer],
        lr_scheduler: SchedulerFactory | None,
        lr_interval: Literal["step", "epoch"] = "step",
        lr_monitor: str = "val/loss",
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.lr_interval = lr_interval
        self.lr_monitor = lr_monitor
        self._changed: set[str] = set()  # options of the optimizer that a resumed run changes

    @property
    def trainer_or_none(self) -> Trainer | None:
        """The trainer; None where the module was loaded from a checkpoint to be used by itself."""
        try:
            return self.trainer
        except RuntimeError:  # so Lightning says that there is none
            return None

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Make the optimizer, and its schedule over all steps of the run.

        Raises:
            RunError: if the optimizer cannot take a step of this module, or the schedule the run.
        """
        optimizer = self.optimizer(self.parameter_groups())
        _check_optimizer(optimizer)
        factors = [group.pop(LR_FACTOR, 1.0) for group in optimizer.param_groups]
        for group, factor in zip(optimizer.param_groups, factors, strict=True):
            if factor != 1:
                group["lr"] = group["lr"] * factor
        self._options = [
            {key: value for key, value in group.items() if key != "params"}
            for group in optimizer.param_groups
        ]
        if self.lr_scheduler is None:
            return optimizer
        given = self.hparams.get("lr_scheduler")
        scheduler: Any = _make_scheduler(
            self.lr_scheduler, optimizer, self._length(), given, factors
        )
        if plateau := isinstance(scheduler, ReduceLROnPlateau):
            self._check_monitor(str(scheduler.mode))
        for group, options in zip(optimizer.param_groups, self._options, strict=True):
            if not plateau:  # which goes on from the rate that there is
                del options["lr"]
            # what the scheduler keeps there, such as `initial_lr`
            options |= {key: group[key] for key in group.keys() - {*options, "params", "lr"}}
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": scheduler,
                "interval": self.lr_interval,
                "reduce_on_plateau": False,  # see `step_on_plateau`
            },
        }

    def parameter_groups(self) -> Iterable[Any]:
        """The parameters of the optimizer, or groups of them, which may have an ``LR_FACTOR``."""
        return self.parameters()

    def _check_monitor(self, mode: str) -> None:
        """Refuse a score that never exists, or a mode that takes a better score for a worse one."""
        falls = self.lr_monitor.endswith(("/loss", "/ce"))
        if not self.trainer.enable_validation:
            raise RunError(
                "`model.lr_scheduler` ReduceLROnPlateau needs validations, and this run holds "
                "none; mend `trainer.limit_val_batches`, or take another schedule"
            )
        if falls != (mode == "min"):
            raise RunError(
                f"`model.lr_scheduler` ReduceLROnPlateau has mode {mode}, and `model.lr_monitor` "
                f"{self.lr_monitor} is better when it {'falls' if falls else 'rises'}; give "
                f"`mode: {'min' if falls else 'max'}`"
            )

    def _length(self) -> float:
        """The length of the run in the units of the schedule; infinite if the run has no end."""
        steps = self.trainer.estimated_stepping_batches
        if self.lr_interval == "step" or math.isinf(steps):
            return steps
        if self.trainer.train_dataloader is None:
            self.trainer.fit_loop.setup_data()  # Lightning knows no number of batches before
        of_epoch = self.trainer.num_training_batches / self.trainer.accumulate_grad_batches
        return math.ceil(steps / max(1, math.ceil(of_epoch)))

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a schedule that needs no score; Lightning calls this after a step or an epoch."""
        if not isinstance(scheduler, ReduceLROnPlateau):
            super().lr_scheduler_step(scheduler, metric)

    def step_on_plateau(self, scores: Mapping[str, Any]) -> None:
        """Step a ``ReduceLROnPlateau`` by a score of the validation of the current weights.

        Lightning would do it after the checkpoint of the epoch, which a resumed run goes on from.
        The step is part of the scheduler's state, because a run may resume by holding the
        validation again: it counts once.

        Raises:
            RunError: if there is no such score, also in the validation before training.
        """
        scheduler: Any = next(
            (
                config.scheduler
                for config in self.trainer.lr_scheduler_configs
                if isinstance(config.scheduler, ReduceLROnPlateau)
            ),
            None,
        )
        if scheduler is None:
            return
        if self.lr_monitor not in scores:
            means = ", ".join(key for key in scores if key.count("/") == 1)
            raise RunError(
                f"`model.lr_monitor`: there is no {self.lr_monitor!r}; there are {means}, and "
                "those of each class, such as val/iou/<class>"
            )
        step = self.global_step
        if not self.trainer.sanity_checking and getattr(scheduler, "scored_step", None) != step:
            scheduler.scored_step = step
            scheduler.step(float(scores[self.lr_monitor]))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep this run's length, and find the options that changed.

        Raises:
            RunError: if the class of the optimizer or scheduler changed.
        """
        given = self.hparams.get("lr_scheduler")
        known = _named(given) or LRScheduler
        options = {*_OPTIONS, *inspect.signature(known).parameters} - {"last_epoch"}
        options |= {*dir(known)}  # a state would hide methods
        for state in checkpoint.get("lr_schedulers", []):
            for part in scheduler_states(state):
                for key in options:
                    part.pop(key, None)
        if (trainer := self.trainer_or_none) and trainer.state.fn == TrainerFn.FITTING:
            self._changed = _changed_options(checkpoint, self.hparams)
            found, number = len(checkpoint["lr_schedulers"]), int(bool(self.lr_scheduler))
            # Lightning would leave in its first state what finds none in the checkpoint
            if found != number:
                raise RunError(
                    f"the checkpoint holds {found} `lr_schedulers`, this run needs {number}; "
                    "resume from another checkpoint of the run"
                )

    def on_train_start(self) -> None:
        """Put a resumed run on its own schedule; the checkpoint brought the old options."""
        if not self.global_step:
            return
        for optimizer in self.trainer.optimizers:
            for group, options in zip(optimizer.param_groups, self._options, strict=True):
                # optimizers of others may keep a part of their state there
                moved = _MOVED if _is_of_torch(optimizer) else optimizer.defaults.keys()
                kept = moved & optimizer.defaults.keys() - self._changed
                group.update({key: options[key] for key in options.keys() - kept})
            _check_state(optimizer, self._options)
        for config in self.trainer.lr_scheduler_configs:
            _put_on_schedule(config.scheduler)


def _check_optimizer(optimizer: Optimizer) -> None:
    """Refuse an optimizer that needs several passes, or sparse gradients."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    needs_passes = closure is not None and closure.default is inspect.Parameter.empty
    if needs_passes or isinstance(optimizer, SparseAdam):
        needs = "several passes for a step" if needs_passes else "sparse gradients"
        raise RunError(
            f"`model.optimizer` cannot be {type(optimizer).__name__}, which needs {needs}; take "
            "one that steps from the gradients of one pass, such as AdamW or SGD"
        )


LIKE_THEIR_PARAMETER = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg")
"""Entries of an optimizer's state that have the shape of their parameter."""


def _make_scheduler(
    factory: Callable[..., LRScheduler],
    optimizer: Optimizer,
    length: float,
    given: Any,
    factors: Sequence[float],
) -> Any:
    """Make the scheduler for a run of a given length.

    Args:
        factory: makes it from the optimizer.
        optimizer: whose rates it changes.
        length: of the run, in what the schedule counts.
        given: the option that the user gave.
        factors: by which the rates of the groups of parameters differ.
    """
    known, options = _named(given), _options_of(given)
    name = known.__name__ if known else ""
    given_lengths = [options.get(key) for key in (_LENGTHS.get(name, ""), "epochs")]
    spans = not name or (name in _LENGTHS and given_lengths == [None, None])
    if spans and math.isinf(length):
        raise RunError("a schedule needs an end: set `trainer.max_epochs` or `max_steps`")
    try:
        if name:
            arguments: dict[str, Any] = {_LENGTHS[name]: int(length)} if spans else {}
            for key in ("max_lr", "base_lr"):  # in place of the optimizer's rates
                if isinstance(options.get(key), float | int):
                    arguments[key] = [options[key] * factor for factor in factors]
            scheduler: Any = factory(optimizer, **arguments)
        else:
            scheduler = factory(optimizer, int(length))
    except (TypeError, ValueError) as error:
        said = str(error).removeprefix(f"{name}.__init__() ")
        subject = name or "is made from the optimizer and the number of steps"
        plain = f"`model.lr_scheduler` {subject}: {said}; its arguments stand in `init_args`"
        raise RunError(made_of_code(name) or plain) from error
    if getattr(scheduler, "total_steps", length) < length:  # it would fail when it gets there
        raise RunError(
            f"`model.lr_scheduler` {name} ends after {scheduler.total_steps} of the {int(length)} "
            "steps of the run; leave its length out to span the run"
        )
    return scheduler


def _changed_options(checkpoint: Mapping[str, Any], hparams: Mapping[str, Any]) -> set[str]:
    """Find the options of the optimizer that the user changed since the checkpoint was written.

    Of what a schedule may have moved, not only the learning rate, these alone are set anew.
    """
    before = checkpoint.get("hyper_parameters", {})
    for key in ("optimizer", "lr_scheduler", "lr_interval"):
        was, now = _class_of(before.get(key)), _class_of(hparams.get(key))
        if key in before and was != now:
            raise RunError(
                f"`model.{key}` was {was} and is now {now}, which cannot continue from its state; "
                "start a new run from the weights by INIT"
            )
    was, now = (params.get("encoder_lr_factor", 1) for params in (before, hparams))
    if was != now and not {was, now} <= {0, 1}:  # other groups of parameters; a frozen one is none
        raise RunError(
            f"`model.encoder_lr_factor` was {was} and is now {now}, which cannot continue from "
            "the optimizer's state; start a new run from the weights by INIT"
        )
    old, new = (_options_of(params.get("optimizer")) for params in (before, hparams))
    return {key for key in new if key not in old or old[key] != new[key]}


def _check_state(optimizer: Optimizer, options: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a state that does not fit, because torch only compares the numbers of parameters."""
    pairs = list(zip(optimizer.param_groups, options, strict=True))
    wrong = [
        f"{key} is {group[key]!r}, not like {value!r}"
        for group, known in pairs
        for key, value in known.items()
        if value is not None and _kind(group[key]) != _kind(value)
    ] + [
        f"{key} is of another shape than its parameter"
        for group, _ in pairs
        for parameter in group["params"]
        for key, value in optimizer.state.get(parameter, {}).items()
        if key in LIKE_THEIR_PARAMETER
        and value is not None
        and getattr(value, "shape", None) != parameter.shape
    ]
    plain = isinstance(optimizer, SGD) and not any(group["momentum"] for group, _ in pairs)
    if not optimizer.state and _is_of_torch(optimizer) and not plain:
        wrong = ["it is empty"]
    if wrong:
        raise RunError(
            f"the checkpoint's state of the optimizer does not fit: {wrong[0]}; resume from "
            "another checkpoint of the run, or start a new run from its weights by INIT"
        )


def _is_of_torch(optimizer: Optimizer) -> bool:
    return type(optimizer).__module__.startswith("torch.optim.")


def _kind(value: Any) -> str:
    kinds = {"float": "int", "list": "tuple"}
    name = type(value).__name__
    return kinds.get(name, name)


def _put_on_schedule(scheduler: Any) -> None:
    """Set the learning rates that the schedule has at the current step.

    Schedulers compute a rate from the last one, so a rate that had reached 0 would stay 0 when a
    run is made longer. A rate that differs by rounding only is kept, so that resuming is exact.
    """
    rates = closed_form_rates(scheduler)
    if rates is None:
        return
    for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
        if not math.isclose(group["lr"], rate, rel_tol=1e-6, abs_tol=1e-12):
            group["lr"] = rate


def _named(given: Any) -> Any:
    """The scheduler of torch or of ours that a configuration names; None for any other."""
    module, _, name = str(_class_of(given)).rpartition(".")
    known = {place.__name__: place for place in (schedulers, warm_up)}
    return getattr(known.get(module), name, None)


def _class_of(given: Any) -> Any:
    return given.get("class_path") if isinstance(given, Mapping) else given


def _options_of(given: Any) -> Mapping[str, Any]:
    return given.get("init_args") or {} if isinstance(given, Mapping) else {}
