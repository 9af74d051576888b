"""Runs as tables, read from offline W&B runs and from W&B's server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import wandb
from pandas.testing import assert_frame_equal

from lit_seg.analysis import load_images, load_runs
from lit_seg.errors import RunError
from lit_seg.loggers.wandb_log import WandbLog

NAME = "streets/unet_resnet18/recall/seed0"


@pytest.fixture(scope="module")
def of_folder(run: Path) -> pd.DataFrame:
    return load_runs(run)


def test_an_offline_run_gives_the_rows_of_its_folder(run: Path, of_folder: pd.DataFrame) -> None:
    assert {"train/loss", "val/miou", "val/iou", "class/weight"} <= set(of_folder["stat"])
    (part,) = run.glob("wandb/offline-run-*")
    assert_frame_equal(load_runs(part), of_folder)
    assert_frame_equal(load_runs(run / "wandb"), of_folder)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A W&B run in two parts: stopped after step 2, gone on with from step 1, and copied around."""
    for part, steps in (("b", (0, 1, 2)), ("a", (1, 2, 3))):
        log = WandbLog(
            name="town/unet/ce/seed7",
            project="p",
            id="id12",
            save_dir=str(tmp_path / part),
            offline=True,
            settings={"silent": True},
        )
        (tmp_path / part).mkdir()
        for step in steps:
            value = step + (0.5 if part == "a" else 0)
            nan = float("nan")
            log.log_metrics({"train/loss": value, "val/precision/x/y": nan, "epoch": 1}, step)
            log.log_metrics({"class/recall/x.y": value, "class/recall/z": -float("inf")}, step)
        log.experiment.finish()
    return tmp_path


def test_the_parts_of_a_resumed_run_are_one(parts: Path) -> None:
    table = load_runs([parts / "a", parts / "b"])
    assert set(table["run"]) == {"town/unet/ce/seed7"}
    assert set(table["seed"]) == {7}
    rows = {key: of["value"].tolist() for key, of in table.groupby(["stat", "class"])}
    values = [0, 1.5, 2.5, 3.5]
    assert rows.pop(("val/precision", "x/y")) == pytest.approx([float("nan")] * 4, nan_ok=True)
    infinite = [-float("inf")] * 4
    assert rows == {
        ("class/recall", "x.y"): values,
        ("class/recall", "z"): infinite,
        ("train/loss", ""): values,
    }


def test_a_live_and_a_damaged_file(parts: Path) -> None:
    (file,) = parts.glob("b/wandb/offline-run-*/*.wandb")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])
    assert 0 < len(load_runs(file)) < len(load_runs(parts / "a"))
    file.write_text("something else")
    with pytest.raises(RunError, match=r"\.wandb: .* cannot read it .*; leave it out"):
        load_runs(file)
    file.write_bytes(b"")
    with pytest.raises(RunError, match=r"\.wandb: holds no run of W&B, it is empty or damaged"):
        load_runs(file)


def test_a_run_of_another_program_is_named(tmp_path: Path) -> None:
    run = wandb.init(mode="offline", dir=str(tmp_path), name="mine", settings={"silent": True})
    run.log({"loss": 1})
    run.finish()
    with pytest.raises(RunError, match="W&B run mine was not logged by `make train`"):
        load_runs(tmp_path)


def test_a_wandb_that_cannot_inspect_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, 2, b"", b"Usage\nNo such command 'inspect'.\n")

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(RunError, match=r"cannot read it \(No such command 'inspect'.\).*0.31"):
        load_runs(run / "wandb")


def test_offline_runs_have_no_images(run: Path) -> None:
    with pytest.raises(RunError, match=r"keeps no val_images\.csv; give the run's folder"):
        load_images(run / "wandb")


class Server:
    """Stands in for ``wandb.Api``: gives back runs as the server does."""

    def __init__(self, runs: list[Any]) -> None:
        self.found = runs

    def run(self, path: str) -> Any:
        for run in self.found:
            if path == f"me/mine/{run.id}":
                return run
        raise ValueError(f"Could not find run <Run {path} (not found)>")

    def runs(self, path: str, order: str) -> list[Any]:
        assert (path, order) == ("me/mine", "+created_at")
        return self.found


def history(run: Path) -> Iterator[dict[str, Any]]:
    """What ``scan_history`` gives: a dictionary per call of ``log``, tables in it as mappings."""
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    for line in done.stdout.splitlines():
        record = json.loads(line) if line.startswith(b"{") else {"type": ""}
        if record["type"] == "history":
            yield {**record["history"]["item"], "val/classes": {"_type": "table-file", "nrows": 12}}


def server(monkeypatch: pytest.MonkeyPatch, runs: list[Any]) -> None:
    monkeypatch.setattr(wandb, "Api", lambda: Server(runs))


def test_the_server_gives_the_rows_of_the_folder(
    run: Path, of_folder: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(history(run))
    ours = SimpleNamespace(id="abc", name=NAME, config={}, scan_history=lambda: iter(rows))
    other = SimpleNamespace(id="x", name="lively-sun-1", config={}, scan_history=lambda: iter([]))
    server(monkeypatch, [other, ours])
    assert_frame_equal(load_runs("wandb://me/mine/abc"), of_folder)
    assert_frame_equal(load_runs(["wandb://me/mine/", "wandb://me/mine/"]), of_folder)
    both = load_runs([run, "wandb://me/mine"])
    assert (
        sorted(both["run"].unique()) == [f"abc/{NAME}", f"seed0/{NAME}"[6:]]
        or len(both["run"].unique()) == 2
    )
    assert len(both) == 2 * len(of_folder)


def test_the_configuration_names_a_renamed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "seed_everything": 4,
        "data": {"class_path": "lit_seg.data.Folder", "init_args": {"root": "/data/leaves"}},
        "model": {
            "loss": {"class_path": "ClassBalancedLoss"},
            "architecture": "unet",
            "encoder": "r",
        },
    }
    rows = [{"train/loss": 1, "trainer/global_step": 3}]
    run = SimpleNamespace(id="a", name="best so far", config=config, scan_history=lambda: rows)
    server(monkeypatch, [run])
    (row,) = load_runs("wandb://me/mine").itertuples(index=False, name=None)
    assert row == (
        *("a/best so far", "leaves", "unet_r", "cb", 4),
        *(3, "train/loss", "", 1.0),
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("wandb://me", "give wandb://entity/project or wandb://entity/project/run_id"),
        ("wandb://me/mine/x/y", "give wandb://entity/project or"),
        ("wandb://me/mine/gone", r"\(Could not find run .*\); check entity, project"),
        ("wandb://me/mine", "holds no run that `make train` logged; upload"),
    ],
)
def test_what_the_server_has_not(source: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server(monkeypatch, [])
    with pytest.raises(RunError, match=says):
        load_runs(source)


def test_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RunError, match=r"No API key configured.*`wandb login` stores a key"):
        load_runs("wandb://me/mine/abc")
