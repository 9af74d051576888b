"""The results of all sections as one page and one file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.gpu.section import readable
from lit_seg.files.atomic_io import replace_text


def write_page(out: Path, sections: Sequence[str]) -> None:
    """Write ``gpu.md`` and ``gpu.json`` of the sections whose results lie in ``out``."""
    paths = [out / f"{name}.json" for name in sections]
    others = sorted(set(out.glob("*.json")) - {*paths, out / "gpu.json"})
    found = [json.loads(path.read_text()) for path in [*paths, *others] if path.exists()]
    replace_text(out / "gpu.json", json.dumps(found, indent=1) + "\n")
    replace_text(out / "gpu.md", "\n".join(line for each in found for line in _section(each)))


def _section(found: dict[str, Any]) -> list[str]:
    status = f"{found['status']}, {found['seconds']:.0f} s"
    lines = [f"## {found['title']}", "", f"*{status} (box {found['box']:.0f} s)*", ""]
    for name, rows in found["tables"].items():
        lines += [f"### {name}", ""] if name else []
        lines += [*table(rows), ""]
    for note in found["notes"]:
        lines += [note, ""]
    return lines


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows in Markdown; a column for each key, in the order in which they appear."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numbers = [all(isinstance(r.get(c, 0.0), int | float) for r in rows) for c in columns]
    lines = [_line(columns), "|" + "|".join("---:" if n else "---" for n in numbers) + "|"]
    return lines + [_line([readable(row.get(column)) for column in columns]) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
