"""Gains and price: the further scores, differences with intervals, and accuracy against IoU."""

from functools import partial

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.score_figures import plot_differences, plot_scatter
from lit_seg.metrics.scores import STAT_NAMES, STATS
from lit_seg.report import texts
from lit_seg.report.blocks import Block, Figure, Section
from lit_seg.report.images import draw_panel
from lit_seg.report.sections.decision import DECISIVE, score_table

_DRAWN = ("miou", "macc", "tail_recall", "tail_precision")


def section(comparison: Comparison) -> Section:
    """Show what is gained and what is paid."""
    further = tuple(stat for stat in STATS if stat not in DECISIVE)
    blocks: list[Block] = [score_table(comparison, further, texts.OTHER_SCORES_CAPTION)]
    labels = comparison.differences["arm"].unique()
    if len(labels):
        panels = [
            draw_panel(
                STAT_NAMES[stat],
                partial(plot_differences, comparison, stat),
                width=268,
                height=56 + 26 * len(labels),
                left=14 + 7 * max(len(label) for label in labels),
                right=12,
            )
            for stat in _DRAWN
        ]
        blocks.append(
            Figure(
                "differences", texts.DIFFERENCES_ALT, texts.DIFFERENCES_CAPTION, panels, columns=2
            )
        )
    right = 50 + 7 * max(len(arm.label) for arm in comparison.arms)  # for the legend
    scatter = draw_panel("", partial(plot_scatter, comparison), 570 + right, 430, right=right)
    blocks.append(Figure("scatter", texts.SCATTER_ALT, texts.SCATTER_CAPTION, [scatter]))
    return Section("tradeoff", "Gains and price", blocks)
