"""What the dashboards show: a question, how to read the answer, and the panels that give it."""

from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr

from lit_seg.dashboard import keys
from lit_seg.runs.layout import CLASS_STEP

_OVER_SEEDS = {"groupby": keys.GROUP, "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}


@dataclass(frozen=True)
class Topic:
    """A section of the view and of the report."""

    question: str
    how_to_read: str
    panels: list[Any]


def topics() -> list[Topic]:
    """All topics with new panels, because a panel belongs to one page."""
    return [
        Topic(
            "Which loss ends better, and which learns sooner?",
            "A line is the mean over the seeds of one dataset, network and loss; the band is one "
            "standard deviation. Plain cross-entropy is measured for every loss, so it can be "
            "compared where `val/loss` cannot.",
            [_line(title, keys.STEP, key=key) for key, title in keys.SCORES.items()],
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
            [_classes(stat, title) for stat, title in keys.CLASS_SCORES.items()]
            + [_line("IoU at each validation", keys.STEP, stat="val/iou")],
        ),
        Topic(
            "What does the loss look at?",
            "Shares add up to 1 over the classes of a batch. They are measured for every loss, "
            "also one that does not use them: the ratio tells where recall loss would push "
            "harder than focal loss (above 1) and where less.",
            [_classes(stat, title) for stat, title in keys.CLASS_SHARES.items()],
        ),
        Topic(
            "How did each class end?",
            "Scores per class after the last validation, the confusion matrix, and a few images "
            "with truth and prediction. The first two read best with one run selected.",
            [
                wr.WeavePanelSummaryTable(table_name=keys.CLASS_TABLE),
                wr.CustomChart(
                    query={"summaryTable": {"tableKey": keys.CONFUSION}},
                    chart_name="wandb/confusion_matrix/v1",
                    chart_fields={name: name for name in ("Actual", "Predicted", "nPredictions")},
                ),
                wr.MediaBrowser(
                    title="truth and prediction", media_keys=[keys.OVERLAYS], num_columns=4
                ),
            ],
        ),
        Topic(
            "What does it cost?",
            "A bar is the mean over seeds. Only compare runs of the same machine.",
            [
                wr.BarPlot(title=title, metrics=[key], **_OVER_SEEDS)
                for key, title in keys.COSTS.items()
            ],
        ),
    ]


def _line(title: str, x: str, key: str = "", stat: str = "", log_y: bool = False) -> Any:
    """A curve per group of seeds of one key, or of a statistic of every class.

    The curve is the mean over seeds, the band around it one standard deviation.
    """
    return wr.LinePlot(
        title=title,
        x=x,
        y=[key] if key else [],
        metric_regex=keys.of_each_class(stat) if stat else None,
        title_x="step",
        log_y=log_y,
        smoothing_type="none",
        **_OVER_SEEDS,
    )


def _classes(stat: str, title: str) -> Any:
    # On a logarithmic axis a ratio of 2 lies as far from 1 as one of 1/2.
    return _line(title, CLASS_STEP, stat=stat, log_y=stat.endswith("_ratio"))
