"""How large the masks of each class are, and how much of masks of a size a loss finds.

A mask is all pixels of a class in an image; its size is its share of the labelled pixels there.
"""

import numpy as np
import pandas as pd

from lit_seg.analysis.comparison import Comparison

BINS = {"below 0.1 %": 1e-3, "0.1 to 1 %": 1e-2, "1 to 10 %": 1e-1, "above 10 %": np.inf}
"""Upper ends, as shares of the image."""


def masks(comparison: Comparison) -> pd.DataFrame:
    """Every mask of every run: arm, seed, image, class, size, recall, bin."""
    rows = comparison.images
    whole = rows.groupby(["arm", "seed", "image"])["labelled"].transform("sum")
    rows = rows.assign(size=rows["labelled"] / whole.where(whole > 0))
    rows = rows[rows["labelled"] > 0]
    edges = [-np.inf, *BINS.values()]
    return rows.assign(
        recall=rows["hits"] / rows["labelled"],
        bin=pd.cut(rows["size"].astype(float), edges, labels=list(BINS)),
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
