"""Shows what a loss gains and what it costs in other scores: accuracy against IoU."""

from functools import partial

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.score_figures import plot_scatter
from lit_seg.metrics.scores import STATS
from lit_seg.report.blocks import Block, Figure, Section
from lit_seg.report.images import draw_panel, text_width
from lit_seg.report.sections.decision import DECISIVE, score_table


def section(comparison: Comparison) -> Section:
    """Draw accuracy against IoU, and the further scores."""
    further = tuple(stat for stat in STATS if stat not in DECISIVE)
    blocks: list[Block] = [
        score_table(comparison, further, "Further scores, as in the first table")
    ]
    right = 50 + text_width(method.label for method in comparison.methods)  # for the legend
    scatter = draw_panel("", partial(plot_scatter, comparison), 340 + right, 330, right=right)
    caption = (
        "A small point is a seed, the large one the mean, the ellipse one standard deviation. Up: "
        "more of each class is found. Right: there are also fewer false alarms. A loss that goes "
        "up and left buys recall with precision. As Fig. 2 and 3 of the recall loss paper (arXiv "
        "2106.14917)."
    )
    alt = "Mean accuracy against mean IoU of each seed"
    blocks.append(Figure("scatter", alt, caption, [scatter]))
    return Section("tradeoff", "Gains and price", blocks)
