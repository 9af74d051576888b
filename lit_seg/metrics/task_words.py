"""What readers of runs call things: a classifier has images where segmentation has pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lit_seg.errors import RunError, near
from lit_seg.metrics.scores import STAT_NAMES

ALL_SHOWN = 256
"""The largest number of classes that readers see one by one; only classifiers have more."""
LISTED = 50
"""The largest number of names in a sentence."""


@dataclass(frozen=True)
class Words:
    """The words for the runs of a task.

    Attributes:
        unit: what is counted, ``pixel`` or ``image``.
        main: the score of ``STATS`` by which runs are compared first.
        overall: the accuracy that frequent classes decide. The validation images of a classifier
            are often as many of each class, so that there the classes are weighted.
        stats: the name of each of them.
        frequent: an adjective for the group of the most frequent classes.
        rare: the same for the least frequent classes.
        groups: a sentence that says what the groups are.
    """

    unit: str
    main: str
    overall: str
    stats: Mapping[str, str]
    frequent: str
    rare: str
    groups: str


def words_of(groups: Sequence[str], rule: str | None) -> Words:
    """The words for groups of classes by their names, the most frequent first.

    Args:
        groups: names as of ``class_groups``.
        rule: that of a classifier; None for segmentation.
    """
    thirds = "Head, medium and tail are the most, middle and least frequent third of the classes."
    if rule is None:
        return Words("pixel", "miou", "pixel accuracy", STAT_NAMES, "head", "tail", thirds)
    frequent, rare = (groups[0], groups[-1]) if groups else ("head", "tail")
    if "head" not in groups:
        frequent, rare = f"{frequent}-shot", f"{rare}-shot"
        thirds = f"Groups are those of the rule {rule}, by the number of training images."
    names = {name: text.replace("tail", rare) for name, text in STAT_NAMES.items()}
    stats = names | {"pixel_acc": "overall accuracy"}
    weighted = "accuracy weighted by training images"
    return Words("image", "macc", weighted, stats, frequent, rare, thirds)


def few_of(names: Sequence[str], most: int = LISTED) -> str:
    """Names with commas; of more than ``most`` the first ones, and how many there are besides."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def check_known(watched: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse names of no class.

    Raises:
        RunError: naming the first, and the class that may be meant.
    """
    for name in watched:
        if name not in classes:
            raise RunError(f"--classes: there is no {name!r}{near(name, classes, listed=False)}")
