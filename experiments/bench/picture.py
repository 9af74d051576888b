"""The curves of cost as one picture."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.bench.excerpts import rows_of
from experiments.bench.rivals import BASE

SHOWN = {
    **{BASE: "black", "recall": "tab:red", "recall of small logits": "tab:pink"},
    **{"focal": "tab:blue", "pat": "tab:green", "ldam": "tab:orange", "blv": "tab:purple"},
    "limit": "grey",
}


def draw(record: dict[str, Any], path: Path) -> None:
    """Time against pixels, classes and images with the limit, and memory against pixels."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    panels = [("pixels", "ms"), ("classes", "ms"), ("images", "ms"), ("pixels", "memory, MiB")]
    for axes, (along, what) in zip(figure.subplots(1, 4), panels, strict=True):
        for loss, colour in SHOWN.items():
            points = [row for row in rows_of(record, "curves", along, loss=loss) if what in row]
            x, y = [row[along] for row in points], [row[what] for row in points]
            style = "--" if loss == "limit" else "-"
            axes.loglog(x, y, style, color=colour, marker=".", markersize=4, label=loss, lw=1)
        axes.set_xlabel(along)
        axes.set_title("processor ms" if what == "ms" else what, fontsize=9)
        axes.tick_params(labelsize=7)
    axes.legend(fontsize=6)
    figure.savefig(path, dpi=100, metadata={"Software": None})
