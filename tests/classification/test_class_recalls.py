"""The recall of each of many classes at each validation: kept, cut at a resume, and read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_seg.classification import classifier, run_files
from lit_seg.classification.classifier import LitClassifier
from lit_seg.classification.cli import main
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.runs.csv_rows import most_changed, read_recalls
from lit_seg.runs.layout import VAL_RECALL
from tests.classification.test_runs_of_classifiers import command
from tests.same import differences


def test_a_row_is_a_validation_and_a_resume_cuts_what_comes_again(tmp_path: Path) -> None:
    log = CSVLog(tmp_path)
    for step, value in ((4, 0.25), (9, 0.5)):
        log.log_metrics({"every/a/b": value, "every/c": np.nan}, step)
    assert not (tmp_path / "metrics.csv").exists()
    found = read_recalls(tmp_path)
    assert found.index.tolist() == [4, 9]
    assert found["a/b"].tolist() == [0.25, 0.5]
    assert found["c"].isna().all()
    again = CSVLog(tmp_path)
    again.hold(10, validations=0)  # the validation after step 9 comes again
    again.log_metrics({"every/a/b": 0.75, "every/c": 1.0}, 9)
    again.keep_before(10, validations=0)
    assert read_recalls(tmp_path)["a/b"].tolist() == [0.25, 0.75]
    CSVLog(tmp_path).keep_before(5)
    assert read_recalls(tmp_path).index.tolist() == [4]
    assert read_recalls(tmp_path / "none").empty


def test_what_changed_most_is_by_quarters() -> None:
    steps = pd.DataFrame(
        {"same": [0.5] * 8, "up": np.arange(8) / 8, "once": [0, 0, 0, 1, 0, 0, 0, 0]}
    )
    steps["down"] = 1 - steps["up"]
    assert most_changed(steps, 5) == ["up", "down"]  # a change that went again is none
    assert most_changed(steps, 1) == ["up"]
    assert most_changed(steps[:0], 5) == []


@pytest.mark.slow
def test_runs_of_many_classes_keep_each_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (classifier, run_files):
        monkeypatch.setattr(module, "SHOWN", 5)
    place = Path("digits_lt/plain/ce/seed0")
    assert main(command("plain", "ce", tmp_path / "a")) == 0
    recalls, metrics = (
        read_recalls(tmp_path / "a" / place),
        pd.read_csv(tmp_path / "a" / place / "metrics.csv").dropna(subset=["val/macc"]),
    )
    assert recalls.shape == (2, 10)
    assert recalls.mean(axis=1).tolist() == pytest.approx(metrics["val/macc"].tolist(), abs=1e-3)
    step = LitClassifier.training_step

    def failing(self: LitClassifier, batch: object, batch_idx: int) -> object:
        if self.global_step == 7:
            raise RuntimeError("something that no one expects")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(LitClassifier, "training_step", failing)
        assert main(command("plain", "ce", tmp_path / "b")) == 1
    assert main(["fit", "--resume", str(tmp_path / "b" / place)]) == 0
    assert (tmp_path / "b" / place / VAL_RECALL).is_file()
    assert differences(tmp_path / "b" / place, tmp_path / "a" / place) == []
