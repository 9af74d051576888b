"""The results of all sections as one page and one file.

`python -m experiments.gpu.page` puts the results that are kept in the repository into docs/gpu.md.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.gpu.section import readable
from lit_seg.files.atomic_io import replace_text

DOCS = Path(__file__).parents[2] / "docs"
MARK = "<!-- results -->\n"
"""What stands above it in docs/gpu.md is written by people."""


def write_page(out: Path, sections: Sequence[str]) -> None:
    """Write ``gpu.md`` and ``gpu.json`` of the sections whose results lie in ``out``."""
    paths = [out / f"{name}.json" for name in sections]
    others = sorted(set(out.glob("*.json")) - {*paths, out / "gpu.json"})
    found = [
        json.loads(path.read_text(encoding="utf-8")) for path in [*paths, *others] if path.exists()
    ]
    replace_text(out / "gpu.json", json.dumps(found, indent=1) + "\n")
    replace_text(out / "gpu.md", as_text(found))


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """The results of sections in Markdown."""
    return "\n".join(line for each in found for line in _section(each))


def _section(found: dict[str, Any]) -> list[str]:
    status = f"{found['status']}, {found['seconds']:.0f} s"
    lines = [f"## {found['title']}", "", f"*{status} (box {found['box']:.0f} s)*", ""]
    for name, rows in found["tables"].items():
        lines += [f"### {name}", ""] if name else []
        lines += [*table(_by_test(rows) if "outcome" in rows[0] else rows), ""]
    for note in found["notes"]:
        lines += [note, ""]
    return lines


def _by_test(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for all cases of a test that ended alike; of numbers that were found the largest."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        name = row["test"].partition("[")[0]
        each = found.setdefault((name, row["outcome"]), {"test": name, "cases": 0, "seconds": 0.0})
        each |= {"cases": each["cases"] + 1, "seconds": each["seconds"] + row["seconds"]}
        each["outcome"] = row["outcome"]
        if row.get("found"):
            each["found"] = _larger(each.get("found", ""), row["found"])
        each |= {key: row[key] for key in ("error",) if row.get(key)}
    return list(found.values())


def _larger(one: str, other: str) -> str:
    """Of two texts ``name: number; name: number`` the larger numbers; else the second text."""
    pairs = [
        dict(part.split(": ", 1) for part in each.split("; ") if each) for each in (one, other)
    ]
    try:
        largest = {key: max(float(p[key]) for p in pairs if key in p) for key in pairs[1]}
    except ValueError:  # no numbers
        return other
    return "; ".join(f"{key}: {value:.2g}" for key, value in largest.items())


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows in Markdown; a column for each key, in the order in which they appear."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numbers = [all(isinstance(r.get(c, 0.0), int | float) for r in rows) for c in columns]
    lines = [_line(columns), "|" + "|".join("---:" if n else "---" for n in numbers) + "|"]
    return lines + [_line([readable(row.get(column)) for column in columns]) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def main() -> None:
    """Write the results that are kept into the page."""
    found = json.loads((DOCS / "records/gpu.json").read_text(encoding="utf-8"))
    page = DOCS / "gpu.md"
    replace_text(
        page, page.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + as_text(found)
    )


if __name__ == "__main__":
    main()
