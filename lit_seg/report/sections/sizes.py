"""Sizes of masks, and what each loss finds of masks of a size."""

from functools import partial

from lit_seg.analysis.class_figures import plot_mask_sizes, plot_recall_by_size
from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.mask_sizes import BINS, masks, recall_by_size, truth
from lit_seg.report.blocks import Cell, Figure, Panel, Section, Table
from lit_seg.report.sections.formatting import mean_sd


def section(comparison: Comparison) -> Section | None:
    """A histogram per class, and recall by size."""
    if comparison.images.empty:
        return None
    found = masks(comparison)
    by_size, of_truth = recall_by_size(found), truth(found)
    letters = max(len(name) for name in comparison.classes)
    labels = max(len(arm.label) for arm in comparison.arms)
    height = max(300, 60 + 24 * len(comparison.classes))
    sizes = Figure(
        "mask_sizes",
        f"Left: sizes of the {len(of_truth):,} masks (all pixels of a class in an image) of the "
        "validation images; each row is scaled to its own highest bar, the tick is the median. "
        "Right: recall of masks by size, every mask counting once. As Fig. 1 of the PAT paper "
        "(arXiv 2404.05393).",
        "Sizes of masks, and recall by size:",
        [
            Panel(
                "How large the masks are",
                partial(plot_mask_sizes, comparison, of_truth),
                width=500,
                height=height,
                left=20 + 7 * letters,
                right=14,
            ),
            Panel(
                "How much of them is found",
                partial(plot_recall_by_size, comparison, by_size),
                width=500,
                height=height,
                right=22 + 7 * labels,
            ),
        ],
        columns=2,
    )
    return Section("sizes", "Small masks", [sizes, _table(comparison, by_size, of_truth)])


def _table(comparison: Comparison, by_size: "object", of_truth: "object") -> Table:
    numbers = of_truth["bin"].value_counts()  # type: ignore[index]
    there = [name for name in BINS if numbers.get(name, 0)]
    means = by_size.groupby(["arm", "bin"], observed=True)["value"].agg(["mean", "std"])  # type: ignore[attr-defined]
    rows = []
    for arm in comparison.arms:
        row = [Cell(arm.label)]
        for name in there:
            if (arm.label, name) in means.index:
                mean, sd = (float(value) for value in means.loc[(arm.label, name)])
                row.append(Cell(mean_sd(mean, sd), value=mean))
            else:
                row.append(Cell("n/a"))
        rows.append(row)
    base = comparison.baseline
    return Table(
        "Recall by size of the mask (share of the image), percent",
        ["loss", *(f"{name} ({numbers[name]} masks)" for name in there)],
        rows,
        sortable=True,
        strong=[i for i, arm in enumerate(comparison.arms) if base and arm.loss == base.loss],
    )
