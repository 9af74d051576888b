"""An error that nothing foresees is one line too: of a library, or of the code itself."""

from pathlib import Path

import pytest
import torch

from lit_seg.cli.commands import losses
from lit_seg.cli.commands.run_command import one_line_errors
from lit_seg.cli.error_messages import report_error, unforeseen
from lit_seg.cli.main import main
from lit_seg.errors import RunError
from lit_seg.tasks import LitSegmenter
from tests.conftest import TINY, layers

pytestmark = pytest.mark.usefixtures("few_streets")


def fit(folder: Path, *more: str) -> int:
    run = ["--run_dir", str(folder / "run"), "--trainer.max_steps", "1"]
    return main(["fit", *layers(), *TINY, *run, *more])


CALLBACKS = "[{class_path: pytorch_lightning.callbacks.EarlyStopping, init_args: {monitor: x/y}}]"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--model.optimizer.init_args.lr", "null", ("`model.optimizer`", "lr=None")),
        ("--model.optimizer.init_args.betas", "null", ("`model.optimizer`", "betas=None")),
        ("--model.lr_scheduler.init_args.power", "null", ("`model.lr_scheduler`", "NoneType")),
        ("--trainer.callbacks", CALLBACKS, ("`trainer.callbacks`", "`x/y`")),
    ],
)
def test_of_a_library_the_line_names_the_option(
    option: str,
    value: str,
    said: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fit(tmp_path, option, value) == 2
    shown = capsys.readouterr().err
    (line,) = (each for each in shown.splitlines() if each.startswith("error: "))
    assert "Traceback" not in shown
    assert [word for word in (*said, "`--traceback` shows") if word not in line] == []


def test_a_message_cannot_write_to_the_terminal_and_is_not_endless(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = RunError("\x1b[31ma\r\nb " + 10_000 * "x" + " the way out")
    assert report_error(error, "", shows_traceback=False) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: \\x1b[31ma\\r\\nb xxx")
    assert shown.endswith("xxx the way out\n")
    assert len(shown) < 2500


def test_nor_can_that_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert losses.main(["\x1b[31mx" + 10_000 * "y"]) == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert len(shown) < 2500


def test_of_the_code_the_line_says_where_and_the_code_is_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(self: LitSegmenter) -> None:
        {}["a mistake"]

    monkeypatch.setattr(LitSegmenter, "on_fit_start", wrong)
    assert fit(tmp_path) == 1
    shown = capsys.readouterr().err
    assert "error: KeyError: 'a mistake' (in " in shown
    assert "wrong of tests.test_unforeseen): this was not foreseen" in shown
    assert "Traceback" not in shown
    assert fit(tmp_path, "--traceback") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_the_other_commands_do_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(args: list[str]) -> int:
        assert args == ["x"]
        return torch.zeros(1).view(3).numel()

    assert one_line_errors(fails)(["x"]) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert one_line_errors(fails)(["x", "--traceback"]) in (1, 2)
    assert "Traceback" in capsys.readouterr().err


def test_the_file_in_play_is_named(tmp_path: Path) -> None:
    code = compile("def read(path):\n    return int(path)\n", "lit_seg/files/some.py", "exec")
    module = {"__name__": "lit_seg.files.some"}
    exec(code, module)
    with pytest.raises(TypeError) as caught:
        module["read"](tmp_path / "a.csv")  # type: ignore[operator]
    line, _ = unforeseen(caught.value)
    assert f"{tmp_path}/a.csv" in line


@pytest.mark.parametrize("content", [{1: torch.ones(2)}, {"state_dict": None}, [1], 3])
def test_odd_weights_to_start_from_are_refused(
    content: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "odd.ckpt")
    assert fit(tmp_path, "--model.init", str(tmp_path / "odd.ckpt")) == 2
    assert f"error: `init`: no tensor of {tmp_path}/odd.ckpt fits" in capsys.readouterr().err
