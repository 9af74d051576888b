"""Shows the sizes of masks, and the recall of each loss in masks of a size."""

from functools import partial

import pandas as pd

from lit_seg.analysis.class_figures import plot_mask_sizes, plot_recall_by_size
from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.group_data import masks_of_runs, recall_by_size
from lit_seg.analysis.run_groups import Method
from lit_seg.errors import plural
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS
from lit_seg.report.blocks import Cell, Figure, Section, Table
from lit_seg.report.formatting import method_table, score_cell
from lit_seg.report.images import draw_panel, text_width


def section(comparison: Comparison) -> Section | None:
    """Draw a histogram of sizes per class, and recall by size."""
    if not comparison.images or comparison.words.unit == "image":
        return None
    found = masks_of_runs(comparison.counts)
    by_size = recall_by_size(found)
    of_truth = found.drop_duplicates(["image", "class"])  # the labels are the same for all runs
    plot_sizes = partial(plot_mask_sizes, comparison, of_truth)
    plot_recall = partial(plot_recall_by_size, comparison, by_size)
    left = 20 + text_width(comparison.classes)
    right = 22 + text_width(method.label for method in comparison.methods)
    height = max(300, 60 + 24 * len(comparison.classes))
    panels = [
        draw_panel("How large the masks are", plot_sizes, 440, height, left, right=14),
        draw_panel("How much of them is found", plot_recall, 440, height, right=right),
    ]
    caption = (
        "A mask is all pixels of a class in a validation image. Left: each row is scaled to its "
        "own highest bar; the tick is the median. Right: every mask counts once. As Fig. 1 of the "
        "PAT paper (arXiv 2404.05393)."
    )
    figure = Figure("mask_sizes", "Sizes of masks, and recall by size", caption, panels, columns=2)
    return Section("sizes", "Small masks", [figure, _table(comparison, by_size, of_truth)])


def _table(comparison: Comparison, by_size: pd.DataFrame, of_truth: pd.DataFrame) -> Table:
    numbers = of_truth["bin"].value_counts()
    there = [name for name in MASK_SIZE_BINS if numbers.get(name, 0)]
    means = by_size.groupby(["method", "bin"], observed=True)["value"].agg(["mean", "std"])

    def cells(method: Method) -> list[Cell]:
        of_method = means.reindex([(method.label, name) for name in there])
        return [score_cell(mean, sd) for mean, sd in of_method.itertuples(index=False)]

    columns = [f"{name} ({plural(numbers[name], 'mask')})" for name in there]
    caption = "Recall in percent by the size of the mask as a share of the image"
    return method_table(comparison, caption, columns, cells)
