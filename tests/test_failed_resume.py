"""A run that cannot go on leaves its folder as it was."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch.optim import SGD, AdamW, Optimizer

from lit_seg.checkpoints import checkpoint_schema
from lit_seg.checkpoints.checkpoint_files import find_checkpoint
from lit_seg.checkpoints.checkpoint_schema import damage_of
from lit_seg.checkpoints.contradictions import STEP_START
from lit_seg.cli.main import main
from lit_seg.errors import RunError
from lit_seg.loggers import csv_log
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.runs import csv_rows
from lit_seg.tasks import LitSegmenter
from lit_seg.tasks.schedule import _check_state

pytestmark = pytest.mark.usefixtures("few_streets")

LONGER = ("--trainer.max_epochs", "3", "--model.optimizer.init_args.eps", "1e-6")


@pytest.fixture
def finished(uninterrupted: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a finished run of two epochs, with a checkpoint of the first one."""
    folder = shutil.copytree(uninterrupted("--trainer.max_epochs", "2"), tmp_path / "seed0")
    first = uninterrupted("--trainer.max_epochs", "1") / "checkpoints" / "last.ckpt"
    shutil.copy(first, folder / "checkpoints" / "first.ckpt")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def out_of_memory(*args: Any, **kwargs: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")


def interrupted(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    raise AssertionError("it went on")


@pytest.mark.parametrize("checkpoint", ["last", "first"])
@pytest.mark.parametrize(
    ("owner", "method", "fails", "code"),
    [
        (Optimizer, "load_state_dict", out_of_memory, 2),
        (Optimizer, "load_state_dict", interrupted, 130),
        (LitSegmenter, "load_state_dict", interrupted, 130),
        (LitSegmenter, "training_step", out_of_memory, 2),
        (AdamW, "step", out_of_memory, 2),
    ],
)
def test_nothing_changes_before_the_first_step(
    checkpoint: str,
    owner: type,
    method: str,
    fails: Callable[..., None],
    code: int,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also not with other options, nor the rows after an older checkpoint."""
    before = contents(finished)
    monkeypatch.setattr(owner, method, fails)
    path = str(finished / "checkpoints" / f"{checkpoint}.ckpt")
    assert main(["fit", "--resume", path, *LONGER]) == code
    assert contents(finished) == before
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_repeated_is_dropped_once_it_is_done(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = LitSegmenter.training_step

    def fails_in_the_second_step(self: LitSegmenter, *args: Any) -> Any:
        if self.global_step == 5:
            out_of_memory()
        return step(self, *args)

    monkeypatch.setattr(LitSegmenter, "training_step", fails_in_the_second_step)
    assert main(["fit", "--resume", str(finished / "checkpoints/first.ckpt"), *LONGER]) == 2
    last = torch.load(finished / "checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == 5
    rows = (finished / "metrics.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == [0, 1, 2, 3, 3, 4]
    assert not (finished / "summary.json").exists()
    assert "eps: 1.0e-06" in (finished / "config.yaml").read_text()


def changed(content: Any, path: str, value: Any) -> Any:
    """The content with another value at a path such as ``loops/fit_loop``."""
    key, _, rest = path.partition("/")
    at: Any = int(key) if key.isdigit() else key
    copy = content.copy()
    copy[at] = changed(content[at], rest, value) if rest else value
    if copy[at] is MISSING:
        del copy[at]
    return copy


MISSING = object()

ITSELF: dict[str, Any] = {}
ITSELF["me"] = ITSELF

WEIGHT = "state_dict/network.encoder.model.stem.conv.weight"
VARIANCE = "network.encoder.model.stem.bn.running_var"

DAMAGE: list[tuple[str, Any, str]] = [
    ("global_step", -1, "global_step is -1"),
    ("global_step", 2.5, "global_step is 2.5"),
    ("global_step", True, "global_step is True"),
    ("global_step", 10**30, "global_step is 1000"),
    ("global_step", 7, "global_step is 7, and its counter 8"),
    ("epoch", 5, "epoch is 5"),
    ("position/epoch", 9, "position.epoch is 9"),
    ("position/samples", -4, "position.samples is -4"),
    ("position/validation_due", "no", "position.validation_due is 'no'"),
    ("state_dict", [], r"state_dict is \[\]"),
    ("state_dict", {1: torch.zeros(1)}, "state_dict.1 has a name that is no str"),
    ("state_dict", {"a": 1}, "state_dict.a is 1"),
    ("hyper_parameters/class_names", [1, 2], r"hyper_parameters.class_names is \[1, 2\]"),
    ("hyper_parameters/optimizer", {"init_args": [1]}, "hyper_parameters.optimizer is"),
    ("loops/fit_loop", [], r"loops.fit_loop is \[\]"),
    ("loops/fit_loop/epoch_progress/current/ready", None, "current.ready is None"),
    ("loops/validate_loop", 1, "loops.validate_loop is 1"),
    ("hyper_parameters/class_names", [], r"hyper_parameters.class_names is \[\]"),
    ("optimizer_states", {}, r"optimizer_states is \{\}"),
    ("optimizer_states", [], "optimizer_states has 0 items"),
    ("optimizer_states/0/param_groups", [], "param_groups has no item"),
    ("optimizer_states/0/param_groups/0/betas", ["a", 0.9], r"betas is \['a', 0.9\]"),
    ("optimizer_states/0/param_groups/0/betas", 0.5, "betas is 0.5"),
    ("optimizer_states/0/param_groups/0/eps", None, "eps is None, not a number"),
    ("optimizer_states/0/param_groups/0/weight_decay", "x", "weight_decay is 'x'"),
    ("optimizer_states/0/state/0/exp_avg", "x", "exp_avg is 'x', not a dense tensor"),
    ("optimizer_states/0/param_groups/0/eps", float("nan"), "eps is nan"),
    ("optimizer_states/0/param_groups/0/fused", torch.zeros(2), "fused is a tensor of"),
    ("optimizer_states/0/param_groups/0/amsgrad", None, "amsgrad is None, not true or false"),
    ("optimizer_states/0/state/0/exp_avg_sq", None, "exp_avg_sq is None, not a dense tensor"),
    ("hyper_parameters/encoder_lr_factor", [], r"encoder_lr_factor is \[\], not a number"),
    ("hyper_parameters/optimizer/init_args/lr", torch.ones(2), "hyper_parameters.optimizer is"),
    ("loops/fit_loop/epoch_loop.manual_optimization.optim_step_progress", {}, "total is missing"),
    ("Streets", "x", "Streets is 'x', not a mapping"),
    ("optimizer_states/0/state/0/step", -2, "step is -2"),
    ("optimizer_states/0/state/0/step", 2.5, "step is 2.5, not a whole number"),
    ("optimizer_states/0/state/0/step", torch.tensor(1e30), r"state\[0\].step is 1e\+30 after"),
    ("optimizer_states/0/state/0/exp_avg", torch.full((3,), torch.nan), "exp_avg is a tensor"),
    ("pixel_mean_and_std", torch.zeros(2, 1, 3, 1, 1), "pixel_mean_and_std is a tensor"),
    ("pixel_mean_and_std", torch.full((2, 1, 3, 1, 1), torch.nan), "pixel_mean_and_std is a"),
    ("callbacks/BestCheckpoint/best_score", float("nan"), "best_score is nan"),
    ("lr_schedulers/0/last_epoch", 10**9, "last_epoch is 1000000000 after step 8"),
    ("lr_schedulers/0/last_epoch", 0, "last_epoch is 0 after step 8"),
    ("optimizer_states/0/state", [1], r"optimizer_states\[0\].state is \[1\]"),
    ("optimizer_states/0/param_groups/0/lr", "fast", "lr is 'fast'"),
    ("lr_schedulers/0/last_epoch", -3, "last_epoch is -3"),
    ("callbacks", [], r"callbacks is \[\]"),
    ("callbacks/BestCheckpoint/best_score", "high", "best_score is 'high'"),
    ("pytorch-lightning_version", "new", "pytorch-lightning_version is 'new'"),
    ("pytorch-lightning_version", "99.0", r"version is '99\.0', not a version 2"),
    ("pytorch-lightning_version", "2.x", r"version is '2\.x', not a version 2"),
    ("optimizer_states/0/state/0", {}, r"state\[0\].step is missing"),
    ("optimizer_states/0/state/0/exp_avg", torch.full((3,), torch.inf), "exp_avg is a tensor"),
    ("optimizer_states/0/state/0/exp_avg_sq", -torch.ones(3), "exp_avg_sq is a tensor"),
    ("optimizer_states/0/state/999", {"step": 8}, "state is of 49 parameters, and has 999"),
    ("optimizer_states/0/param_groups/0/params", [7, 8], "do not number their parameters"),
    ("lr_schedulers/0/_last_lr", [float("nan")], r"_last_lr\[0\] is nan"),
    ("position/validations", -1, "position.validations is -1"),
    (
        "state_dict/loss.state.value",
        torch.full((12,), torch.nan),
        "holds no score after 2 epochs",
    ),
    ("state_dict/loss.state.value", torch.tensor([torch.nan, 7]), r"value holds \[7\.0\]"),
    (WEIGHT, torch.tensor(torch.nan), "holds NaN"),
    (WEIGHT, torch.tensor(torch.inf), "holds infinite"),
    (WEIGHT, torch.ones(2, dtype=torch.int32), "holds torch.int32, and most weights torch.float32"),
    (WEIGHT, torch.ones(2, dtype=torch.float16), "holds torch.float16"),
    (f"state_dict/{VARIANCE}", -torch.ones(2), "a variance below 0"),
    ("optimizer_states/0/state/0/exp_avg", torch.zeros(2, dtype=torch.int32), "finite fractions"),
    ("optimizer_states/0/state/0/exp_avg", torch.zeros(2).half(), "exp_avg holds torch.float16"),
    ("callbacks/BestCheckpoint/best_score", float("inf"), "best_score is inf"),
    ("hyper_parameters/optimizer", ITSELF, "hyper_parameters.optimizer.me.* contains itself"),
    ("optimizer_states/0/state/0", ITSELF, r"optimizer_states\[0\].state.0.me.* contains itself"),
    ("callbacks/mine", {"a": torch.zeros(1).expand(2**40)}, "callbacks.mine.a is a tensor of"),
    ("state_dict/loss.x", torch.zeros(1).expand(2**40), "loss.x is a tensor of .*, not a dense"),
    ("lr_schedulers/0/_schedulers", 3, "_schedulers is 3, not a list"),
    ("lr_schedulers/0/num_bad_epochs", -1, "num_bad_epochs is -1"),
    ("lr_schedulers/0/best", float("nan"), "best is nan"),
    ("MixedPrecision", {"scale": float("nan")}, "MixedPrecision.scale is nan"),
    ("current_model_state", 3, "current_model_state is 3"),
    ("current_model_state", {"a": torch.zeros(1)}, "a is not in state_dict"),
    ("averaging_state", {"x": torch.zeros(1)}, "averaging_state.n_averaged is missing"),
    ("stopped_before", ["x"], r"stopped_before\[0\] is 'x'"),
    (STEP_START, [1], rf"{STEP_START} is \[1\]"),
    (STEP_START, {"a": 1}, f"{STEP_START}.a is 1"),
    (STEP_START, {VARIANCE: torch.ones(3)}, "or of another shape"),
    (STEP_START, {VARIANCE: torch.full((24,), torch.nan)}, "running_var holds NaN"),
    (STEP_START, {VARIANCE: -torch.ones(24)}, "running_var holds a variance below 0"),
    ("optimizer_states/0/state", {0: {"step": 1}}, r"state has taken 1 of 8 steps"),
]


@pytest.mark.parametrize(("path", "value", "said"), DAMAGE, ids=[f"{p}:{s}" for p, _, s in DAMAGE])
def test_a_damaged_field_is_named_before_anything_is_loaded(
    path: str, value: Any, said: str, uninterrupted: Callable[..., Path], tmp_path: Path
) -> None:
    run = uninterrupted("--trainer.max_epochs", "2")
    content = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert damage_of(content) == ""
    torch.save(changed(content, path, value), tmp_path / "x.ckpt")
    with pytest.raises(RunError, match=rf"x\.ckpt: .* is damaged \(.*{said}"):
        find_checkpoint(tmp_path / "x.ckpt", "last")


def test_a_checkpoint_may_not_have_parts_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_schema, "_MOST", 1000)
    many: list[Any] = []  # 2^40 lists, of which 40 are in a file
    for _ in range(40):
        many = [many, many]
    assert "too many parts" in damage_of({"callbacks": many})


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("lr_schedulers", [], "0 `lr_schedulers`"),
        ("position/samples", 10**9, "position.samples is 1000000000"),
        ("optimizer_states/0/state", {}, "it is empty"),
        ("optimizer_states/0/state/0/exp_avg", torch.zeros(1), "exp_avg is of another shape"),
        ("optimizer_states/0/state/0", MISSING, "that of network.encoder.model.stem.conv.weight"),
        ("optimizer_states/0/state/3/exp_avg", MISSING, "lacks exp_avg"),
        ("callbacks/BestCheckpoint/best_score", 5.0, "best_score is 5.0, and val/miou is 0 to 1"),
        (STEP_START, {WEIGHT[11:]: torch.zeros(24, 3, 3, 3)}, "conv.weight, which is no buffer"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    path: str,
    value: Any,
    said: str,
    finished: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Lightning and torch take over most of them in silence."""
    last = finished / "checkpoints/last.ckpt"
    content = torch.load(last, weights_only=True)
    torch.save(changed(content, path, value), last)
    before = contents(finished)
    assert main(["fit", "--resume", str(finished), *LONGER]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "another checkpoint" in shown
    assert "resume by" not in caplog.text  # which would fail again
    assert contents(finished) == before


def test_an_option_of_any_optimizer_that_is_gone_is_refused() -> None:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(2))])
    options = [{"dampening": 0.0, "foreach": None}]
    _check_state(optimizer, options)
    optimizer.param_groups[0]["dampening"] = None
    with pytest.raises(RunError, match=r"dampening is None, not like 0\.0; resume from another"):
        _check_state(optimizer, options)


REFUSED = [
    (("--trainer.nosuch", "1"), "--trainer.nosuch"),
    (("--model.loss", "CrossEntropyLoss"), "INIT takes"),
    (("--data.init_args.void", "train"), "the data has sky"),
    (("--trainer.logger", "WandbLogger", "--trainer.logger.project", "a/b"), "'a/b'"),
]


def test_a_refused_resume_leaves_no_trace(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also not of W&B, in a run that did without; and no file is written again as it was."""
    monkeypatch.setenv("WANDB_MODE", "offline")

    def tree() -> dict[Path, tuple[bytes, int] | None]:
        return {
            path: (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else None
            for path in finished.rglob("*")
        }

    before = tree()
    for more, said in REFUSED:
        assert main(["fit", "--resume", str(finished), *LONGER, *more]) == 2, more
        assert said in capsys.readouterr().err
        assert tree() == before, more


def test_one_file_with_a_foreign_row_keeps_all_files(tmp_path: Path) -> None:
    log = CSVLog(tmp_path)
    for step in range(3):
        log.log_metrics({"train/loss": 1.0, "class/recall/a": 0.5, "cost/step": 1.0}, step)
    with (tmp_path / "cost.csv").open("a") as file:
        file.write("soon,step,1\n")
    before = contents(tmp_path)
    for cut in (log.hold, log.keep_before):
        with pytest.raises(RunError, match="soon"):
            cut(1)
        assert contents(tmp_path) == before


def test_what_is_logged_while_rows_are_held_comes_after_the_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, read = CSVLog(tmp_path), []
    for step in range(3):
        log.log_metrics({"train/loss": float(step)}, step)
    before = contents(tmp_path)

    def counted(path: Path, *args: Any) -> pd.DataFrame:
        read.append(path.name)
        return csv_rows.read_table(path, *args)

    monkeypatch.setattr(csv_log, "read_table", counted)
    log.hold(1)
    log.log_metrics({"train/loss": 7.0}, 1)
    assert contents(tmp_path) == before
    log.keep_before(1)
    assert read == ["metrics.csv"]  # once: it may be long
    log.log_metrics({"train/loss": 8.0}, 2)
    assert (tmp_path / "metrics.csv").read_text().split() == [
        *("step,train/loss", "0,0.0", "1,7.0", "2,8.0")
    ]
