"""A reader of the output that goes away ends no run, and costs no file."""

import os
import shutil
import sys
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from lit_seg.__main__ import main as whole_main
from lit_seg.classification.__main__ import main as of_classifiers
from lit_seg.cli.commands import losses
from lit_seg.cli.main import main
from lit_seg.cli.output import lasting_output
from tests.same import differences
from tests.test_cli import fit

EPOCHS = ("--trainer.max_epochs", "2")

pytestmark = pytest.mark.usefixtures("few_streets")


@pytest.fixture
def closed_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output as ``| head -1`` leaves it: its reader has ended."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield


@pytest.mark.usefixtures("closed_pipe")
@pytest.mark.parametrize("progress", ["false", "true"])
def test_a_closed_pipe_ends_no_run(
    progress: str, tmp_path: Path, uninterrupted: Callable[..., Path]
) -> None:
    assert fit(tmp_path / "a", *EPOCHS, "--trainer.enable_progress_bar", progress) == 0
    assert differences(tmp_path / "a", uninterrupted(*EPOCHS)) == []


@pytest.mark.usefixtures("closed_pipe")
def test_a_closed_pipe_ends_no_evaluation(tmp_path: Path, run: Path) -> None:
    shutil.rmtree(run / "evaluation", ignore_errors=True)
    assert main(["validate", "--ckpt_path", str(run)]) == 0
    assert "| road |" in (run / "evaluation/val/table.md").read_text()


@pytest.mark.usefixtures("closed_pipe")
def test_a_closed_pipe_ends_no_other_command() -> None:
    assert losses.main([]) == 0


@pytest.mark.parametrize(("device", "said"), [("/dev/full", "No space left"), ("/dev/null", "")])
def test_a_full_disk_under_the_output_is_told(
    device: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(device, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with lasting_output():
            sys.stdout.write("x\n")
            sys.stdout.flush()
            sys.stdout.write("y\n")
        assert sys.stdout is stream
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("standard output") == bool(said)


def test_a_warning_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Python would name a file of the code and quote a line of it."""
    with lasting_output():
        for _ in range(2):  # from two places, which Python would repeat
            warnings.showwarning("images have 4 bands\n\x1b[2Jand more", UserWarning, "a.py", 1)
    assert capsys.readouterr().err == "warning: images have 4 bands \\x1b[2Jand more\n"
    with pytest.warns(UserWarning, match="as before"):
        warnings.warn("as before", UserWarning, stacklevel=1)


def test_a_process_without_outputs_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with lasting_output():
        sys.stdout.write("x")
        sys.stderr.write("x")
    assert sys.stdout is None


def test_a_terminal_without_columns_gets_tables_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    monkeypatch.setattr(sys, "argv", ["lit_seg", "losses"])
    assert whole_main() == 0
    assert Console().width > 0  # of every table that is printed after it


def test_a_working_directory_that_was_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert whole_main() == 2
    assert "error: the working directory was removed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "command"),
    [*product([whole_main, of_classifiers], ["fit", "export"])],
)
def test_a_library_that_cannot_be_loaded_is_named(
    program: Callable[[], int],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(module: str) -> None:
        raise ImportError("a page of advice") from OSError("x.so: failed to map")

    monkeypatch.setattr("lit_seg.cli.commands.import_module", refuse)
    monkeypatch.setattr(sys, "argv", ["lit_seg", command])
    assert program() == 2
    shown = capsys.readouterr().err
    assert "cannot be loaded (OSError: x.so: failed to map); look at the limits" in shown
    assert "install" in shown
