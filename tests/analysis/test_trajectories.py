"""What a comparison keeps of a log: the same values as the whole log has, and few of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_seg.analysis import trajectories
from lit_seg.analysis.trajectories import TRAJECTORIES, drawn_rows
from lit_seg.errors import RunError
from lit_seg.runs import csv_rows
from lit_seg.runs.csv_rows import rows_of_folder
from lit_seg.runs.records import RECORD
from tests.analysis.fabricated import write_run


def as_text(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.astype({"stat": str, "class": str})
    return rows.sort_values(RECORD[:3], ignore_index=True)[RECORD]


@pytest.mark.parametrize("block", [100, 1 << 24])
def test_it_is_a_part_of_all_that_was_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(csv_rows, "_BLOCK", block)
    folder = write_run(tmp_path, "recall", 0, images=2, logged=5, pictures=False)
    with (folder / "classes.csv").open("a") as file:
        file.write("0,recall,road,0.25\n0,gradient_share,sky,nan\n0,rec")  # a resume, a kill
    rows, whole = drawn_rows(folder), rows_of_folder(folder)
    wanted = whole["stat"].str.startswith(("val/", "cost/")) | whole["stat"].isin(
        [f"class/{stat}" for stat in TRAJECTORIES]
    )
    assert 0 < len(rows) < len(whole)
    assert {str(rows[name].dtype) for name in ("stat", "class")} == {"category"}
    pd.testing.assert_frame_equal(as_text(rows), as_text(whole[wanted]), check_dtype=False)


def test_a_long_run_is_averaged_over_groups_of_steps(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "ce", 0, images=2, logged=2, pictures=False)
    values = np.random.default_rng(0).random((4, 500))  # 10 steps apart, in groups of 3
    lines = [
        f"{10 * k},{stat},{name},{float(values[2 * i + j, k])!r}"
        for i, stat in enumerate(("recall", "miss_norm"))
        for j, name in enumerate(("road", "sky"))
        for k in range(500)
    ]
    (folder / "classes.csv").write_text("\n".join(["step,stat,class,value", *lines]) + "\n")
    rows = as_text(drawn_rows(folder))
    of_one = rows[(rows["stat"] == "class/miss_norm") & (rows["class"] == "road")]
    assert len(of_one) == 167 <= trajectories.MOST
    assert of_one["step"].tolist() == [*range(10, 4990, 30), 4990]
    expected = [values[2, k : k + 3].mean() for k in range(0, 500, 3)]
    assert of_one["value"].tolist() == pytest.approx(expected)


def test_a_run_without_class_statistics_has_its_scores(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "ce", 0, images=2, logged=2, pictures=False)
    (folder / "classes.csv").unlink()
    (folder / "cost.csv").unlink()
    assert set(drawn_rows(folder)["stat"].str.partition("/")[0]) == {"val"}


@pytest.mark.parametrize("line", ["7,recall,road,x", "7,recall", "7.5,recall,road,1"])
def test_a_damaged_file_is_named(tmp_path: Path, line: str) -> None:
    folder = write_run(tmp_path, "ce", 0, images=2, logged=2, pictures=False)
    with (folder / "classes.csv").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(RunError, match=r"classes\.csv: cannot be read as CSV"):
        drawn_rows(folder)
