"""The score of the last `make mutate`, per file, and each mutant that no test caught.

A hang counts as caught. Exits with 1 below 90 %, the score that `make mutate` demands.
"""

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

DEMANDED = 0.9
CAUGHT = ("killed", "timeout")
MUTMUT = Path(sys.executable).with_name("mutmut")


def mutmut(*args: str) -> list[str]:
    """Lines that the command prints."""
    done = subprocess.run([MUTMUT, *args], check=True, capture_output=True, encoding="utf-8")
    return done.stdout.splitlines()


def change(mutant: str) -> str:
    """What the mutant replaced, and by what."""
    lines = [line for line in mutmut("show", mutant) if not line.startswith(("---", "+++"))]
    removed, added = ([x[1:].strip() for x in lines if x.startswith(sign)] for sign in "-+")
    return f"{' '.join(removed)}  ->  {' '.join(added)}"


def main() -> int:
    """Print both; 1 if too few were caught."""
    fates = dict(
        line.strip().rsplit(": ", 1) for line in mutmut("results", "--all", "true") if line
    )
    per_file: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for mutant, fate in fates.items():
        per_file[mutant.rsplit(".", 1)[0].replace(".", "/") + ".py"][fate] += 1
    per_file["all"] = sum(per_file.values(), Counter())
    shown = sorted({fate for counts in per_file.values() for fate in counts})
    table = Table("file", "mutants", *shown, "score")
    for file, counts in sorted(per_file.items(), key=lambda item: (item[0] == "all", item[0])):
        score = sum(counts[fate] for fate in CAUGHT) / counts.total()
        cells = [str(counts.total()), *(str(counts[fate]) for fate in shown)]
        table.add_row(file, *cells, f"{score:.1%}")
    console = Console(width=120)
    console.print(table)
    for mutant, fate in fates.items():
        if fate not in CAUGHT:
            console.print(f"{fate}: {mutant}\n    {change(mutant)}", markup=False, highlight=False)
    return int(score < DEMANDED)


if __name__ == "__main__":
    sys.exit(main())
