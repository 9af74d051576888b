"""Schedules by name with their own arguments: the rates of torch, and exact when a run goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from pytorch_lightning import Callback, Trainer
from torch import Tensor
from torch.optim import SGD, Optimizer, lr_scheduler
from torch.utils.data import DataLoader

from lit_seg.errors import RunError
from lit_seg.tasks.schedule import LR_FACTOR, ScheduledModule, SchedulerFactory
from lit_seg.tasks.warm_up import WarmUpLR
from tests.tasks.test_segmentation import trainer

STEPS, OF_EPOCH = 8, 2
SCORES = [3.0, *[2.0] * 7]  # of the validations, which do not improve after the second one


class OneWeight(ScheduledModule):
    """Trains one weight, and writes down the rate of each step."""

    def __init__(self, schedule: SchedulerFactory, lr_interval: str = "step") -> None:
        super().__init__(lambda params: SGD(params, lr=0.1, momentum=0.9), schedule, lr_interval)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.rates: dict[int, float] = {}

    def training_step(self, batch: Tensor) -> Tensor:
        self.rates[self.global_step] = self.trainer.optimizers[0].param_groups[0]["lr"]
        return (self.weight * batch).sum()

    def validation_step(self, batch: Tensor) -> None:
        pass

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.step_on_plateau({"val/loss": SCORES[self.trainer.current_epoch]})


class Saving(Callback):
    """Keeps a checkpoint from within the second epoch."""

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == 3:
            trainer.save_checkpoint(f"{trainer.default_root_dir}/3.ckpt")


def module(name: str, arguments: dict[str, object], interval: str) -> OneWeight:
    """As a configuration makes it; hyperparameters hold what was given."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(OneWeight, "model")
    place = "lit_seg.tasks.warm_up" if name == "WarmUpLR" else "torch.optim.lr_scheduler"
    given = {"class_path": f"{place}.{name}", "init_args": arguments}
    options = ["--model.schedule", json.dumps(given), "--model.lr_interval", interval]
    config = parser.parse_args(options)
    made: OneWeight = parser.instantiate(config).model
    made.save_hyperparameters(
        {"lr_scheduler": config.model.schedule.as_dict(), "lr_interval": interval}
    )
    return made


def run(
    model: OneWeight, folder: Path, checkpoint: Path | None = None, epochs: int = STEPS // OF_EPOCH
) -> dict[int, float]:
    data: Any = DataLoader(torch.ones(OF_EPOCH, 1))
    fit = trainer(folder, max_epochs=epochs, callbacks=[Saving()], num_sanity_val_steps=0)
    fit.fit(model, data, data, ckpt_path=checkpoint, weights_only=True)
    return model.rates


CASES: dict[str, tuple[dict[str, object], str, Callable[[Optimizer], Any]]] = {
    "StepLR": ({"step_size": 3}, "step", lambda o: lr_scheduler.StepLR(o, 3)),
    "MultiStepLR": ({"milestones": [2, 3]}, "epoch", lambda o: lr_scheduler.MultiStepLR(o, [2, 3])),
    "ExponentialLR": ({"gamma": 0.9}, "epoch", lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    "LinearLR": ({"total_iters": 4}, "step", lambda o: lr_scheduler.LinearLR(o, total_iters=4)),
    "ConstantLR": ({"total_iters": 2}, "epoch", lambda o: lr_scheduler.ConstantLR(o, 1 / 3, 2)),
    "PolynomialLR": ({"total_iters": 5}, "step", lambda o: lr_scheduler.PolynomialLR(o, 5)),
    "CosineAnnealingLR": ({"T_max": 3}, "step", lambda o: lr_scheduler.CosineAnnealingLR(o, 3)),
    "CosineAnnealingWarmRestarts": (
        *({"T_0": 2, "T_mult": 2}, "step"),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2),
    ),
    "WarmUpLR": ({"total_iters": 4, "warm_up": 0.5}, "epoch", lambda o: WarmUpLR(o, 4, 0.5)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rates_are_those_of_torch_also_when_a_run_goes_on(name: str, tmp_path: Path) -> None:
    arguments, interval, reference = CASES[name]
    rates = run(module(name, arguments, interval), tmp_path)
    assert list(rates.values()) == expected(reference, 1 if interval == "step" else OF_EPOCH)
    assert_goes_on(rates, name, arguments, interval, tmp_path)


@pytest.mark.parametrize(("interval", "length"), [("step", STEPS), ("epoch", STEPS // OF_EPOCH)])
def test_a_schedule_without_a_length_spans_the_run(
    interval: str, length: int, tmp_path: Path
) -> None:
    if interval == "step":
        name, arguments = "OneCycleLR", {"max_lr": 1}
        rates = expected(lambda o: lr_scheduler.OneCycleLR(o, 1, length), 1)
    else:
        name, arguments = "PolynomialLR", {"power": 2}
        rates = expected(lambda o: lr_scheduler.PolynomialLR(o, length, 2), OF_EPOCH)
    assert list(run(module(name, arguments, interval), tmp_path).values()) == rates
    assert_goes_on(dict(enumerate(rates)), name, arguments, interval, tmp_path)


@pytest.mark.parametrize("decay", ["poly", "cosine"])
def test_a_warm_up_and_a_fall_are_two_schedules_of_torch(decay: Any, tmp_path: Path) -> None:
    """It spans the run, and is exact where torch's own chain is not when a run grows longer."""

    def chain(optimizer: Optimizer, length: int = STEPS) -> lr_scheduler.LRScheduler:
        rising = length // 4
        up = lr_scheduler.LinearLR(optimizer, 1 / (rising + 1), total_iters=rising)
        down = lr_scheduler.PolynomialLR(optimizer, length - rising, 0.9)
        if decay == "cosine":
            down = lr_scheduler.CosineAnnealingLR(optimizer, length - rising)
        return lr_scheduler.SequentialLR(optimizer, [up, down], [rising])

    arguments: dict[str, object] = {"warm_up": 0.25, "decay": decay}
    rates = run(module("WarmUpLR", arguments, "step"), tmp_path)
    assert list(rates.values()) == pytest.approx(expected(chain, 1), rel=1e-12)
    assert_goes_on(rates, "WarmUpLR", arguments, "step", tmp_path)
    longer = run(module("WarmUpLR", arguments, "step"), tmp_path, tmp_path / "3.ckpt", STEPS)
    of_its_own = expected(lambda o: chain(o, 2 * STEPS), 1, 2 * STEPS)[3:]
    assert list(longer.values()) == pytest.approx(of_its_own, rel=1e-12)


def test_a_warm_up_is_a_share_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"`model.lr_scheduler` WarmUpLR: `warm_up`.*got 1500"):
        run(module("WarmUpLR", {"warm_up": 1500}, "step"), tmp_path)


def test_reduce_on_plateau_follows_the_scores(tmp_path: Path) -> None:
    arguments: dict[str, object] = {"patience": 0, "factor": 0.5}
    rates = run(module("ReduceLROnPlateau", arguments, "step"), tmp_path)
    assert list(rates.values()) == [*[0.1] * 6, *[0.05] * 2]
    assert_goes_on(rates, "ReduceLROnPlateau", arguments, "step", tmp_path)


def test_a_cycle_keeps_the_factor_of_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has rates of its own, in place of the optimizer's."""
    model = module("OneCycleLR", {"max_lr": 1}, "step")
    model.other = torch.nn.Parameter(torch.ones(1))
    groups = [{"params": [model.weight]}, {"params": [model.other], LR_FACTOR: 0.25}]
    monkeypatch.setattr(model, "parameter_groups", lambda: groups)
    run(model, tmp_path)
    one, other = model.trainer.optimizers[0].param_groups
    assert other["max_lr"] == one["max_lr"] / 4 == 0.25
    assert other["lr"] == pytest.approx(one["lr"] / 4)


def test_a_validation_that_is_held_again_counts_once(tmp_path: Path) -> None:
    """As in a run that was killed in it and goes on."""
    model = module("ReduceLROnPlateau", {"patience": 0}, "step")
    run(model, tmp_path)
    (optimizer,) = model.trainer.optimizers
    before = optimizer.param_groups[0]["lr"]
    model.step_on_plateau({"val/loss": 9.0})
    assert optimizer.param_groups[0]["lr"] == before


def test_the_options_of_the_run_rule_over_those_of_the_checkpoint(tmp_path: Path) -> None:
    """What no schedule moves is theirs; a state would hide methods of the schedule."""
    arguments: dict[str, object] = {"total_iters": 5}
    rates = run(module("PolynomialLR", arguments, "step"), tmp_path)
    content = torch.load(tmp_path / "3.ckpt", weights_only=True)
    content["optimizer_states"][0]["param_groups"][0] |= {"maximize": True, "dampening": 0.5}
    hidden = dict.fromkeys(("step", "get_lr", "_get_closed_form_lr", "state_dict"), 3)
    content["lr_schedulers"][0] |= {**hidden, "_is_initial": "False"}
    torch.save(content, tmp_path / "3.ckpt")
    model = module("PolynomialLR", arguments, "step")
    assert run(model, tmp_path, tmp_path / "3.ckpt") == {s: r for s, r in rates.items() if s >= 3}
    group = model.trainer.optimizers[0].param_groups[0]
    assert (group["maximize"], group["dampening"]) == (False, 0)


def test_what_an_optimizer_of_others_keeps_in_its_options_goes_on(tmp_path: Path) -> None:
    class Counting(SGD):
        def __init__(self, params: Any) -> None:
            super().__init__(params, lr=0.1)
            self.defaults["steps"] = self.param_groups[0]["steps"] = 0

        def step(self, closure: Any = None) -> Any:
            self.param_groups[0]["steps"] += 1
            return super().step(closure)

    for checkpoint in (None, tmp_path / "3.ckpt"):
        model = module("PolynomialLR", {"total_iters": 5}, "step")
        model.optimizer = Counting
        run(model, tmp_path, checkpoint)
        assert model.trainer.optimizers[0].param_groups[0]["steps"] == STEPS


def test_a_longer_run_follows_the_cycle_of_its_own_length(tmp_path: Path) -> None:
    short, long = ({"max_lr": 1, "total_steps": steps} for steps in (STEPS, 2 * STEPS))
    run(module("OneCycleLR", short, "step"), tmp_path)
    rates = run(module("OneCycleLR", long, "step"), tmp_path, tmp_path / "3.ckpt")
    assert list(rates.values()) == expected(lambda o: lr_scheduler.OneCycleLR(o, 1, 16), 1)[3:]


def expected(make: Callable[[Optimizer], Any], every: int, steps: int = STEPS) -> list[float]:
    """The rate of each step if torch alone steps the schedule after ``every`` steps."""
    optimizer = SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)
    schedule, rates = make(optimizer), []
    for step in range(1, steps + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step % every == 0:
            schedule.step()
    return rates


def assert_goes_on(
    rates: dict[int, float], name: str, arguments: dict[str, object], interval: str, folder: Path
) -> None:
    """From the checkpoint of a step within an epoch the same rates follow, to the last bit."""
    again = run(module(name, arguments, interval), folder, folder / "3.ckpt")
    assert again == {step: rate for step, rate in rates.items() if step >= 3}


def test_a_run_that_goes_on_counts_in_what_it_counted(tmp_path: Path) -> None:
    run(module("StepLR", {"step_size": 3}, "step"), tmp_path)
    model = module("StepLR", {"step_size": 3}, "epoch")
    with pytest.raises(RunError, match=r"`model.lr_interval` was step and is now epoch"):
        run(model, tmp_path, tmp_path / "3.ckpt")
