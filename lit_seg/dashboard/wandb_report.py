"""The report of a project: the same topics as the view, one below the other, with their texts."""

from typing import Any

import wandb_workspaces.reports.v2 as wr
from wandb_workspaces import expr

from lit_seg.dashboard import keys
from lit_seg.dashboard.topics import topics


def build_report(entity: str, project: str, data: str | None = None) -> Any:
    """The report, not published.

    Args:
        entity: user or team that owns the project.
        project: where the runs are.
        data: show the runs on this dataset only.

    Returns:
        A ``wandb_workspaces.reports.v2.Report``.
    """
    where = f" on {data}" if data else ""
    blocks: list[Any] = [wr.TableOfContents()]
    for topic in topics():
        # without entity and project the runs are those of the report's project; with them the
        # server would be asked for its number as soon as the report is written down
        runs = wr.Runset(
            name=f"runs{where}", filters=expr.And(expr.Config(keys.DATA) == data) if data else ""
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
