"""``python -m lit_seg dashboard`` publishes a view and a report of the runs in W&B."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lit_seg.cli.commands.run_command import Parser, one_line_errors
from lit_seg.cli.wandb_private import spec_of
from lit_seg.errors import RunError
from lit_seg.files.atomic_io import writing


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Publish both pages, or with ``--dry-run`` write what would be published."""
    given = _parse(args)
    try:
        from lit_seg.dashboard import pages
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("wandb_workspaces"):
            raise
        raise RunError(
            "dashboards need wandb-workspaces: pip install 'lit-seg[dashboards]'"
        ) from None
    where = given.entity, given.project, given.data
    workspace, report = pages.build_workspace(*where), pages.build_report(*where)
    if given.dry_run:
        _write(spec_of(workspace, report), given.dry_run)
        return 0
    view_url, report_url = pages.publish(workspace, report)
    sys.stdout.write(f"view    {view_url}\nreport  {report_url}\n")
    return 0


def _parse(args: Sequence[str]) -> Namespace:
    parser = Parser("dashboard")
    entity, project = os.environ.get("WANDB_ENTITY"), os.environ.get("WANDB_PROJECT")
    owner = "user or team that owns the project; WANDB_ENTITY by default"
    parser.add_argument("--entity", default=entity or None, required=not entity, help=owner)
    default = "default: WANDB_PROJECT, or lit_seg"
    parser.add_argument("--project", default=project or "lit_seg", help=default)
    parser.add_argument("--data", help="show the runs on this dataset only, such as camvid")
    dry_run = "publish nothing; write the specification as JSON, or YAML if FILE ends so"
    parser.add_argument("--dry-run", nargs="?", const="-", metavar="FILE", help=dry_run)
    given = parser.parse_args(args)
    for name in ("entity", "project"):
        value = getattr(given, name)
        if not value or "/" in value:
            raise RunError(f"--{name} must be one name, got {value!r}; give E and P of E/P apart")
    return given


def _write(spec: dict[str, Any], file: str) -> None:
    is_yaml = file.endswith((".yaml", ".yml"))
    text = yaml.safe_dump(spec, sort_keys=False) if is_yaml else json.dumps(spec, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    with writing(Path(file), "another file to --dry-run"):
        Path(file).write_text(text, encoding="utf-8")
