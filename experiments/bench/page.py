"""The results on pages: `python -m experiments.bench.page [FOLDER]`.

Takes ``speed.json`` of a folder of results, or the one that is kept in the repository, and writes
docs/speed.md, its picture, and the tables of other pages that show parts of it.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.bench.excerpts import excerpts
from experiments.bench.picture import draw
from experiments.gpu.page import DOCS, MARK, table
from experiments.paper.check_camvid import write
from lit_seg.errors import RunError
from lit_seg.files.atomic_io import replace_text

ROOT = DOCS.parent
RECORD = DOCS / "records/speed.json"
PAGE = DOCS / "speed.md"

Record = dict[str, Any]


def as_text(record: Record) -> str:
    """All results in Markdown."""
    lines = ["| machine | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in record["machine"].items()]
    for section in record["sections"]:
        made = section["made"]
        lines += [
            *("", f"## {section['title']}", "", "```sh"),
            *(f".venv/bin/python -m experiments.bench {section['name']}", "```", ""),
            f"*{made['date']}, commit {made['commit']}, {section['seconds']:.0f} s*",
        ]
        for name, rows in section["tables"].items():
            lines += ["", f"**{name}**", "", *table(rows)]
        for note in section["notes"]:
            lines += ["", note]
    return "\n".join(lines) + "\n"


def main(args: Sequence[str]) -> None:
    """Write all pages."""
    if args:
        text = Path(args[0], RECORD.name).read_text(encoding="utf-8")
        if any(section.get("quick") for section in json.loads(text)["sections"]):
            raise RunError(
                f"{args[0]}: holds sections that were only tried; run them without --quick"
            )
        replace_text(RECORD, text)
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    kept = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    replace_text(PAGE, kept + MARK + "\n" + as_text(record))
    draw(record, DOCS / "speed.png")
    for (page, name), lines in excerpts(record).items():
        write(ROOT / page, name, lines)


if __name__ == "__main__":
    main(sys.argv[1:])
