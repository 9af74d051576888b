"""What a run leaves for W&B, read back from the offline files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb

from lit_seg.cli.main import main
from lit_seg.errors import RunError
from lit_seg.loggers import wandb_log as loggers
from lit_seg.loggers.run_loggers import LateLoggers, run_loggers
from lit_seg.loggers.wandb_log import WandbLog
from tests.conftest import TINY, layers
from tests.test_cli import rows_of


def read(file: Path) -> list[dict[str, Any]]:
    command = [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", file]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def logged_config(records: list[dict[str, Any]]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for record in records:
        content = record.get(record["type"], {})
        parts = [content.get("config"), content] if record["type"] in ("run", "config") else []
        for part in parts:
            config |= (part or {}).get("update") or {}
    return config


@pytest.fixture(scope="module")
def records(run: Path) -> list[dict[str, Any]]:
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    return read(file)


def test_trajectories_come_back_per_class(run: Path, records: list[dict[str, Any]]) -> None:
    items = [r["history"]["item"] for r in records if r["type"] == "history"]
    found = {
        (int(item["class_step"]), *key.split("/")[1:], float(f"{value:.6g}"))
        for item in items
        for key, value in item.items()
        if key.startswith("class/")
    }
    expected = {
        (int(r["step"]), r["stat"], r["class"], float(r["value"]))
        for r in rows_of(run / "classes.csv")
    }
    stats = {stat for _, stat, _, _ in expected}
    assert stats > {"recall", "focal_norm", "gradient_share", "weight", "weight_norm"}
    assert found == expected


def test_class_curves_have_their_own_axis(records: list[dict[str, Any]]) -> None:
    metrics = [r["metric"] for r in records if r["type"] == "metric"]
    axes = {m.get("glob_name", m.get("name")): m.get("step_metric") for m in metrics}
    assert axes["class/*"] == "class_step"


def test_a_chart_has_all_classes_of_a_statistic(run: Path, records: list[dict[str, Any]]) -> None:
    metrics = [r["metric"] for r in records if r["type"] == "metric"]
    hidden = {m["glob_name"] for m in metrics if m.get("options", {}).get("hidden")}
    assert hidden == {"class/*", "val/iou/*", "val/recall/*", "val/precision/*"}
    rows = rows_of(run / "classes.csv")
    media = next(run.glob("wandb/offline-run-*")) / "files" / "media" / "table"
    for stat in {row["stat"] for row in rows}:
        first, path = media.glob(f"**/curves/class/{stat}_table_*.json")
        if int(first.name.split("_")[-2]) > int(path.name.split("_")[-2]):  # W&B's step
            path = first
        found = {(step, name): value for step, name, value in json.loads(path.read_text())["data"]}
        assert found == pytest.approx(
            {(int(r["step"]), r["class"]): float(r["value"]) for r in rows if r["stat"] == stat}
        )


def test_counts_are_numbers_and_the_best_scores_are_kept(
    run: Path, records: list[dict[str, Any]]
) -> None:
    assert logged_config(records)["class_counts"]["pixels"] == [
        int(row["train_pixels"]) for row in rows_of(run / "dataset.csv")
    ]
    summary: dict[str, Any] = {}
    for record in records:
        summary |= record.get("summary", {}).get("update", {})
    for key, best in (("miou", max), ("ce", min)):
        logged = [float(r[f"val/{key}"]) for r in rows_of(run / "metrics.csv") if r["val/miou"]]
        assert summary[f"best/{key}"] == pytest.approx(best(logged))


def test_tables_and_overlays_are_there(run: Path) -> None:
    media = next(run.glob("wandb/offline-run-*")) / "files" / "media"
    tables = [json.loads(path.read_text()) for path in media.glob("table/**/*.json")]
    assert ["class", "iou", "recall", "precision", "pixels"] in [t["columns"] for t in tables]
    assert ["Actual", "Predicted", "nPredictions"] in [t["columns"] for t in tables]
    assert len(list(media.glob("images/val/*.png"))) == 2 * 4  # two validations of four pictures
    assert len(list(media.glob("images/mask/**/*.png"))) == 2 * 4 * 2


def test_a_resumed_run_goes_on_in_the_same_wandb_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / "seed0"
    shutil.copytree(run, folder)
    assert main(["fit", "--resume", str(folder), "--trainer.max_epochs", "3"]) == 0
    name = (folder / "wandb_id.txt").read_text().strip()
    files = sorted(folder.glob(f"wandb/offline-run-*-{name}/run-{name}.wandb"))
    assert len(files) == len(list(folder.glob("wandb/offline-run-*"))) == 2
    steps = [
        {int(r["history"]["item"].get("class_step", -1)) for r in read(file) if "history" in r}
        for file in files
    ]
    assert [sorted(part - {-1}) for part in steps] == [[*range(8)], [*range(8, 12)]]


def test_a_run_that_cannot_go_on_starts_no_wandb_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B would leave a folder; what is wrong is seen when the checkpoint has been loaded."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    shutil.copytree(run, tmp_path / "seed0", ignore=shutil.ignore_patterns("wandb"))
    longer = ("--trainer.max_epochs", "3", "--model.optimizer", "SGD")
    assert main(["fit", "--resume", str(tmp_path / "seed0"), *longer]) == 2
    assert not (tmp_path / "seed0" / "wandb").exists()


@pytest.mark.parametrize(
    ("env", "offline"),
    [({}, True), ({"WANDB_API_KEY": "k" * 40}, False), ({"WANDB_MODE": "offline"}, True)],
)
def test_mode_without_and_with_a_key(
    env: dict[str, str], offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    (logger,) = (lg for lg in run_loggers(tmp_path / "run") if isinstance(lg, WandbLog))
    assert logger._offline is offline
    # a resumed run goes on in the same W&B run; one that starts anew, after a failure, does not
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "wandb_id.txt").write_text(f"{logger.version}\n")
    late = run_loggers(tmp_path / "run", resumed=True)[1]
    assert isinstance(late, LateLoggers)
    assert [again.version for again in late._loggers] == [logger.version]
    assert run_loggers(tmp_path / "run")[1].version != logger.version


def test_a_key_in_netrc_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n")
    logger = run_loggers(tmp_path / "run")[1]
    assert isinstance(logger, WandbLog)
    assert logger._offline is False


def test_disabled_leaves_csv_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert len(run_loggers(tmp_path)) == 1


def test_where_it_is_not_installed_a_run_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    assert loggers.wandb_log(tmp_path, resumed=False) is None
    assert not list(tmp_path.iterdir())


def test_an_unknown_mode_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "bogus")
    with pytest.raises(RunError, match="WANDB_MODE=bogus is unknown; there are online"):
        run_loggers(tmp_path)


def test_a_key_without_a_server_goes_on_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr(loggers, "_CONNECT_SECONDS", 2.0)
    logger = run_loggers(tmp_path / "run")[1]
    logger.log_metrics({"train/loss": 1.0}, 0)
    logger.experiment.finish()
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*"))


def test_a_fast_dev_run_leaves_no_files(few_streets: None, tmp_path: Path) -> None:
    options = [*layers(), *TINY, "--run_dir", str(tmp_path / "run")]
    assert main(["fit", *options, "--trainer.fast_dev_run", "true"]) == 0
    left = [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert [name for name in left if not name.startswith(".")] == []


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_what_is_logged_offline_is_not_asked_of_a_server(
    mode: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Whatever W&B has read of the environment before, and without a warning of its own."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", mode or "")
    if mode is None:
        monkeypatch.delenv("WANDB_MODE")
    wandb.teardown()
    log = WandbLog(project="p", save_dir=str(tmp_path), offline=True, settings={"silent": True})
    assert log.experiment.offline
    log.experiment.finish()
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 1
    assert capsys.readouterr() == ("", "")
