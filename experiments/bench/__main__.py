"""Measure how fast this is: `make bench`, which runs `python -m experiments.bench`.

Each section runs in a process of its own, on one thread unless it says otherwise; some run twice,
the second time with an allocator that keeps freed memory, as caching allocators do. Sections that
are finished stay in the output folder and are skipped by the next call; naming a section runs it
again. `speed.json` in it has the results; `python -m experiments.bench.page` puts them on pages.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from experiments.bench.machine import facts, made
from experiments.gpu.command import check_sections, section_parser
from experiments.gpu.section import Section
from lit_seg.cli.commands.run_command import one_line_errors
from lit_seg.files.atomic_io import replace_text, writing

SECTIONS = (
    *("losses", "upsampled", "curves", "steps", "cost", "watching", "sync", "threads", "data"),
    "whole_run",
)
RECYCLED = "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184"
"""Settings with which glibc keeps freed memory; otherwise it maps every large tensor anew."""
RESULT = "speed.json"


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Run the sections that are asked for, or missing; the exit status says if all went well."""
    options = section_parser("bench", __doc__, SECTIONS).parse_args(args)
    check_sections(options.sections, SECTIONS)
    with writing(options.out, "another folder by --out"):
        options.out.mkdir(parents=True, exist_ok=True)
    names = [name for name in SECTIONS if name in options.sections]
    names = names or [name for name in SECTIONS if not _is_done(options.out, name, options.quick)]
    return run_all(names, options.out, options.quick)


def run_all(names: Sequence[str], out: Path, quick: bool) -> int:
    """Run sections one after another; 1 if one did not end well."""
    modules = {name: import_module(f"experiments.bench.{name}") for name in names}
    well = True
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns) as bar:
        task = bar.add_task("", total=sum(_seconds(module) for module in modules.values()))
        show = partial(bar.print, markup=False, highlight=False, soft_wrap=True)
        for name, module in modules.items():
            bar.update(task, description=name)
            status = _run(name, module, out, quick, show)
            bar.advance(task, _seconds(module))
            show(f"[{name}] {status}")
            well &= status == "done"
            collect(out)
    return 0 if well else 1


def _seconds(module: ModuleType) -> float:
    return float(module.SECONDS) * (1 + getattr(module, "BOTH_ALLOCATORS", False))


def _run(name: str, module: ModuleType, out: Path, quick: bool, show: Any) -> str:
    """Run a section in processes of its own; how it ended."""
    both = getattr(module, "BOTH_ALLOCATORS", False) and not quick
    folders = [out, out / "recycled"][: 1 + both]
    for folder in folders:
        (folder / f"{name}.json").unlink(missing_ok=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GLIBC_"))}
        if not getattr(module, "ALL_CORES", False):
            env["OMP_NUM_THREADS"] = "1"
        if folder != out:
            env["GLIBC_TUNABLES"] = RECYCLED
        command = [sys.executable, "-m", "experiments.bench.child", name, str(folder)]
        log = folder / f"{name}.log"
        folder.mkdir(exist_ok=True)
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command + ["--quick"] * quick,
                **{"env": env, "stdout": subprocess.PIPE, "stderr": errors, "encoding": "utf-8"},
            )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                show(line.rstrip())
            code = process.wait()
        except BaseException:
            process.terminate()  # and it its own
            process.wait()
            raise
        path = folder / f"{name}.json"
        if code or not path.exists():
            return f"failed: exit {code}; see {log}"
        status = str(json.loads(path.read_text(encoding="utf-8"))["status"])
        if status != "done":
            return status
    return "done"


def run_section(name: str, out: Path, quick: bool) -> None:
    """Run a section in this process and write ``<out>/<name>.json``."""
    module = import_module(f"experiments.bench.{name}")
    out.mkdir(parents=True, exist_ok=True)
    section = Section(name, module.TITLE, out, float(module.SECONDS), quick)
    try:
        module.run(section)
    except Exception as error:
        section.end(f"failed: {type(error).__name__}: {str(error).strip()[:300]}")
        raise
    section.end("done")
    path = out / f"{name}.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    replace_text(path, json.dumps({**found, "quick": quick, "made": made()}, indent=1))


def collect(out: Path) -> None:
    """Write the results of all sections into one file, those of both allocators into one table."""
    sections = [merged(out, name) for name in SECTIONS if _is_done(out, name)]
    found = {"machine": facts(), "sections": sections}
    replace_text(out / RESULT, json.dumps(found, indent=1) + "\n")


def merged(out: Path, name: str) -> dict[str, Any]:
    """A section, with ``ratio, recycled`` beside each ``ratio`` where it ran twice."""
    found: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    other = out / "recycled" / f"{name}.json"
    if other.exists():
        tables = json.loads(other.read_text(encoding="utf-8"))["tables"]
        for table, rows in found["tables"].items():
            ratios = {_key(row): row["ratio"] for row in tables.get(table, ()) if "ratio" in row}
            found["tables"][table] = [_with(row, ratios) for row in rows]
    return found


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for value in row.values() if not isinstance(value, float))


def _with(row: dict[str, Any], ratios: dict[tuple[Any, ...], float]) -> dict[str, Any]:
    new: dict[str, Any] = {}
    for key, value in row.items():
        new[key] = value
        if key == "ratio" and _key(row) in ratios:
            new["ratio, recycled"] = ratios[_key(row)]
    return new


def _is_done(out: Path, name: str, quick: bool = True) -> bool:
    """Whether a section has ended well, and was not only tried, unless that is enough."""
    path = out / f"{name}.json"
    if not path.exists():
        return False
    found = json.loads(path.read_text(encoding="utf-8"))
    return found["status"] == "done" and (quick or not found["quick"])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the section
    sys.exit(main(sys.argv[1:]))
