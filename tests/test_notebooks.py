"""The notebooks run from top to bottom on small runs, and are stored without output."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import papermill
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def execute(name: str, parameters: dict[str, Any], out: Path) -> list[dict[str, Any]]:
    """What the cells of a notebook put out."""
    done = papermill.execute_notebook(
        FOLDER / f"{name}.ipynb",
        out / f"{name}.ipynb",
        parameters=parameters,
        progress_bar=False,
        kernel_name="python3",
    )
    return [o for cell in done.cells if cell.cell_type == "code" for o in cell.outputs]


def pictures(outputs: list[dict[str, Any]]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def printed(outputs: list[dict[str, Any]]) -> str:
    return "".join(o["text"] for o in outputs if o.get("name") == "stdout")


def test_weight_dynamics_of_one_run(run: Path, tmp_path: Path) -> None:
    outputs = execute("01_weight_dynamics", {"RUN": str(run)}, tmp_path)
    assert pictures(outputs) == 4
    for group in ("head", "medium", "tail"):
        assert f"{group}: in " in printed(outputs)


def test_weight_dynamics_of_several_runs(run: Path, tmp_path: Path) -> None:
    sources = [str(run), str(run / "wandb")]
    outputs = execute("01_weight_dynamics", {"RUNS": sources}, tmp_path)
    assert pictures(outputs) == 4
    of_folder, of_wandb = printed(outputs).split("\n\n")[-2:]
    assert of_folder.splitlines()[1:] == of_wandb.splitlines()[1:]


def test_loss_comparison(run: Path, tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        for seed in range(2):
            folder = tmp_path / "runs" / "streets" / "unet_resnet18" / loss / f"seed{seed}"
            shutil.copytree(run, folder, ignore=shutil.ignore_patterns("wandb", "checkpoints"))
            if loss == "ce":
                halve_hits(folder / "val_images.csv")
                log = folder / "metrics.csv"  # which would say that the counts are damaged
                pd.read_csv(log).drop(columns="val/miou").to_csv(log, index=False)
    parameters = {"FOLDER": str(tmp_path / "runs"), "DRAWS": 200}
    outputs = execute("02_loss_comparison", parameters, tmp_path)
    assert pictures(outputs) == 3
    tables = "".join("".join(o.get("data", {}).get("text/plain", "")) for o in outputs)
    assert "real" in tables
    assert "True" in tables  # a loss with twice the hits is better


def halve_hits(path: Path) -> None:
    head, *rows = path.read_text().splitlines()
    cells = [row.rsplit(",", 1) for row in rows]
    halved = [f"{rest},{int(hits) // 2}" for rest, hits in cells]
    path.write_text("\n".join([head, *halved]) + "\n")


def test_own_data(tmp_path: Path) -> None:
    outputs = execute("03_own_data", {"STEPS": 4}, tmp_path)
    assert pictures(outputs) == 3
    assert "cross" in printed(outputs)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stripped(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1


def test_every_notebook_is_run() -> None:
    run = {"01_weight_dynamics", "02_loss_comparison", "03_own_data"}
    assert {notebook.stem for notebook in NOTEBOOKS} == run
