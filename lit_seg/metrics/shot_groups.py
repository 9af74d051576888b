"""Many, medium and few: the classes by their number of training images, by a named rule."""

from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args

import numpy as np

from lit_seg.errors import check_choice
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.metrics.scores import Array, class_mean

Rule = Literal["kang", "oltr", "mislas"]

MISLAS = {365: (131, 157), 1000: (390, 445), 8142: (842, 3701)}
"""How many classes are many and medium by MiSLAS, by the number of classes of a dataset."""


def shot_groups(counts: Sequence[int], rule: Rule = "kang") -> dict[str, list[int]]:
    """Class ids of ``many``, ``medium`` and ``few``; a group may be empty.

    Three rules are in use, and one class may be in another group by each:

    - ``kang``: more than 100 training images, 20 to 100, fewer than 20. The recall paper's too.
    - ``oltr``: 100 or more, between, 20 or fewer.
    - ``mislas``: the classes in the order of their counts, of which a fixed number is many and
      medium; for Places-LT, ImageNet-LT and iNaturalist 2018 only.

    Args:
        counts: training images of each class, ``(C,)``.
        rule: one of these.

    Raises:
        ValueError: if there is no such rule, or ``mislas`` has none for so many classes.
    """
    check_choice("rule", rule, get_args(Rule))
    if rule == "mislas":
        if len(counts) not in MISLAS:
            known = ", ".join(map(str, MISLAS))
            raise ValueError(
                f"`rule` 'mislas' is for datasets of {known} classes, got {len(counts)}; take "
                "'kang' or 'oltr'"
            )
        many, medium = MISLAS[len(counts)]
        order = sorted(range(len(counts)), key=lambda c: -counts[c])
        parts = (order[:many], order[many : many + medium], order[many + medium :])
        return dict(zip(("many", "medium", "few"), map(sorted, parts), strict=True))
    most, fewest = (101, 19) if rule == "kang" else (100, 20)
    groups: dict[str, list[int]] = {"many": [], "medium": [], "few": []}
    for c, n in enumerate(counts):
        groups["many" if n >= most else "few" if n <= fewest else "medium"].append(c)
    return groups


def group_accuracies(recall: Array, groups: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """The mean over the classes of each group; NaN for a group without any, which is not 0.

    Args:
        recall: ``(C,)`` accuracy of each class, NaN for one that is not labelled.
        groups: class ids by name.
    """
    values = np.asarray(recall, np.float64)
    return {name: float(class_mean(values[list(ids)])) for name, ids in groups.items()}


def class_groups(counts: Sequence[int], rule: str | None) -> dict[str, list[int]]:
    """The groups in which scores of a run are read: the most frequent first, also within a group.

    Args:
        counts: training pixels of each class, or training images of a classifier.
        rule: that of a classifier, whose groups are many, medium and few. Without one, and where
            the rule puts all classes into one group, they are head, medium and tail.
    """
    if rule is not None:
        shots = shot_groups(counts, cast(Rule, rule))
        found = {name: sorted(ids, key=lambda c: -counts[c]) for name, ids in shots.items() if ids}
        if len(found) > 1:
            return found
    return frequency_groups(counts)
