"""Two runs class by class, in Markdown: `python experiments/compare_two.py <run> <run>`.

From the tables at the ends of the runs (last validation); all in percent.
"""

import sys
from pathlib import Path


def rows(run: Path) -> list[list[str]]:
    """Cells of ``val_table.md``: class, train pixels, IoU, recall, precision."""
    lines = (run / "val_table.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return table[2:]


def main(first: Path, second: Path) -> None:
    """Print IoU, recall and precision of each class in both runs, side by side."""
    one, two = first.parent.name, second.parent.name
    scores = [f"{s} ({name})" for s in ("IoU", "recall", "precision") for name in (one, two)]
    print("|", " | ".join(["class", "train pixels", *scores]), "|")
    print("|---|" + "---:|" * 7)
    for a, b in zip(rows(first), rows(second), strict=True):
        pairs = [cell for pair in zip(a[2:], b[2:], strict=True) for cell in pair]
        print("|", " | ".join([a[0], a[1], *pairs]), "|")
    for name, run in ((one, first), (two, second)):
        print(f"\n{name}: {(run / 'val_table.md').read_text().strip().splitlines()[-1]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
