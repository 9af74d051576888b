"""A section of the GPU report: a function that measures, in a process and a time box of its own."""

import importlib
import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from lit_seg.files.atomic_io import replace_text

GRACE = 5.0
"""Seconds that a section has between the polite signal and the final one."""


class Section:
    """What a section measures, written to ``<out>/<name>.json`` after each row.

    Attributes:
        device: CUDA where there is a GPU, unless this is a smoke run.
        smoke: whether everything is to be tried in seconds, on tiny shapes.
        folder: for files of the section itself.
    """

    def __init__(self, name: str, title: str, out: Path, seconds: float, smoke: bool) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() and not smoke else "cpu")
        self.smoke = smoke
        if smoke:  # it may run beside the other tests
            torch.set_num_threads(1)
        self.folder = out / name
        self._path = out / f"{name}.json"
        self._end = time.monotonic() + seconds
        self._begun = time.monotonic()
        self._found = _nothing(name, title, seconds)
        self._write()

    def seconds_left(self) -> float:
        """Seconds until the box is over."""
        return self._end - time.monotonic()

    def row(self, table: str = "", **columns: Any) -> None:
        """Add a row to a table, print it and write the file."""
        self._found["tables"].setdefault(table, []).append(columns)
        shown = "  ".join(f"{key}={readable(value)}" for key, value in columns.items())
        print(f"[{self._found['name']}] {table}: {shown}", flush=True)
        self._write()

    def note(self, text: str) -> None:
        """Add a sentence that stands under the tables."""
        self._found["notes"].append(text)
        self._write()

    @contextmanager
    def attempt(self, table: str, **columns: Any) -> Iterator[None]:
        """Turn an error within it into a row of ``table``, so that the next rows are measured."""
        try:
            yield
        except Exception as error:  # whatever is wrong on a machine that nobody has seen yet
            traceback.print_exc()
            reason = str(error).strip().splitlines() or [""]
            self.row(table, **columns, error=f"{type(error).__name__}: {reason[-1]}")
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def end(self, status: str) -> None:
        """Write how the section ended."""
        self._found["status"] = status
        self._write()

    def _write(self) -> None:
        self._found["seconds"] = round(time.monotonic() - self._begun, 1)
        replace_text(self._path, json.dumps(self._found, indent=1))


def readable(value: Any) -> str:
    """A value as a table shows it: numbers with three digits."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def run_boxed(
    module: str, out: Path, seconds: float, smoke: bool, ended: Callable[[], object]
) -> str:
    """Run a section in a process of its own and end the process when its box is over.

    Args:
        module: the module of the section; its last part is the name of the section.
        out: folder of the results.
        seconds: the box.
        smoke: whether to try it only.
        ended: is called afterwards, such as to collect the results.

    Returns:
        How it ended: ``done``, ``stopped after N s`` or ``failed: ...``.
    """
    name = module.rpartition(".")[2]
    # The server has torch imported, but no CUDA context; each section then starts at once.
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch", "lit_seg.tasks", __name__])
    process = context.Process(target=_run, args=(module, out, seconds, smoke))
    path = out / f"{name}.json"
    path.unlink(missing_ok=True)  # what an earlier call found is not the result of this one
    process.start()
    try:
        process.join(seconds + 1)
        stopped = process.is_alive()
        if stopped:
            _kill_group(process.pid, process.join)
    finally:
        if process.is_alive():  # Ctrl-C
            _kill_group(process.pid, process.join)
            if path.exists():
                found = json.loads(path.read_text(encoding="utf-8"))
                replace_text(path, json.dumps({**found, "status": "interrupted"}, indent=1))
            ended()
    found = (
        json.loads(path.read_text(encoding="utf-8"))
        if path.exists()
        else _nothing(name, name, seconds)
    )
    if found["status"] == "running":
        end = f"stopped after {seconds:.0f} s" if stopped else f"failed: exit {process.exitcode}"
        replace_text(path, json.dumps({**found, "status": end}, indent=1))
        found["status"] = end
    ended()
    return str(found["status"])


def _nothing(name: str, title: str, seconds: float) -> dict[str, Any]:
    """The result of a section that has found nothing yet."""
    return {
        **{"name": name, "title": title, "status": "running", "box": seconds},
        **{"seconds": 0.0, "tables": {}, "notes": []},
    }


def _kill_group(pid: int | None, join: Callable[[float], None]) -> None:
    """End a section with all processes it has started."""
    for sign, wait in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        try:
            os.killpg(pid or 0, sign)
        except ProcessLookupError:
            return
        join(wait)


def _run(module: str, out: Path, seconds: float, smoke: bool) -> None:
    os.setsid()  # a process group of its own, to be ended as a whole
    name = module.rpartition(".")[2]
    try:
        code = importlib.import_module(module)
        section = Section(name, code.TITLE, out, seconds, smoke)
    except Exception as error:
        traceback.print_exc()
        section = Section(name, name, out, seconds, smoke)
        section.end(f"failed: {type(error).__name__}: {str(error).strip()[:300]}")
        return
    try:
        code.run(section)
    except Exception as error:
        traceback.print_exc()
        section.end(f"failed: {type(error).__name__}: {str(error).strip()[:300]}")
    else:
        section.end("done")
