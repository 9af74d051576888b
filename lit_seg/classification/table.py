"""Tables 4 and 5 of the recall paper from runs: accuracies of all, many, medium and few."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

import pandas as pd

from lit_seg.classification.rows import ROWS
from lit_seg.files.atomic_io import replace_text
from lit_seg.runs.layout import EVALUATION

SCORES = "scores.json"
"""What an evaluation found, in its folder."""

COLUMNS = {"pixel_acc": "overall", "many": "many", "medium": "medium", "few": "few"}
"""Scores and their columns; overall is the share of images that are right."""


NONE = "\N{EN DASH}"
"""Stands for a score that does not exist, such as that of a group without classes."""


def evaluation_of(run: Path) -> dict[str, float] | None:
    """The test scores of a run: of its last evaluation; None if there is none."""
    files = sorted(
        (run / EVALUATION).glob(f"test*/{SCORES}"), key=lambda file: file.stat().st_mtime
    )
    if not files:
        return None
    scores = json.loads(files[-1].read_text(encoding="utf-8"))["scores"]
    return {name: math.nan if value is None else value for name, value in scores.items()}


def write_table(runs: Mapping[tuple[str, int], Path], out: Path, title: str) -> str:
    """Write ``table.md`` and ``table.csv``, the scores of each run; returns the former.

    Args:
        runs: folders by method and seed; a run without test scores is left out.
        out: the folder of both files.
        title: above the table.
    """
    found = {key: evaluation_of(folder) for key, folder in runs.items()}
    rows = [
        {"method": name, "seed": seed, **{c: scores[s] for s, c in COLUMNS.items()}}
        for (name, seed), scores in found.items()
        if scores is not None
    ]
    text = pd.DataFrame(rows, columns=["method", "seed", *COLUMNS.values()])
    replace_text(out / "table.csv", text.to_csv(index=False, lineterminator="\n"))
    lines = [f"{title}; accuracy in %, mean ± standard deviation over seeds", ""]
    lines += [f"| method | seeds | {' | '.join(COLUMNS.values())} |", "|---|" + "---:|" * 5]
    for name in ROWS:
        of_method = [row for row in rows if row["method"] == name]
        if of_method:
            cells = [cell([row[c] for row in of_method]) for c in COLUMNS.values()]
            lines.append(f"| {ROWS[name].title} | {len(of_method)} | {' | '.join(cells)} |")
    markdown = "\n".join(lines) + "\n"
    replace_text(out / "table.md", markdown)
    return markdown


def cell(shares: list[float]) -> str:
    """Write mean and spread in percent; a dash for a group without classes."""
    there = [100 * share for share in shares if share == share]
    if not there:
        return NONE
    spread = f" ± {stdev(there):.1f}" if len(there) > 1 else ""
    return f"{mean(there):.1f}{spread}"
