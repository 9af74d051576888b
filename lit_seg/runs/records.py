"""A record of what a run logs: step, statistic, class and value, and the key it has in W&B.

A statistic is ``<kind>/<name>``, such as ``train/loss``, ``val/iou``, ``class/weight`` or
``cost/step_seconds``. The key of what belongs to a class ends in the class: ``val/iou/road``.
Statistics and keys are joined and split here only; names of classes may hold slashes.
"""

from typing import Any

MAX_NAME = 300
"""The longest name of a class, in characters; figures of longer ones fill the memory."""

RECORD = ["step", "stat", "class", "value"]
"""Columns of tables of records; the class is empty for what belongs to no class."""
KINDS = ("train", "val", "class", "cost")
EVERY = "every"
"""The kind of the keys `every/<class>`, recalls of thousands of classes, for a file alone."""
CLASS_STEP = "class_step"
"""The step axis of the ``class/<stat>/<class>`` curves in W&B."""
GLOBAL_STEP = "trainer/global_step"
"""The step axis of all other curves."""


def stat_of(kind: str, name: Any) -> Any:
    """The statistic of a kind, ``class/weight`` of ``class``; of a column of names, the column."""
    return f"{kind}/" + name


def split_stat(stat: str) -> tuple[str, str]:
    """The kind of a statistic, also where its class follows, and the rest."""
    kind, _, name = stat.partition("/")
    return kind, name


def step_axis(stat: str) -> str:
    """The step axis that the curves of a statistic have in W&B."""
    return CLASS_STEP if split_stat(stat)[0] == "class" else GLOBAL_STEP


def join_key(stat: str, name: str = "") -> str:
    """The key of a statistic, of the class ``name`` if it belongs to one."""
    return f"{stat}/{name}" if name else stat


def split_key(key: str) -> tuple[str, str] | None:
    """Statistic and class of a key; None for a key of another program.

    Example:
        >>> split_key("class/weight/road")
        ('class/weight', 'road')
        >>> split_key("cost/step_seconds")
        ('cost/step_seconds', '')
    """
    kind, *rest = key.split("/", 2)
    if kind not in KINDS or not rest:
        return None
    if len(rest) == 1 and "." in rest[0]:
        return None  # W&B splits tables and pictures into such keys
    return f"{kind}/{rest[0]}", rest[1] if len(rest) == 2 else ""
