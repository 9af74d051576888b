"""The optimizer and its schedule over a run, and how a resumed run continues them."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.optim import Optimizer, SparseAdam
from torch.optim.lr_scheduler import LRScheduler

from lit_seg.distributed.torch_private import closed_form_rates
from lit_seg.errors import RunError

_RUN_LENGTH = ("total_iters", "T_max", "base_lrs", "power", "eta_min")
"""What a scheduler's state holds of the run's length and the schedule's options."""

LR_FACTOR = "lr_factor"
"""The key of a group of parameters that multiplies its learning rate."""


class ScheduledModule(LightningModule):
    """A module that steps a learning-rate schedule after each step, over the length of the run.

    A resumed run follows the schedule of its own length, and takes the options of the optimizer
    that the user changed.

    Args:
        optimizer: makes the optimizer from the parameters.
        lr_scheduler: makes the scheduler from the optimizer and the number of optimisation steps.
    """

    def __init__(
        self,
        optimizer: Callable[[Any], Optimizer],
        lr_scheduler: Callable[[Optimizer, int], LRScheduler] | None,
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self._changed: set[str] = set()  # options of the optimizer that a resumed run changes

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer, and its schedule over all steps of the run.

        Raises:
            RunError: if the optimizer cannot take a step of this module.
        """
        optimizer = self.optimizer(self.parameter_groups())
        _check_optimizer(optimizer)
        for group in optimizer.param_groups:
            if LR_FACTOR in group:
                group["lr"] = group["lr"] * group.pop(LR_FACTOR)
        moving = {"params"} if self.lr_scheduler is None else {"params", "lr"}
        self._options = [
            {key: value for key, value in group.items() if key not in moving}
            for group in optimizer.param_groups
        ]
        if self.lr_scheduler is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        given = self.hparams.get("lr_scheduler")
        scheduler = _make_scheduler(self.lr_scheduler, optimizer, steps, given)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def parameter_groups(self) -> Iterable[Any]:
        """What the optimizer moves: parameters, or groups, which may have an ``LR_FACTOR``."""
        return self.parameters()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep this run's length, and find the options that changed.

        Raises:
            RunError: if the class of the optimizer or scheduler changed.
        """
        for state in checkpoint.get("lr_schedulers", []):
            for key in _RUN_LENGTH:
                state.pop(key, None)
        if self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
            self._changed = _changed_options(checkpoint, self.hparams)
            for key, number in (
                ("optimizer_states", 1),
                ("lr_schedulers", bool(self.lr_scheduler)),
            ):
                # Lightning would leave in its first state what finds none in the checkpoint
                if len(checkpoint[key]) != number:
                    raise RunError(
                        f"the checkpoint holds {len(checkpoint[key])} `{key}`, this run needs "
                        f"{int(number)}; resume from another checkpoint of the run"
                    )

    def on_train_start(self) -> None:
        """Put a resumed run on its own schedule; the checkpoint brought the options of the old."""
        if not self.global_step:
            return
        for optimizer in self.trainer.optimizers:
            _check_state(optimizer, self._options)
            for group, options in zip(optimizer.param_groups, self._options, strict=True):
                group.update({k: v for k, v in options.items() if k in self._changed})
        schedulers = self.lr_schedulers() or []
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            _put_on_schedule(scheduler)


def _check_optimizer(optimizer: Optimizer) -> None:
    """Refuse an optimizer that needs more than one pass and its dense gradients."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    needs_passes = closure is not None and closure.default is inspect.Parameter.empty
    if needs_passes or isinstance(optimizer, SparseAdam):
        needs = "several passes for a step" if needs_passes else "sparse gradients"
        raise RunError(
            f"`model.optimizer` cannot be {type(optimizer).__name__}, which needs {needs}; take "
            "one that steps from the gradients of one pass, such as AdamW or SGD"
        )


_LIKE_THEIR_PARAMETER = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg"}
"""What optimizers of torch keep in the shape of a parameter."""


def _make_scheduler(
    factory: Callable[[Optimizer, int], LRScheduler], optimizer: Optimizer, steps: float, given: Any
) -> LRScheduler:
    """The scheduler for a run of ``steps``; ``given`` is the option that the user gave."""
    if math.isinf(steps):
        raise RunError("a schedule needs an end: set `trainer.max_epochs` or `max_steps`")
    try:
        scheduler = factory(optimizer, int(steps))
    except TypeError as error:
        raise RunError(
            f"`model.lr_scheduler` is made from the optimizer and the number of steps: {error}"
        ) from error
    name = type(scheduler).__name__
    if _class_of(given) == f"torch.optim.lr_scheduler.{name}":  # and no function of the user
        second = list(inspect.signature(type(scheduler)).parameters)[1]
        if second not in ("total_iters", "T_max"):
            raise RunError(
                f"`model.lr_scheduler` {name} would take the number of steps as its `{second}`; "
                "PolynomialLR and CosineAnnealingLR fit, or a function of yours that makes it from "
                "the optimizer and the number of steps"
            )
    return scheduler


def _changed_options(checkpoint: Mapping[str, Any], hparams: Mapping[str, Any]) -> set[str]:
    """The options of the optimizer that the user changed since the checkpoint was written.

    Only these are set anew: a scheduler may have moved others, not only the learning rate.
    """
    before = checkpoint.get("hyper_parameters", {})
    for key in ("optimizer", "lr_scheduler"):
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
    """Refuse a state that does not fit; torch takes over any that has as many parameters."""
    pairs = list(zip(optimizer.param_groups, options, strict=True))
    wrong = [
        f"{key} is {group[key]!r}, not like {value!r}"
        for group, known in pairs
        for key, value in known.items()
        if None not in (group[key], value) and _kind(group[key]) != _kind(value)
    ] + [
        f"{key} is of another shape than its parameter"
        for group, _ in pairs
        for parameter in group["params"]
        for key, value in optimizer.state.get(parameter, {}).items()
        if key in _LIKE_THEIR_PARAMETER
        and value is not None
        and getattr(value, "shape", None) != parameter.shape
    ]
    if wrong:
        raise RunError(
            f"the checkpoint's state of the optimizer does not fit: {wrong[0]}; resume from "
            "another checkpoint of the run, or start a new run from its weights by INIT"
        )


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
        if not math.isclose(group["lr"], rate, rel_tol=1e-6):
            group["lr"] = rate


def _class_of(given: Any) -> Any:
    return given.get("class_path") if isinstance(given, Mapping) else given


def _options_of(given: Any) -> Mapping[str, Any]:
    return given.get("init_args") or {} if isinstance(given, Mapping) else {}
