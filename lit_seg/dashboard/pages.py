"""Builds the saved view and the report of a project, and publishes them."""

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from lit_seg.dashboard.topics import DATA, topics
from lit_seg.errors import RunError
from lit_seg.runs.records import GLOBAL_STEP

_COLUMNS = ["run:displayName", "summary:val/miou", "summary:val/macc", "summary:val/mprec"]


def build_workspace(entity: str, project: str, data: str | None = None) -> Any:
    """Build the view of a project, or only of its runs on ``data`` if that is given.

    It has a section per topic, of which the scores are open. Runs stay single in the list, so that
    the scatter has a point for each. Curves and bars group them by themselves.
    """
    sections = [
        ws.Section(
            name=topic.question,
            panels=[wr.MarkdownPanel(markdown=topic.how_to_read), *topic.panels],
            is_open=number < 2,
            layout_settings=ws.SectionLayoutSettings(columns=3, rows=2),
        )
        for number, topic in enumerate(topics())
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"lit_seg losses{f' on {data}' if data else ''}",
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis=GLOBAL_STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=ws.And(ws.Config(DATA) == data) if data else "",
            pinned_columns=_COLUMNS,
        ),
    )


def build_report(entity: str, project: str, data: str | None = None) -> Any:
    """Build the report: the topics of the view one below the other, with their texts."""
    where = f" on {data}" if data else ""
    blocks: list[Any] = [wr.TableOfContents()]
    for topic in topics():
        # Without entity and project the runs are those of the report's project. With them the
        # server would be asked for the project as soon as the report is converted.
        runs = wr.Runset(
            name=f"runs{where}", filters=ws.And(ws.Config(DATA) == data) if data else ""
        )
        blocks += [
            wr.H2(topic.question),
            wr.MarkdownBlock(topic.how_to_read),
            wr.PanelGrid(runsets=[runs], panels=topic.panels),
        ]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"Losses for imbalanced segmentation{where}",
        description="Which loss helps the rare classes, at what price, and why.",
        width="fluid",
        blocks=blocks,
    )


def publish(workspace: Any, report: Any) -> tuple[str, str]:
    """Send both pages to W&B, and return their addresses.

    Each call makes new pages, and the project if it does not exist.

    Raises:
        RunError: if there is no key for W&B, or W&B refuses the pages or cannot be reached.
    """
    from lit_seg.loggers.wandb_log import has_wandb_key  # only now: it imports all of Lightning

    if not has_wandb_key():
        raise RunError(
            "W&B: no key on this machine; `wandb login` stores one, WANDB_API_KEY gives one, and "
            "--dry-run needs none"
        )
    try:
        report.save()  # first, since it makes the project
        workspace.save()
        return workspace.url, report.url
    except Exception as error:  # W&B's client, requests and pydantic have no common base class
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise RunError(
            f"{workspace.entity}/{workspace.project}: W&B does not take the dashboards ({reason}); "
            "check --entity, --project, the key and the network"
        ) from None
