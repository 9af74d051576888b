"""YAML from elsewhere is read within bounds, whoever reads it."""

import errno
import os
import shutil
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser
from pytorch_lightning.loggers import WandbLogger

from lit_seg.cli.commands import report
from lit_seg.cli.main import main
from lit_seg.cli.reach import OWN
from lit_seg.config.trust import only_trusted
from lit_seg.data import SegDataModule
from lit_seg.errors import RunError
from lit_seg.files.yaml_file import parse_yaml, read_yaml
from lit_seg.runs.summary import options_of
from tests.conftest import TINY, layers


def grown(first: str, more: str) -> str:
    """A line of YAML, and 30 more that each hold the one before nine times."""
    lines = [f"a{i}: &a{i} {more % ', '.join([f'*a{i - 1}'] * 9)}" for i in range(1, 30)]
    return "\n".join([f"a0: &a0 {first}", *lines, ""])


LAUGHS = grown("[ha]", "[%s]")
HOSTILE = {
    "aliases": (LAUGHS, "100000 values"),
    "merged aliases": (grown("{ha: 1}", "{<<: [%s]}"), "100000 values"),
    "list in itself": ("a: &a [*a]", "contains itself"),
    "mapping in itself": ("a: &a {b: *a}", "contains itself"),
    "merged in itself": ("a: &a {<<: *a}", "contains itself"),
    "nested": ("a: " + "[" * 100_000, "nested more than 50 deep"),
    "nested blocks": ("".join(" " * i + "a:\n" for i in range(1000)), "nested more than"),
    "integer": ("a: " + "9" * 500_000, "number of 500000 digits"),
    "base 60": ("a: 1" + ":59" * 100_000, "number of 300001 digits"),
    "many values": ("a: [" + "1," * 300_000 + "]", "100000 values"),
    "long": ("a: " + "x" * 2**20, "longer than"),
    "date by its tag": ("a: !!timestamp 2020-13-45", "cannot be read"),
    "no date by its tag": ("a: !!timestamp soon", "cannot be read"),
    "no integer by its tag": ("a: !!int ''", "cannot be read"),
    "no truth by its tag": ("a: !!bool maybe", "cannot be read"),
    "half a character": ("a: \ud800", "UTF-8"),
    "code": ("a: !!python/object/apply:os.getpid []", "os.getpid"),
}


@pytest.mark.parametrize(("text", "named"), HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_at_once(text: str, named: str) -> None:
    start = time.process_time()
    with pytest.raises(yaml.YAMLError, match=named):
        parse_yaml(text)
    assert time.process_time() - start < 5


def test_what_people_write_is_read() -> None:
    text = "a: &a {b: 1.5, c: [x, 2]}\nd: {<<: *a, b: 2020-13-45}\ne: *a\nf: 2020-01-02\n"
    one = {"b": 1.5, "c": ["x", 2]}
    assert parse_yaml(text) == {
        "a": one,
        "d": {**one, "b": "2020-13-45"},
        "e": one,
        "f": "2020-01-02",
    }


@pytest.fixture(params=["aliases", "mapping in itself", "nested", "integer"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "hostile.yaml"
    path.write_text(HOSTILE[request.param][0])
    return path


def test_the_command_line_says_it_in_one_line(
    hostile: Path, few_streets: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["--run_dir", str(tmp_path / "run"), "--trainer.max_steps", "1"]
    nested = tmp_path / "nested.yaml"
    nested.write_text(f"model: {{loss: {hostile}}}")
    for option in (
        ["--config", str(hostile)],
        ["--config", str(nested)],
        ["--model", str(hostile)],
    ):
        assert main(["fit", *layers(), *TINY, *run, *option]) == 2
        assert capsys.readouterr().err.count("error: ") == 1


def test_looking_at_a_run_says_it_in_one_line(
    hostile: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "mine"
    shutil.copytree(run, folder)
    shutil.copy(hostile, folder / "config.yaml")
    with pytest.raises(RunError, match=r"config\.yaml: is no whole configuration; restore"):
        options_of(folder)
    assert report.main([str(folder), "--out", str(tmp_path / "out")]) == 2
    assert f"error: {folder}: its path does not end in" in capsys.readouterr().err


def test_a_pipe_or_names_that_are_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"/dev/null: is a pipe or a device; save the"):
        read_yaml(Path("/dev/null"))
    (tmp_path / "x.yaml").write_text("1: 2\n")
    with pytest.raises(RunError, match=r"x\.yaml: names an option 1"):
        read_yaml(tmp_path / "x.yaml")


def test_a_file_that_the_system_does_not_open_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, mode: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    (tmp_path / "mine.yaml").write_text("a: 1\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RunError, match=r"mine\.yaml: cannot be read \(Too many open files\)"):
        read_yaml(tmp_path / "mine.yaml")


TEXTS = [
    *("yes", "true", "null", "~", "1", "01", "1.0", "1e3", "1.e3", ".5", "0x10", "1_000", "nan"),
    *("2024-01-01", "12:30:00", "[/]", "{a: b}", "- a", "a: b", "#x", "", " 1 ", "-1", '"1"'),
    *("-", "=", "<<", "*a", "a\nb"),
]


def test_text_is_written_as_it_was_given() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(SegDataModule, "data")
    parser.add_argument("--logger", type=WandbLogger)
    parser.add_argument("--options", type=dict[str, Any])
    data: dict[str, Any] = {"ids": TEXTS, "colours": dict(zip(TEXTS, TEXTS, strict=True))}
    data |= {"splits": {"train": "0.5", "val": ["yes", "1"]}, "exclude": TEXTS}
    given = {
        "data": {"class_path": "Folder", "init_args": {"root": "1e3", **data}},
        "logger": {"class_path": "WandbLogger", "init_args": {"tags": TEXTS, "notes": "1e3"}},
        "options": {"names": TEXTS, "deep": [{"name": "yes"}]},
    }
    with only_trusted(own=OWN):
        read = parser.parse_object(deepcopy(given))
        again = parser.parse_string(parser.dump(read))
    for each in (read, again):
        found = each.as_dict()
        assert found["data"]["init_args"].items() >= {"root": "1e3", **data}.items()
        assert found["logger"]["init_args"].items() >= given["logger"]["init_args"].items()
        assert found["options"] == given["options"]


def test_the_parser_reads_as_before_afterwards() -> None:
    from jsonargparse import _loaders_dumpers, _typehints

    before, adapt = _loaders_dumpers.get_yaml_default_loader(), _typehints.adapt_typehints
    with only_trusted():
        assert _loaders_dumpers.get_yaml_default_loader() is not before
        assert _loaders_dumpers.yaml_load("a: 1e-3") == {"a": 0.001}
        assert _typehints.adapt_typehints is not adapt
    assert _loaders_dumpers.get_yaml_default_loader() is before
    assert _typehints.adapt_typehints is adapt
