"""Defines what the dashboards show: a question, how to read the answer, and its panels.

The keys are those under which a run logs to W&B, as far as the dashboards use them.
"""

import re
from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr

from lit_seg.runs.records import GLOBAL_STEP, step_axis

SCORES = {
    "val/miou": "mean IoU",
    "val/macc": "mean accuracy (recall)",
    "val/mprec": "mean precision",
    "val/ce": "plain cross-entropy",
    "val/pixel_acc": "pixel accuracy",
}
COSTS = {
    "cost/step_seconds": "seconds per step",
    "cost/cpu_seconds": "processor seconds per step",
    "cost/data_seconds": "seconds waited for a batch",
    "cost/data_share": "waiting for batches, % of the time",
    "cost/peak_memory_mb": "peak memory, MB",
    "cost/utilisation": "utilisation, %",
}
CLASS_SCORES = {
    "class/recall": "recall",
    "class/precision": "precision",
    "class/fpr": "false-positive rate",
}
CLASS_SHARES = {
    "class/miss_norm": "share of 1 - recall: what recall loss would look at",
    "class/focal_norm": "share of the focal weight: what focal loss would look at",
    "class/recall_focal_ratio": "the first over the second",
    "class/weight": "the class weight itself, of losses that have one",
    "class/weight_norm": "its share of the weights of all classes of the step",
    "class/gradient_share": "share of the gradient that reaches the logits",
}

OVERLAYS = "val/overlays"
CLASS_TABLE = "val/classes"
CONFUSION = "val/confusion_table"
"""The table behind the chart that is logged as ``val/confusion``."""

DATA = "data_name"
"""The option of a run's configuration that holds its dataset."""

# `Group` is W&B's own name for the group of a run: dataset, network and loss, without the seed.
_OVER_SEEDS = {"groupby": "Group", "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}


@dataclass(frozen=True)
class Topic:
    """A section of the view and of the report."""

    question: str
    how_to_read: str
    panels: list[Any]


def topics() -> list[Topic]:
    """Make all topics with new panels, because a panel belongs to one page."""
    return [
        Topic(
            "Which loss ends better, and which learns sooner?",
            "A line is the mean over the seeds of one dataset, network and loss; the band is one "
            "standard deviation. Plain cross-entropy is measured for every loss, so it can be "
            "compared where `val/loss` cannot.",
            [_line(title, y=[key]) for key, title in SCORES.items()],
        ),
        Topic(
            "Does more recall cost IoU?",
            "A point is a run at its last validation. Up: more of each class is found. Right: "
            "more of each class is found without false positives. A loss above cross-entropy but "
            "not right of it pays for recall with precision.",
            [
                wr.ScatterPlot(
                    title="mean accuracy against mean IoU, a point per run",
                    x=wr.SummaryMetric("val/miou"),
                    y=wr.SummaryMetric("val/macc"),
                )
            ],
        ),
        Topic(
            "What happens to each class while it trains?",
            "A line per class, measured on the training batches. Where the recall of a rare class "
            "rises late and its precision falls then, it gets many false positives.",
            [_lines(stat, title) for stat, title in CLASS_SCORES.items()]
            + [_lines("val/iou", "IoU at each validation")],
        ),
        Topic(
            "What does the loss look at?",
            "Shares add up to 1 over the classes of a step. They are measured for every loss, "
            "also one that does not use them: the ratio tells where recall loss would push "
            "harder than focal loss (above 1) and where less.",
            [_lines(stat, title) for stat, title in CLASS_SHARES.items()],
        ),
        Topic(
            "How did each class end?",
            "Scores per class after the last validation, the confusion matrix, and a few images "
            "with truth and prediction. The first two read best with one run selected.",
            [
                wr.WeavePanelSummaryTable(table_name=CLASS_TABLE),
                wr.CustomChart(
                    query={"summaryTable": {"tableKey": CONFUSION}},
                    chart_name="wandb/confusion_matrix/v1",
                    chart_fields={name: name for name in ("Actual", "Predicted", "nPredictions")},
                ),
                wr.MediaBrowser(title="truth and prediction", media_keys=[OVERLAYS], num_columns=4),
            ],
        ),
        Topic(
            "What does it cost?",
            "A bar is the mean over seeds. Only compare runs of the same machine.",
            [wr.BarPlot(title=title, metrics=[key], **_OVER_SEEDS) for key, title in COSTS.items()],
        ),
    ]


def _line(title: str, x: str = GLOBAL_STEP, log_y: bool = False, **curves: Any) -> Any:
    """Make curves, each the mean of a group of seeds in a band of one standard deviation."""
    options = {"title_x": "step", "smoothing_type": "none", **_OVER_SEEDS}
    return wr.LinePlot(title=title, x=x, log_y=log_y, **curves, **options)


def _lines(stat: str, title: str) -> Any:
    """Make the curves of a statistic of every class."""
    # On a logarithmic axis a ratio of 2 lies as far from 1 as one of 1/2.
    return _line(
        title, step_axis(stat), stat.endswith("_ratio"), y=[], metric_regex=of_each_class(stat)
    )


def of_each_class(stat: str) -> str:
    """Write the regular expression for ``<stat>/<class>`` of every class."""
    return f"^{re.escape(stat)}/.+$"
