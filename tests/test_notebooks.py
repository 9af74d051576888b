"""The notebooks run from top to bottom on small runs, and are stored with small outputs."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import papermill
import pytest
from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from lit_seg.diagnosis.run_record import read_run
from tests.analysis.fabricated import write_run

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


class Results(DisplayHook):
    """Shows the value of a cell as a notebook does, not as a terminal does."""

    def write_output_prompt(self) -> None:
        """Nothing: the value alone counts."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
        """Beside the pictures."""
        self.shell.display_pub.publish(format_dict)


class Shell(InteractiveShell):
    """Runs cells in this process, without windows and without a history."""

    displayhook_class = Results

    def enable_gui(self, gui: str | None = None) -> None:
        """Nothing: pictures are kept, not shown."""


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.chdir(FOLDER)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # IPython takes its place
    made = Shell.instance(config=Config(HistoryManager={"enabled": False}))
    yield made
    Shell.clear_instance()


def execute(shell: Shell, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """What the cells of a notebook put out, run where torch is imported already.

    `test_notebooks_run_in_a_kernel` runs them as a user does.
    """
    plt.close("all")  # which another test may have left
    outputs: list[dict[str, Any]] = []
    for cell in json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            with capture_output() as shown, pd.option_context("display.max_columns", 20):
                result = shell.run_cell("".join(cell["source"]))
            result.raise_error()
            outputs += [{"name": "stdout", "text": shown.stdout}]
            outputs += [{"data": output.data} for output in shown.outputs]
            for number in plt.get_fignums():  # which a notebook shows below the cell
                plt.figure(number).canvas.draw()
                outputs += [{"data": {"image/png": number}}]
            plt.close("all")
        if "parameters" in cell["metadata"].get("tags", []):
            shell.push(parameters)
    return outputs


def pictures(outputs: list[dict[str, Any]]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def printed(outputs: list[dict[str, Any]]) -> str:
    return "".join(o["text"] for o in outputs if o.get("name") == "stdout")


def test_weight_dynamics(run: Path, shell: Shell) -> None:
    sources = [str(run), str(run / "wandb")]
    outputs = execute(shell, "01_weight_dynamics", {"RUNS": sources})
    assert pictures(outputs) == 4
    for group in ("head", "medium", "tail"):
        assert f"{group}: in " in printed(outputs)
    of_folder, of_wandb = printed(outputs).split("\n\n")[-2:]
    assert of_folder.splitlines()[1:] == of_wandb.splitlines()[1:]


def test_loss_comparison(shell: Shell, tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        for seed in range(2):
            write_run(tmp_path, loss, seed, logged=6, validations=2, pictures=False)
    outputs = execute(shell, "02_loss_comparison", {"FOLDER": str(tmp_path), "DRAWS": 200})
    assert pictures(outputs) == 3
    tables = "".join("".join(o.get("data", {}).get("text/plain", "")) for o in outputs)
    assert "real" in tables
    assert "True" in tables  # recall loss finds twice the pixels of the tail there


def test_own_data(shell: Shell) -> None:
    outputs = execute(shell, "03_own_data", {"STEPS": 2})
    assert pictures(outputs) == 3
    assert "cross" in printed(outputs)


def test_predictions(run: Path, shell: Shell) -> None:
    """What the notebook counts is what the validation counted that wrote the checkpoint."""
    last = run / "checkpoints" / "last.ckpt"
    outputs = execute(shell, "04_predictions", {"RUN": str(last), "SHOWN": 2})
    assert pictures(outputs) == 5
    record = read_run(run)
    found = shell.user_ns
    # images one by one: sums in another order may change a pixel
    np.testing.assert_allclose(found["counts"], record.counts, rtol=0, atol=3)
    assert float(found["scores"].miou) == pytest.approx(record.curve.iloc[-1], abs=2e-3)
    pixels = [found["pixels"].diagonal().sum(), found["pixels"].sum()]
    assert [found["sure"][True].sum(), sum(map(np.sum, found["sure"].values()))] == pixels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("01_weight_dynamics", {"RUN": "run"}),
        ("03_own_data", {"STEPS": 2}),
        ("04_predictions", {"RUN": "run", "IMAGES": 4}),
    ],
)
def test_notebooks_run_in_a_kernel(
    name: str, parameters: dict[str, Any], run: Path, tmp_path: Path
) -> None:
    """Each in a process of its own takes seconds to import torch."""
    given = {key: str(run) if key == "RUN" else value for key, value in parameters.items()}
    done = papermill.execute_notebook(
        FOLDER / f"{name}.ipynb",
        tmp_path / f"{name}.ipynb",
        parameters=given,
        progress_bar=False,
        kernel_name="python3",
    )
    assert pictures([o for cell in done.cells for o in cell.get("outputs", [])]) > 2


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_small_outputs(notebook: Path) -> None:
    """Public pages show them; `python -m experiments.notebooks` makes them."""
    text = notebook.read_text()
    cells = json.loads(text)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert pictures(outputs) > 2
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert len(text) < 400_000
    assert not re.search(r"(?<![\w.])/(tmp|home|root|work)/", text)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1


def test_every_notebook_is_run() -> None:
    run = {"01_weight_dynamics", "02_loss_comparison", "03_own_data", "04_predictions"}
    assert {notebook.stem for notebook in NOTEBOOKS} == run
