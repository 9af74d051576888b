"""Reads runs back from Weights & Biases: from the files of offline runs, and from its server.

A file or an address that gives no run of this project raises a ``RunError`` that names it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.runs.csv_rows import rows_of_history
from lit_seg.runs.run_name import RunName, name_of_config, name_of_place

SCHEME = "wandb://"
_Run = tuple[RunName, pd.DataFrame]


def offline_runs(files: Sequence[Path]) -> list[_Run]:
    """Read the runs in ``.wandb`` files; the parts of a run that was resumed become one."""
    parts: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for file in files:
        record = _read(file)
        parts.setdefault(record["run_id"], []).append((file, record))
    runs = []
    for run_id, found in parts.items():
        found.sort(key=lambda part: str(part[1]["start_time"]))
        file, last = found[-1]
        name = _name(run_id, last["display_name"], last["config"])
        if name is None:
            raise RunError(
                f"{file}: W&B run {last['display_name']} was not logged by `make train`: neither "
                "its name (<data>/<model>/<loss>/seed<k>) nor its configuration says what it is"
            )
        runs.append((name, rows_of_history([i for _, r in found for i in r["history"]])))
    return runs


def online_runs(source: str) -> list[_Run]:
    """Read the run ``wandb://entity/project/run_id``, or all of ``wandb://entity/project``.

    Runs of a project that `make train` did not log are left out.
    """
    import wandb  # which runs in folders do not need

    path = source.removeprefix(SCHEME).strip("/")
    parts = path.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise RunError(f"{source}: give {SCHEME}entity/project or {SCHEME}entity/project/run_id")
    try:
        api = wandb.Api()
        found = [api.run(path)] if len(parts) == 3 else list(api.runs(path, order="+created_at"))
        named = [(_name(run.id, run.name, run.config), run) for run in found]
        runs = [(name, rows_of_history(run.scan_history())) for name, run in named if name]
    except (wandb.Error, ValueError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        way_out = "check entity, project, run and network"
        if "API key" in reason:
            way_out = "`wandb login` stores a key, or set WANDB_API_KEY"
        raise RunError(f"{source}: W&B does not give it ({reason}); {way_out}") from None
    if not runs:
        raise RunError(
            f"{source}: holds no run that `make train` logged; upload an offline run by "
            "`wandb sync <run>/wandb/offline-run-*`"
        )
    return runs


def _name(run_id: str, display_name: str, config: object) -> RunName | None:
    place = (run_id, *display_name.split("/"))
    return name_of_place(place) or name_of_config(place, config)


def _read(file: Path) -> dict[str, Any]:
    """Read a run's record, configuration and history; what is being written is left out."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise RunError(
            f"{file}: `wandb leet inspect` cannot read it ({reason[-1]}); leave it out, or "
            "install wandb 0.31 or later"
        )
    run: dict[str, Any] = {"config": {}, "history": []}
    for line in done.stdout.splitlines():
        if not line.startswith(b"{"):
            continue
        try:
            record = json.loads(line)
            content = record.get(record["type"])
            if record["type"] == "run":
                names = ("run_id", "display_name", "start_time")
                run |= {key: str(content.get(key, "")) for key in names}
            elif record["type"] == "config":
                update = content.get("update")
                run["config"] |= update if isinstance(update, dict) else {}
            elif record["type"] == "history":
                run["history"].append(dict(content["item"]))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise RunError(f"{file}: a record in it is damaged ({error!r}); leave it out") from None
    if "run_id" not in run:
        raise RunError(f"{file}: holds no run of W&B, it is empty or damaged; leave it out")
    return run
