"""Which of thousands of classes a report shows: extremes, and those that were asked for."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.metrics.task_words import ALL_SHOWN

_EACH = 5
SHOWN = (
    f"the {_EACH} most and the {_EACH} least frequent ones; {_EACH} with the highest and {_EACH} "
    f"with the lowest recall of the baseline; the {_EACH} that gain and the {_EACH} that lose most "
    "recall against it with any loss; and those that `--classes` names"
)
"""What :func:`shown_classes` chooses, for a sentence."""


def shown_classes(comparison: Comparison) -> list[int]:
    """The class ids to show, the most frequent first: all if they are few, else as ``SHOWN`` says.

    Of classes with equal recall the lowest are the most frequent ones, which should be found, and
    the highest the rarest ones.
    """
    order = comparison.by_frequency()
    if len(order) <= ALL_SHOWN:
        return order
    rows = comparison.class_scores
    means = rows[rows["stat"] == "recall"].groupby(["method", "class"], observed=True)["value"]
    recall = means.mean().unstack("class").reindex(columns=[comparison.classes[c] for c in order])
    of_baseline = recall.loc[(comparison.baseline or comparison.methods[0]).label]
    gains = recall.sub(of_baseline)
    ranks = np.arange(len(order))
    chosen = {*range(_EACH), *range(len(order) - _EACH, len(order))}
    chosen |= {*_first(of_baseline, ranks), *_first(-of_baseline, -ranks)}
    chosen |= {*_first(gains.min(), ranks), *_first(-gains.max(), -ranks)}
    asked = [order.index(comparison.classes.index(name)) for name in comparison.watched]
    return [order[place] for place in sorted({*chosen, *asked})]


def _first(values: "pd.Series[float]", ties: npt.NDArray[np.int64]) -> list[int]:
    """Places of the lowest values that are defined; of equal ones those with the lowest tie."""
    places = np.lexsort((ties, values.to_numpy()))  # NaN is last
    return [int(i) for i in places[:_EACH] if values.iloc[i] == values.iloc[i]]
