"""Tables 4 and 5 of the recall paper from runs: accuracies of all, many, medium and few."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

import pandas as pd

from lit_seg.classification.rows import ROWS
from lit_seg.errors import RunError, reason_of
from lit_seg.files.atomic_io import replace_text
from lit_seg.runs.layout import EVALUATION
from lit_seg.runs.score_table import markdown_lines

SCORES = "scores.json"
"""What an evaluation found, in its folder."""
LAST = "last.ckpt"
"""The checkpoint whose scores are compared."""

COLUMNS = {"pixel_acc": "overall", "many": "many", "medium": "medium", "few": "few"}
"""Scores and their columns; overall is the share of images that are right."""


NONE = "\N{EN DASH}"
"""Stands for a score that does not exist, such as that of a group without classes."""


OURS = "sdn_recall"
"""The method that the others are compared with."""


def evaluation_of(run: Path) -> dict[str, float] | None:
    """The test scores of a run: of the last evaluation of its last weights on all images.

    None if there is none: scores of the best weights, or of some images, are no row of a table.
    """
    files = (run / EVALUATION).glob(f"test*/{SCORES}")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            pairs = found["scores"].items()
            scores = {name: math.nan if value is None else float(value) for name, value in pairs}
            if found.get("checkpoint", LAST) == LAST and found.get("whole", True):
                return scores
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(
                f"{file}: is damaged ({reason_of(error)}); remove it, and `test` writes it anew"
            ) from None
    return None


def write_table(runs: Mapping[tuple[str, int], Path], out: Path, title: str) -> str:
    """Write ``table.md`` and ``table.csv``, the scores of each run; returns the former.

    Args:
        runs: folders by method and seed; a run without test scores is left out.
        out: the folder of both files.
        title: above the table.
    """
    found = {key: evaluation_of(folder) for key, folder in runs.items()}
    scores = pd.DataFrame(
        [
            (*key, *(100 * each[score] for score in COLUMNS))
            for key, each in found.items()
            if each is not None
        ],
        columns=["method", "seed", *COLUMNS.values()],
    )
    replace_text(out / "table.csv", scores.to_csv(index=False, lineterminator="\n"))
    markdown = tables_of(scores, title)
    replace_text(out / "table.md", markdown)
    return markdown


def tables_of(scores: pd.DataFrame, title: str) -> str:
    """Both tables of what ``table.csv`` holds."""
    lines = [f"{title}: accuracy in %, mean ± standard deviation over seeds.", ""]
    rows = []
    for name, part in _by_method(scores):
        cells = (cell(part[column].dropna().tolist()) for column in COLUMNS.values())
        rows.append([ROWS[name].title, str(len(part)), *cells])
    lines += markdown_lines(["method", "seeds", *COLUMNS.values()], rows)
    return "\n".join([*lines, *_differences(scores), ""])


def _differences(scores: pd.DataFrame) -> list[str]:
    """What ``OURS`` gains over each other method on the same seeds, which share their images."""
    of_seed = scores.set_index("seed")
    ours = of_seed[of_seed["method"] == OURS]
    rows = []
    for name, part in _by_method(scores):
        gains = [
            interval((ours[column] - part.set_index("seed")[column]).dropna().tolist())
            for column in ("overall", "few")
        ]
        if name != OURS and gains[0]:
            rows.append([ROWS[name].title, *gains])
    if not rows:
        return []
    what = (
        f"{ROWS[OURS].title} minus each of the others, in points: mean over seeds and 95 % "
        "interval of Student's t. An interval without 0 is a difference; one in twenty is so by "
        "chance."
    )
    return ["", what, "", *markdown_lines(["minus", "overall", "few"], rows)]


def _by_method(scores: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each method that has any, in the order of the tables."""
    parts = ((name, scores[scores["method"] == name]) for name in ROWS)
    return ((name, part) for name, part in parts if len(part))


def cell(values: Sequence[float]) -> str:
    """Write mean and standard deviation; a dash for a group without classes."""
    if not values:
        return NONE
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}"


def interval(values: Sequence[float]) -> str:
    """Write the mean of differences and its 95 % interval; nothing for fewer than two."""
    if len(values) < 2:
        return ""
    from lit_seg.analysis.bootstrap import quantile  # trainings need none of it

    half = quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    center = mean(values)
    return f"{center:+.1f} ({center - half:+.1f} to {center + half:+.1f})"
