"""Sizes of masks, and what each loss finds of masks of a size."""

from functools import partial

import pandas as pd

from lit_seg.analysis.class_figures import (
    masks,
    plot_mask_sizes,
    plot_recall_by_size,
    recall_by_size,
    truth,
)
from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.run_groups import Arm
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS
from lit_seg.report import texts
from lit_seg.report.blocks import Cell, Figure, Section, Table
from lit_seg.report.formatting import arm_table, score_cell
from lit_seg.report.images import draw_panel


def section(comparison: Comparison) -> Section | None:
    """A histogram per class, and recall by size."""
    if comparison.images.empty:
        return None
    found = masks(comparison)
    by_size, of_truth = recall_by_size(found), truth(found)
    height = max(300, 60 + 24 * len(comparison.classes))
    panels = [
        draw_panel(
            "How large the masks are",
            partial(plot_mask_sizes, comparison, of_truth),
            width=500,
            height=height,
            left=20 + 7 * max(len(name) for name in comparison.classes),
            right=14,
        ),
        draw_panel(
            "How much of them is found",
            partial(plot_recall_by_size, comparison, by_size),
            width=500,
            height=height,
            right=22 + 7 * max(len(arm.label) for arm in comparison.arms),
        ),
    ]
    figure = Figure("mask_sizes", texts.SIZES_ALT, texts.SIZES_CAPTION, panels, columns=2)
    return Section("sizes", "Small masks", [figure, _table(comparison, by_size, of_truth)])


def _table(comparison: Comparison, by_size: pd.DataFrame, of_truth: pd.DataFrame) -> Table:
    numbers = of_truth["bin"].value_counts()
    there = [name for name in MASK_SIZE_BINS if numbers.get(name, 0)]
    means = by_size.groupby(["arm", "bin"], observed=True)["value"].agg(["mean", "std"])

    def cells(arm: Arm) -> list[Cell]:
        of_arm = means.reindex([(arm.label, name) for name in there])
        return [score_cell(mean, sd) for mean, sd in of_arm.itertuples(index=False)]

    columns = [f"{name} ({numbers[name]} masks)" for name in there]
    return arm_table(comparison, texts.SIZES_TABLE_CAPTION, columns, cells)
