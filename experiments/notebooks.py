"""Run the notebooks and keep their outputs: `python -m experiments.notebooks`, some minutes.

They run on the records of streets in `docs/records`, as they are given to readers, each in a folder
of its own. Records hold no weights: 04 takes those that `make train` has left in `runs/`. Pictures
are reduced to few colours, and nothing of this machine is kept.
"""

import base64
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

from experiments.records import unpack
from lit_seg.images.open_and_save import open_picture
from lit_seg.runs.layout import CHECKPOINTS, METRICS

PROJECT = Path(__file__).absolute().parents[1]
FOLDER = PROJECT / "notebooks"
NEWEST = "runs/streets/unet_resnet18/recall/seed0"  # the run that 01 and 04 take
COLOURS = 64


def execute(notebook: Path) -> None:
    """Run a notebook and write it with what its cells put out."""
    content = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as root:
        place = Path(root)
        unpack(PROJECT / "docs/records/streets.tar.xz", place / "runs")
        os.utime(place / NEWEST / METRICS)
        (place / NEWEST / CHECKPOINTS).symlink_to(PROJECT / NEWEST / CHECKPOINTS)
        (place / "experiments").symlink_to(PROJECT / "experiments")
        (place / "notebooks").mkdir()
        where = {"metadata": {"path": str(place / "notebooks")}}
        NotebookClient(content, timeout=1200, kernel_name="python3", resources=where).execute()
    for cell in content.cells:
        reduce_cell(cell)
    content.metadata.pop("language_info", None)
    nbformat.write(content, notebook)


def reduce_cell(cell: dict[str, Any]) -> None:
    """Leave out times and what libraries warn of, and make the rest small and portable."""
    cell["metadata"].pop("execution", None)
    if "outputs" in cell:
        said = [each for each in cell["outputs"] if "site-packages" not in each.get("text", "")]
        cell["outputs"] = said
        for output in said:
            _reduce(output)


def _reduce(output: dict[str, Any]) -> None:
    data = output.get("data", {})
    if "image/png" in data:
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            path = Path(file.name)
            path.write_bytes(base64.b64decode(data["image/png"]))
            image = open_picture(path).convert("RGB")
            image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
            data["image/png"] = base64.b64encode(path.read_bytes()).decode()
    for holder, key in ((output, "text"), (data, "text/plain"), (data, "text/html")):
        if key in holder:
            holder[key] = without_place(holder[key])


def without_place(text: str) -> str:
    """A text without the temporary folder, and the folders of this machine."""
    text = re.sub(rf"{re.escape(tempfile.gettempdir())}/tmp\w+", "work", text)
    places = {sys.prefix: ".venv", str(PROJECT): ".", str(Path.home()): "~"}
    for place, short in places.items():
        text = text.replace(place, short)
    return text


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(FOLDER.glob("*.ipynb")):
        execute(path)
        print(f"{path.name}  {path.stat().st_size / 1000:.0f} kB")
