"""A Markdown table of finished runs: `python experiments/summarise.py runs/streets/unet_resnet18`.

One row per run, from the last validation, then mean and standard deviation over seeds per loss, and
in how many seeds each loss has the higher tail recall than the first one. Tail is the least
frequent third of the classes, as in the table at the end of a run. A seed that was run again counts
once, by its first run.
"""

import argparse
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from lit_seg.errors import RunError
from lit_seg.files.escape import markdown
from lit_seg.metrics.scores import STAT_NAMES
from lit_seg.runs.run import find_runs
from lit_seg.runs.summary import RunScores

LOW = 0.3
COLUMNS = {**STAT_NAMES, "low": "classes under .3 recall"}


def scores(of: RunScores) -> dict[str, float]:
    """The columns above."""
    return {**of.overall, "low": int((of.column("recall") < LOW).sum())}


def main(folder: Path) -> None:
    """Print the tables of all runs in the folder."""
    found: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
    for run in find_runs([folder]):
        if run.finished and run.attempt == 1:
            found[run.loss][run.seed] = scores(run.scores)
    if not found:
        raise RunError(f"{folder}: holds no finished run")
    print("| loss | seed |", " | ".join(COLUMNS.values()), "|")
    print("|---|---|" + "---:|" * len(COLUMNS))
    for loss, seeds in found.items():
        for seed, values in seeds.items():
            print(
                f"| {markdown(loss)} | seed{seed} |",
                " | ".join(_cell(values[c]) for c in COLUMNS),
                "|",
            )
    for loss, seeds in found.items():
        if len(seeds) > 1:
            print(
                f"| **{markdown(loss)}** | mean ± sd |",
                " | ".join(_spread(seeds, c) for c in COLUMNS),
                "|",
            )
    (first, base), *others = found.items()
    for loss, seeds in others:
        both = seeds.keys() & base.keys()
        wins = sum(seeds[s]["tail_recall"] > base[s]["tail_recall"] for s in both)
        print(f"\n{loss} has the higher tail recall than {first} in {wins} of {len(both)} seeds.")


def _spread(seeds: dict[int, dict[str, float]], column: str) -> str:
    values = [scores[column] for scores in seeds.values() if not math.isnan(scores[column])]
    if not values:
        return "nan"
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="A Markdown table of finished runs.", allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="a folder above runs")
    try:
        main(**vars(parser.parse_args()))
    except RunError as error:
        sys.exit(f"error: {error}")
