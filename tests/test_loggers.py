"""The CSV files of a run."""

from pathlib import Path

from lit_seg.loggers.csv_log import CSVLog
from tests.test_cli import rows_of


def test_columns_grow_and_nothing_is_lost(tmp_path: Path) -> None:
    log = CSVLog(tmp_path)
    log.log_metrics({"train/loss": 1.0}, 0)
    log.log_metrics({"val/miou": 0.5}, 0)
    log.log_metrics({"train/loss": 0.5}, 1)
    assert rows_of(tmp_path / "metrics.csv") == [
        {"step": "0", "train/loss": "1.0", "val/miou": ""},
        {"step": "0", "train/loss": "", "val/miou": "0.5"},
        {"step": "1", "train/loss": "0.5", "val/miou": ""},
    ]


def test_a_second_logger_appends(tmp_path: Path) -> None:
    CSVLog(tmp_path).log_metrics({"a": 1.0, "b": 2.0}, 0)
    again = CSVLog(tmp_path)
    again.log_metrics({"b": 3.0}, 1)
    again.log_metrics({"c": 4.0}, 2)
    rows = rows_of(tmp_path / "metrics.csv")
    assert [row["b"] for row in rows] == ["2.0", "3.0", ""]
    assert rows[2]["c"] == "4.0"


def test_class_metrics_become_tidy_rows(tmp_path: Path) -> None:
    CSVLog(tmp_path).log_metrics({"class/recall/a/b": 0.25, "class/weight/c": 1.0}, 3)
    assert rows_of(tmp_path / "classes.csv") == [
        {"step": "3", "stat": "recall", "class": "a/b", "value": "0.25"},
        {"step": "3", "stat": "weight", "class": "c", "value": "1"},
    ]
    assert not (tmp_path / "metrics.csv").exists()


def test_costs_become_rows_of_their_own_file(tmp_path: Path) -> None:
    log = CSVLog(tmp_path)
    log.log_metrics({"cost/step_seconds": 0.5, "train/loss": 1.0}, 3)
    assert rows_of(tmp_path / "cost.csv") == [{"step": "3", "cost": "step_seconds", "value": "0.5"}]
    log.keep_before(3)
    assert rows_of(tmp_path / "cost.csv") == rows_of(tmp_path / "metrics.csv") == []


def test_keep_before_drops_what_will_be_logged_again(tmp_path: Path) -> None:
    log = CSVLog(tmp_path)
    for step in range(4):
        log.log_metrics({"train/loss": 1.0, "class/recall/a": 0.5}, step)
    log.keep_before(2)
    assert [row["step"] for row in rows_of(tmp_path / "metrics.csv")] == ["0", "1"]
    assert [row["step"] for row in rows_of(tmp_path / "classes.csv")] == ["0", "1"]


def test_a_file_whose_header_a_kill_cut_short_is_begun_anew(tmp_path: Path) -> None:
    """It can be younger than the checkpoint: the first row may come many steps after it."""
    for content in ("", "step,train/lo"):
        log = CSVLog(tmp_path)
        for name in ("metrics.csv", "classes.csv", "cost.csv"):
            (tmp_path / name).write_text(content)
        log.keep_before(2)
        log.log_metrics({"train/loss": 1.0, "class/recall/a": 0.5, "cost/step_seconds": 2.0}, 2)
        for name in ("metrics.csv", "classes.csv", "cost.csv"):
            assert [row["step"] for row in rows_of(tmp_path / name)] == ["2"]


def test_keep_before_keeps_the_validations_of_a_step_before_the_one_held_again(
    tmp_path: Path,
) -> None:
    log = CSVLog(tmp_path)
    for step, key in enumerate(("val/miou", "train/loss", "val/miou")):
        log.log_metrics({key: float(step)}, 0)  # the first one within an accumulated step
    log.keep_before(1, validations=1)
    rows = rows_of(tmp_path / "metrics.csv")
    assert [(row["val/miou"], row["train/loss"]) for row in rows] == [("0.0", ""), ("", "1.0")]


def test_keep_before_of_a_new_run_is_nothing(tmp_path: Path) -> None:
    CSVLog(tmp_path).keep_before(0)
    assert list(tmp_path.iterdir()) == []
