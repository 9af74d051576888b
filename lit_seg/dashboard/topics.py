"""What the dashboards show: a question, how to read the answer, and the panels that give it."""

from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr

from lit_seg.dashboard import keys


@dataclass(frozen=True)
class Topic:
    """A section of the view and of the report."""

    question: str
    how_to_read: str
    panels: list[Any]


def topics() -> list[Topic]:
    """All of them, made anew: a panel belongs to one place."""
    return [
        Topic(
            "Which loss ends better, and which learns sooner?",
            "A line is the mean over the seeds of one dataset, network and loss; the band is one "
            "standard deviation. Cross-entropy is that of plain cross-entropy for every loss, so "
            "it can be compared where `val/loss` cannot.",
            [_scores(key, title) for key, title in keys.SCORES.items()],
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
            "Of the training batches, a line per class. Rare classes whose recall rises late, and "
            "whose precision falls then, are flooded with false positives.",
            [_classes(stat, title) for stat, title in keys.WHAT_HAPPENS.items()]
            + [_line("IoU at each validation", keys.STEP, stat="val/iou")],
        ),
        Topic(
            "What does the loss look at?",
            "Shares add up to 1 over the classes of a batch. They are measured for every loss, "
            "also one that does not use them: the ratio tells where recall loss would push "
            "harder than focal loss (above 1) and where less.",
            [_classes(stat, title) for stat, title in keys.WHAT_THE_LOSS_SEES.items()],
        ),
        Topic(
            "How did each class end?",
            "After the last validation: scores per class, what was taken for what, and a few "
            "images with truth and prediction. The first two read best with one run selected.",
            [
                wr.WeavePanelSummaryTable(table_name=keys.CLASS_TABLE),
                _confusion(),
                wr.MediaBrowser(
                    title="truth and prediction", media_keys=[keys.OVERLAYS], num_columns=4
                ),
            ],
        ),
        Topic(
            "What does it cost?",
            "A bar is the mean over seeds. Compare runs of the same machine only.",
            [_cost(key, title) for key, title in keys.COSTS.items()],
        ),
    ]


def _line(title: str, x: str, key: str = "", stat: str = "", log_y: bool = False) -> Any:
    """Of one key, or of a statistic of every class: a curve per group of seeds.

    The curve is the mean, the band around it one standard deviation.
    """
    return wr.LinePlot(
        title=title,
        x=x,
        y=[key] if key else [],
        metric_regex=keys.of_each_class(stat) if stat else None,
        title_x="step",
        log_y=log_y,
        groupby=keys.GROUP,
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        smoothing_type="none",
    )


def _scores(key: str, title: str) -> Any:
    return _line(title, keys.STEP, key=key)


def _classes(stat: str, title: str) -> Any:
    # a ratio of 2 lies as far from 1 as one of 1/2
    return _line(title, keys.CLASS_STEP, stat=stat, log_y=stat.endswith("_ratio"))


def _cost(key: str, title: str) -> Any:
    return wr.BarPlot(
        title=title,
        metrics=[key],
        groupby=keys.GROUP,
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )


def _confusion() -> Any:
    columns = ("Actual", "Predicted", "nPredictions")
    return wr.CustomChart(
        query={"summaryTable": {"tableKey": keys.CONFUSION}},
        chart_name="wandb/confusion_matrix/v1",
        chart_fields={name: name for name in columns},
    )
