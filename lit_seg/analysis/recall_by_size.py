"""How large the masks of each class are, and how much of masks of a size a loss finds."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS, size_bin

BINS = MASK_SIZE_BINS


def masks(comparison: Comparison) -> pd.DataFrame:
    """Every mask of every run: arm, seed, image, class, size, recall, bin."""
    rows = comparison.images
    whole = rows.groupby(["arm", "seed", "image"])["labelled"].transform("sum")
    rows = rows.assign(size=rows["labelled"] / whole.where(whole > 0))
    rows = rows[rows["labelled"] > 0]
    return rows.assign(
        recall=rows["hits"] / rows["labelled"],
        bin=pd.Categorical.from_codes(size_bin(rows["size"]), list(BINS), ordered=True),
    )


def truth(found: pd.DataFrame) -> pd.DataFrame:
    """The masks of one run: the labels are the same for all."""
    if found.empty:
        return found
    first = found.iloc[0]
    return found[(found["arm"] == first["arm"]) & (found["seed"] == first["seed"])]


def recall_by_size(found: pd.DataFrame) -> pd.DataFrame:
    """Mean recall of the masks of a size, every mask counting once: arm, seed, bin, value."""
    groups = found.groupby(["arm", "seed", "bin"], observed=True, sort=False)
    return groups["recall"].mean().rename("value").reset_index()
