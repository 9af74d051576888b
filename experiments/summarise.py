"""A Markdown table of finished runs: `python experiments/summarise.py runs/streets/unet_resnet18`.

One row per run (last validation), then mean and standard deviation over seeds per loss, and in how
many seeds each loss has the higher tail recall than the first one. Tail is the least frequent third
of the classes, as in the table at the end of a run.
"""

import math
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

COLUMNS = (
    "mIoU", "mean accuracy", "mean precision", "pixel accuracy", "tail recall", "tail precision",
    "tail IoU", "classes under .3 recall",
)  # fmt: skip


def scores(table: str) -> list[float]:
    """The columns above from the ``val_table.md`` of a run."""
    means = [
        float(x) for x in re.findall(r"(?:mIoU|\(recall\)|precision|accuracy) (\d\.\d+|nan)", table)
    ]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    tail = next(row for row in rows if row and row[0].startswith("tail"))
    iou, recall, precision = (_number(cell) / 100 for cell in tail[2:])
    classes = [row for row in rows[2:] if row and "(" not in row[0]]
    low = sum(_number(row[3]) < 30 for row in classes)
    return [*means, recall, precision, iou, low]


def main(folder: Path) -> None:
    """Print the tables of all runs ``<folder>/<loss>/<seed>``."""
    found: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for path in sorted(folder.glob("*/seed[0-9]*/val_table.md")):
        if "-" in path.parts[-2]:
            continue  # a seed that was run again
        found[path.parts[-3]][path.parts[-2]] = scores(path.read_text())
    if not found:
        sys.exit(f"{folder}: holds no finished runs <loss>/<seed>/val_table.md")
    print("| loss | seed |", " | ".join(COLUMNS), "|")
    print("|---|---|" + "---:|" * len(COLUMNS))
    for loss, seeds in found.items():
        for seed, values in seeds.items():
            print(f"| {loss} | {seed} |", " | ".join(_cell(v) for v in values), "|")
    for loss, seeds in found.items():
        if len(seeds) > 1:
            table = zip(*seeds.values(), strict=True)
            columns = [[value for value in column if not math.isnan(value)] for column in table]
            spread = [f"{statistics.mean(c):.3f} ± {statistics.stdev(c):.3f}" for c in columns]
            print(f"| **{loss}** | mean ± sd |", " | ".join(spread), "|")
    (first, base), *others = found.items()
    tail = COLUMNS.index("tail recall")
    for loss, seeds in others:
        both = seeds.keys() & base.keys()
        wins = sum(seeds[s][tail] > base[s][tail] for s in both)
        print(f"\n{loss} has the higher tail recall than {first} in {wins} of {len(both)} seeds.")


def _number(cell: str) -> float:
    return math.nan if cell == "n/a" else float(cell)


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
