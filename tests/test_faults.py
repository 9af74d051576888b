"""What fails while a run trains: it stops with one message, and nothing that was done is lost."""

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_seg.checkpoints.checkpoint_io import AtomicCheckpointIO
from lit_seg.cli.main import main
from lit_seg.errors import WriteError
from lit_seg.loggers import csv_log
from lit_seg.models.resized_logits import Logits
from lit_seg.tasks import LitSegmenter
from tests.same import differences
from tests.test_cli import fit
from tests.test_exact_resume import EPOCHS

pytestmark = pytest.mark.usefixtures("few_streets")


@pytest.fixture
def reference(uninterrupted: Callable[..., Path]) -> Path:
    """A run in which nothing fails."""
    return uninterrupted(*EPOCHS)


def step_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


@contextmanager
def at_call(n: int, owner: Any, name: str, do: Callable[[], None]) -> Iterator[None]:
    """Do something at the n-th call of a function or method, counted from 1, before its work."""
    function, calls = getattr(owner, name), []

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == n:
            do()
        return function(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, counting)
        yield
    assert len(calls) >= n


def full_disk() -> None:
    raise OSError(28, "No space left on device")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A limit of the system on what this process writes, as close to a full disk as tests get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_broken_logit_stops_the_run_before_the_weights_change(
    tmp_path: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logits_of = LitSegmenter.logits

    def breaking(self: LitSegmenter, image: Tensor) -> Logits:
        logits = logits_of(self, image)
        if self.training and self.global_step == 6:
            # the loss stays finite: this class is just impossible
            logits.small[0, 3, 5, 7] = -float("inf")
        return logits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitSegmenter, "logits", breaking)
        assert fit(tmp_path / "a", *EPOCHS) == 2
    said = capsys.readouterr().err
    assert "step 6" in said
    assert f"1 of {4 * 12 * 64 * 96} logits" in said
    assert "scene_00" in said
    assert f"{tmp_path}/a/checkpoints/last.ckpt (step 4)" in said
    assert step_of(tmp_path / "a/checkpoints/last.ckpt") == 4
    # the state in which the step failed, with the batch statistics of its beginning
    look = tmp_path / "a/checkpoints/nonfinite.ckpt"
    assert step_of(look) == 6
    for values in torch.load(look, weights_only=True)["state_dict"].values():
        assert values.isfinite().all() or values.shape == (12,)  # recall: not every class was seen
    assert main(["fit", "--resume", str(look)]) == 0
    look.unlink()
    assert differences(tmp_path / "a", reference) == []


def test_diverging_weights_are_not_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model.optimizer.init_args.lr", "1e30", "--trainer.max_steps", "3")
    assert fit(tmp_path / "a", *options) == 2
    said = capsys.readouterr().err
    assert "step 1" in said
    assert "nan" in said
    assert not list(tmp_path.rglob("last.ckpt"))


def test_weights_that_a_gradient_broke_are_not_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss of that step is finite: it is seen in the next one only."""
    step = LitSegmenter.training_step

    def breaking(self: LitSegmenter, batch: Any, batch_idx: int) -> Tensor:
        loss = step(self, batch, batch_idx)
        return loss if self.global_step != 6 else loss + (loss - loss.detach()).sqrt()  # 0 * inf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitSegmenter, "training_step", breaking)
        options = ("--last_checkpoint.every_n_train_steps", "1")
        assert fit(tmp_path / "a", *EPOCHS, *options) == 2
    assert "last.ckpt (step 6)" in capsys.readouterr().err
    last = torch.load(tmp_path / "a/checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == 6
    weights = {k: v for k, v in last["state_dict"].items() if k != "loss.state.value"}
    assert all(bool(value.isfinite().all()) for value in weights.values())


def test_a_broken_logit_in_validation_stops_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logits_of = LitSegmenter.logits

    def breaking(self: LitSegmenter, image: Tensor) -> Logits:
        logits = logits_of(self, image)
        return logits if self.training else replace(logits, small=logits.small.log())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitSegmenter, "logits", breaking)
        assert fit(tmp_path / "a", "--trainer.max_epochs", "1") == 2
    said = capsys.readouterr().err
    assert "nan" in said
    assert "scene_0000, scene_0001, scene_0002, scene_0003" in said


@pytest.mark.parametrize(
    ("sent", "method"),
    [
        (signal.SIGTERM, "training_step"),
        (signal.SIGINT, "validation_step"),
        # the handler does not look at what is done when it is called
        pytest.param(signal.SIGINT, "training_step", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "validation_step", marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, "training_step", marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, "validation_step", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_the_run_at_a_safe_point(
    sent: signal.Signals, method: str, tmp_path: Path, reference: Path
) -> None:
    with at_call(2, LitSegmenter, method, lambda: os.kill(os.getpid(), sent)):
        assert fit(tmp_path / "a", *EPOCHS) == 128 + sent
    done = 2 if method == "training_step" else 4
    assert step_of(tmp_path / "a/checkpoints/last.ckpt") == done
    assert main(["fit", "--resume", str(tmp_path / "a")]) == 0
    assert differences(tmp_path / "a", reference) == []


@pytest.mark.parametrize(
    "sent",
    [
        signal.SIGUSR2,  # what some schedulers send instead of SIGUSR1
        signal.SIGHUP,  # the terminal was closed
        pytest.param(signal.SIGALRM, marks=pytest.mark.slow),
    ],
)
def test_another_signal_ends_the_run_too(sent: signal.Signals, tmp_path: Path) -> None:
    before = signal.signal(sent, signal.SIG_DFL)  # `nohup` would have it ignored
    with at_call(2, LitSegmenter, "training_step", lambda: os.kill(os.getpid(), sent)):
        assert fit(tmp_path / "a", *EPOCHS) == 128 + sent
    signal.signal(sent, before)
    assert step_of(tmp_path / "a/checkpoints/last.ckpt") == 2


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_a_signal_before_training_or_without_it_is_no_success(
    command: str, tmp_path: Path, reference: Path
) -> None:
    """As in the validation that only tries whether one works."""
    stop = at_call(1, LitSegmenter, "_logits", lambda: os.kill(os.getpid(), signal.SIGTERM))
    with stop:
        if command == "fit":
            code = fit(tmp_path / "a", "--trainer.num_sanity_val_steps", "1", *EPOCHS)
        else:
            small = ["--data.init_args.batch_size", "2"]
            code = main([command, "--ckpt_path", str(reference), *small])
    assert code == 128 + signal.SIGTERM
    assert not (tmp_path / "a" / "checkpoints").exists()


@pytest.mark.parametrize("method", ["validation_step", "on_train_end"])
def test_a_folder_that_is_removed_is_no_success(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with at_call(1, LitSegmenter, method, lambda: shutil.rmtree(tmp_path / "a")):
        assert fit(tmp_path / "a", "--trainer.max_epochs", "1") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"error: {tmp_path / 'a'}" in line
    assert "was removed while" in line
    assert "anew" in line


def test_a_kill_in_the_first_validation_costs_no_step(tmp_path: Path) -> None:
    """There is a checkpoint already; nothing can be saved when the kill comes."""
    done: list[int] = []

    def look() -> None:
        done.append(step_of(tmp_path / "a/checkpoints/last.ckpt"))

    with at_call(1, LitSegmenter, "validation_step", look):
        assert fit(tmp_path / "a", "--trainer.max_epochs", "1") == 0
    assert done == [4]


def twice(sent: signal.Signals, later: float) -> None:
    os.kill(os.getpid(), sent)
    time.sleep(later)
    os.kill(os.getpid(), sent)


def test_a_second_signal_ends_the_run_at_once(tmp_path: Path, reference: Path) -> None:
    # within the first step of the second epoch
    with at_call(5, LitSegmenter, "training_step", lambda: twice(signal.SIGINT, 1.1)):
        assert fit(tmp_path / "a", *EPOCHS) == 128 + signal.SIGINT
    assert step_of(tmp_path / "a/checkpoints/last.ckpt") == 4
    assert main(["fit", "--resume", str(tmp_path / "a")]) == 0
    assert differences(tmp_path / "a", reference) == []


@pytest.mark.parametrize(
    ("sent", "later"),
    [
        (signal.SIGINT, 0.0),  # the same one, that came twice
        (signal.SIGXCPU, 1.1),  # in each second the system says that the time is used up
    ],
)
def test_a_signal_that_is_repeated_leaves_the_step_whole(
    sent: signal.Signals, later: float, tmp_path: Path
) -> None:
    with at_call(2, LitSegmenter, "training_step", lambda: twice(sent, later)):
        assert fit(tmp_path / "a", *EPOCHS) == 128 + sent
    assert step_of(tmp_path / "a/checkpoints/last.ckpt") == 2


def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path / "a", "--trainer.max_epochs", "1") == 0
    with files_of_at_most(100_000):  # the checkpoint has more
        assert main(["fit", "--resume", str(tmp_path / "a"), *EPOCHS]) == 2
    said = capsys.readouterr()
    (line,) = [line for line in (said.err + said.out).splitlines() if "File too large" in line]
    assert "checkpoints/best.ckpt" in line
    assert step_of(tmp_path / "a/checkpoints/last.ckpt") == 4
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_a_checkpoint_that_cannot_be_written_is_made_up_for(
    name: str, tmp_path: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also the choice of the best one: a score whose weights were not written does not count."""
    replace, calls = Path.replace, []

    def failing(self: Path, target: Path) -> Path:
        if target.name == name:
            calls.append(target)
            if len(calls) == 2:
                full_disk()
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        assert fit(tmp_path / "a", *EPOCHS) == 2
    said = capsys.readouterr().err
    assert f"checkpoints/{name}" in said
    assert "No space left on device" in said
    assert main(["fit", "--resume", str(tmp_path / "a")]) == 0
    assert differences(tmp_path / "a", reference) == []


@pytest.mark.parametrize("n", [7, 16])
def test_a_row_that_cannot_be_written_is_not_missing_later(
    n: int, tmp_path: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The step is done but its rows are not written: it is done again."""
    with at_call(n, csv_log.csv, "writer", full_disk):
        assert fit(tmp_path / "a", *EPOCHS, "--last_checkpoint.every_n_train_steps", "1") == 2
    said = capsys.readouterr().err
    assert "s.csv" in said
    assert "No space left on device" in said
    assert main(["fit", "--resume", str(tmp_path / "a")]) == 0
    assert differences(tmp_path / "a", reference) == []


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path, io = tmp_path / "new" / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint({"value": torch.ones(3)}, path)
    assert io.load_checkpoint(path)["value"].tolist() == [1, 1, 1]
    before = path.read_bytes()
    with files_of_at_most(10_000), pytest.raises(WriteError, match=r"last\.ckpt"):
        io.save_checkpoint({"value": torch.zeros(10_000)}, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file/last.ckpt.*File exists"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "file" / "last.ckpt")


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "evil": Path}, tmp_path / "x.ckpt")
    with pytest.raises(Exception, match="Weights only load failed"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "x.ckpt", weights_only=False)
