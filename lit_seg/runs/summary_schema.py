"""Reads ``summary.json`` as far as it says whether a run finished; this needs no torch."""

import json
import math
from pathlib import Path
from typing import Any

from lit_seg.errors import RunError, reason_of
from lit_seg.files.schema import ANYTHING, COUNT, TEXT, Value, difference, is_number
from lit_seg.runs.layout import SUMMARY

SCHEMA = 1
FINISHED = "finished"
"""The only status of a run that counts as finished."""


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


_CONTENT = {
    "schema": COUNT,
    "status": TEXT,
    "steps": COUNT,
    "epochs": Value("a whole number from 0 or null", lambda v: v is None or COUNT.fits(v)),
    "scores": ANYTHING,
    "options": {str: ANYTHING},
    "cost": {str: Value("a finite number or null", lambda v: v is None or _is_finite(v))},
    "versions": {str: TEXT},
}


def is_finished(folder: Path) -> bool:
    """Whether the run in a folder trained to its end; errors as of :func:`read_content`."""
    return read_content(folder) is not None


def read_content(folder: Path) -> dict[str, Any] | None:
    """Read the content of a summary, with scores as they are; None if the run has not finished.

    Raises:
        RunError: if the file is damaged or of another version.
    """
    path = folder / SUMMARY
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(folder, reason_of(error)) from None
    if damage := difference(content, {"schema": COUNT}):
        raise damaged(folder, damage)
    if content["schema"] != SCHEMA:
        raise RunError(f"{path}: is of another version of lit_seg; read it with that version")
    if damage := difference(content, _CONTENT):
        raise damaged(folder, damage)
    return content if content["status"] == FINISHED else None


def damaged(folder: Path, what: str) -> RunError:
    """Make the error for a summary that holds something else."""
    return RunError(f"{folder / SUMMARY}: is damaged ({what}); RESUME of the run writes it anew")
