"""The commands of `python -m lit_seg.classification`, whose words name this program."""

import sys

import pytest

from lit_seg.classification.__main__ import main
from lit_seg.classification.commands import COMMANDS

NAME = "python -m lit_seg.classification"


@pytest.mark.parametrize("command", ["compare", "download", "export", "fit", "train"])
def test_help_and_errors_name_the_command(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", command, "--nonsense", "1"])
    assert main() == 2
    # `train` hands on what it does not know
    asked = "fit" if command == "train" else command
    assert f"`{NAME} {asked} --help`" in capsys.readouterr().err
    if command in ("fit", "validate", "test"):
        return  # Lightning's help takes seconds
    monkeypatch.setattr(sys, "argv", ["x", command, "--help"])
    assert main() == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"usage: {NAME} {command} ")
    assert COMMANDS[command][1:] in shown


def test_the_guards_of_the_other_program_are_there_too(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main() == 2
    assert "error: the working directory was removed" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["x", "fit"])
    monkeypatch.setenv("SLURM_PROCID", "first")
    assert main() == 2
    assert "SLURM_PROCID" in capsys.readouterr().err
