"""Differences to the baseline as a picture, and mean accuracy against mIoU."""

from functools import partial

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.score_figures import plot_differences, plot_scatter
from lit_seg.analysis.scores import STAT_NAMES
from lit_seg.report.blocks import Block, Figure, Panel, Section, Text

_SHOWN = ("miou", "macc", "tail_recall", "tail_precision")


def section(comparison: Comparison) -> Section:
    """What is gained and what is paid."""
    blocks: list[Block] = []
    if len(comparison.differences):
        number = comparison.differences["arm"].nunique()
        names = max(len(str(label)) for label in comparison.differences["arm"])
        panels = [
            Panel(
                STAT_NAMES[stat],
                partial(plot_differences, comparison, stat),
                width=268,
                height=56 + 26 * number,
                left=14 + 7 * names,
                right=12,
            )
            for stat in _SHOWN
        ]
        blocks.append(
            Figure(
                "differences",
                "Difference to the baseline in points, with the 95 % interval of the paired "
                "bootstrap over images and seeds. A full marker: the interval excludes zero.",
                "Differences of each loss to the baseline with intervals, for",
                panels,
                columns=2,
            )
        )
    blocks.append(
        Figure(
            "scatter",
            "Each small point is a seed, the large one their mean, the ellipse one standard "
            "deviation. Up is more of each class found; right is also fewer false alarms: a loss "
            "that goes up and left buys recall with precision.",
            "Mean accuracy against mean IoU, a point per seed and an ellipse per loss.",
            [Panel("", partial(plot_scatter, comparison), width=640, height=430, right=70)],
        )
    )
    blocks.append(Text("As Fig. 2 and 3 of the recall loss paper (arXiv 2106.14917).", "note"))
    return Section("tradeoff", "Gains and price", blocks)
