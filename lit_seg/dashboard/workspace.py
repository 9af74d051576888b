"""The saved view of a project: a section per topic, the scores open and the rest a click away."""

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from lit_seg.dashboard import keys
from lit_seg.dashboard.topics import topics

_COLUMNS = ["run:displayName", "summary:val/miou", "summary:val/macc", "summary:val/mprec"]


def build_workspace(entity: str, project: str, data: str | None = None) -> Any:
    """The view, not published.

    Runs stay single in the list, so that the scatter has a point for each; curves and bars group
    them by themselves.

    Args:
        entity: user or team that owns the project.
        project: where the runs are.
        data: show the runs on this dataset only.

    Returns:
        A ``wandb_workspaces.workspaces.Workspace``.
    """
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"lit_seg losses{f' on {data}' if data else ''}",
        sections=[
            ws.Section(
                name=topic.question,
                panels=[wr.MarkdownPanel(markdown=topic.how_to_read), *topic.panels],
                is_open=number < 2,
                layout_settings=ws.SectionLayoutSettings(columns=3, rows=2),
            )
            for number, topic in enumerate(topics())
        ],
        settings=ws.WorkspaceSettings(x_axis=keys.STEP, max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=ws.And(ws.Config(keys.DATA) == data) if data else "",
            pinned_columns=list(_COLUMNS),
        ),
    )
