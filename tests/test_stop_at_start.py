"""Ctrl-C before there is anything to save: one line and exit code 130."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lit_seg import __main__ as program
from lit_seg.cli import error_messages, lightning_cli, output
from lit_seg.data import Streets
from lit_seg.tasks import LitSegmenter
from tests.conftest import TINY, layers
from tests.test_cli import fit

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.usefixtures("few_streets")


def ctrl_c(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
    raise AssertionError("it went on")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (lightning_cli, "check_options"),  # the options have just been read
        (Streets, "__init__"),
        (Streets, "setup"),
        (lightning_cli, "run_loggers"),
    ],
)
def test_ctrl_c_before_training_is_one_line(
    owner: object,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(owner, name, ctrl_c)
    assert fit(tmp_path / "a") == 130
    shown = capsys.readouterr().err.splitlines()
    assert [line for line in shown if "stopped" in line] == ["stopped"]
    assert not any("Traceback" in line for line in shown)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGXCPU", "SIGALRM"])
def test_other_signals_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*args: object, **kwargs: object) -> None:
        os.kill(os.getpid(), signal.Signals[name])
        raise AssertionError("it went on")

    monkeypatch.setattr(lightning_cli, "check_options", told)
    before = signal.signal(signal.Signals[name], lambda *_: None)  # it would end the tests
    try:
        assert fit(tmp_path / "a") == 128 + signal.Signals[name]
    finally:
        signal.signal(signal.Signals[name], before)
    assert f"stopped by {name}\n" in capsys.readouterr().err


def test_a_signal_does_not_hide_why_the_run_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A launcher signals the other ranks as soon as one has ended, while they say so."""

    def printed(error: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        output.print_error(error)

    monkeypatch.setattr(error_messages, "print_error", printed)
    before = signal.getsignal(signal.SIGTERM)
    assert fit(tmp_path / "a", "--rank_timeout", "0") == 2
    assert "error: " in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("command", ["fit", "losses"])
def test_ctrl_c_while_it_imports_is_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["lit_seg", command])
    monkeypatch.setattr("lit_seg.cli.commands.import_module", interrupted)
    monkeypatch.setattr("lit_seg.cli.main.main", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        assert program.main() == 130
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # of a second one nothing is shown
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGXCPU"])
def test_other_signals_while_it_imports_are_named(name: str) -> None:
    code = (
        "import os, signal\nfrom lit_seg import __main__ as program\n"
        f"program._run = lambda args: os.kill(os.getpid(), signal.{name})\nprogram.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.Signals[name], f"stopped by {name}\n")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 4.0, 8.0])
def test_ctrl_c_at_any_moment_shows_no_traceback(seconds: float, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lit_seg", "fit", *layers(), *TINY, "--run_dir", str(tmp_path)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # what a shell starts in the background ignores Ctrl-C, and so would this process
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert sum("stop" in line for line in said.splitlines()) in (1, 2)  # 2 within training


def test_nohup_keeps_a_run_from_a_hangup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = LitSegmenter.training_step

    def hung_up(self: LitSegmenter, *args: object) -> object:
        os.kill(os.getpid(), signal.SIGHUP)
        return step(self, *args)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(LitSegmenter, "training_step", hung_up)
    try:
        assert fit(tmp_path / "a", "--trainer.max_steps", "1") == 0
    finally:
        signal.signal(signal.SIGHUP, before)
