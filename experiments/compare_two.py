"""Two runs class by class, in Markdown: `python experiments/compare_two.py <run> <run>`.

From the scores at the ends of the runs (last validation); all in percent.
"""

import argparse
import sys
from pathlib import Path

from lit_seg.errors import RunError
from lit_seg.files.escape import markdown
from lit_seg.runs.score_table import cells, class_rows, means_line
from lit_seg.runs.summary import RunScores, read_summary


def scores_of(run: Path) -> RunScores:
    """The scores of a finished run."""
    summary = read_summary(run)
    if summary is None or summary.scores is None:
        raise RunError(f"{run}: is no finished run with scores; give the folder of one")
    return summary.scores


def main(first: Path, second: Path) -> None:
    """Print IoU, recall and precision of each class in both runs, side by side."""
    one, two = first.parent.name, second.parent.name
    scores = [scores_of(first), scores_of(second)]
    heads = [f"{s} ({name})" for s in ("IoU", "recall", "precision") for name in (one, two)]
    print("|", " | ".join(["class", "train pixels", *heads]), "|")
    print("|---|" + "---:|" * 7)
    for rows in zip(*map(class_rows, scores), strict=True):
        a, b = map(cells, rows)
        pairs = [cell for pair in zip(a[2:], b[2:], strict=True) for cell in pair]
        print("|", " | ".join([markdown(a[0]), a[1], *pairs]), "|")
    for name, of in zip((one, two), scores, strict=True):
        print(f"\n{name}: {means_line(of)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Two runs class by class, in Markdown.", allow_abbrev=False
    )
    parser.add_argument("first", type=Path, help="folder of a finished run")
    parser.add_argument("second", type=Path, help="folder of another one")
    try:
        main(**vars(parser.parse_args()))
    except RunError as error:
        sys.exit(f"error: {error}")
