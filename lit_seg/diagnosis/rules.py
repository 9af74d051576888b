"""The thresholds of the diagnosis, each with its value, where it comes from and why."""

from typing import NamedTuple

APP_B = "recall paper, App. B"
OURS = "ours"


class Rule(NamedTuple):
    """A threshold.

    Attributes:
        value: what is compared with.
        source: ``APP_B`` where the paper gives the number, else ``OURS``.
        why: the reason for the number.
    """

    value: float
    source: str
    why: str


RULES = {
    "EASY_MEAN_ACCURACY": Rule(
        0.90,
        APP_B,
        "Virtual KITTI 2: cross-entropy alone is above 90 % mean accuracy, and no loss is better",
    ),
    "HIGH_OVERALL_ACCURACY": Rule(
        0.80,
        OURS,
        "App. B says `reasonably high`; it finds ADE20K, of which it prints no number, too hard, "
        "and a ResNet18 of the benchmark's authors has .7605 there (CSAILVision, C1 head)",
    ),
    "LARGE_ACCURACY_GAP": Rule(
        0.15,
        OURS,
        "overall less mean accuracy, for App. B's `very low`: .42 on streets and .23 on CamVid "
        "with cross-entropy, where recall loss had the higher mean IoU",
    ),
    "LARGE_TAIL_GAP": Rule(
        0.15,
        OURS,
        "recall of the head less that of the tail, as much again: a low mean that comes of "
        "frequent classes is no matter of imbalance",
    ),
    "FOUND": Rule(0.50, OURS, "recall from which the tail counts as found: half of its pixels"),
    "FLOODED": Rule(
        0.50,
        OURS,
        "precision below which most of what is called tail is not; on the classes of the recall "
        "paper's Table 2, class-balanced weights come to .45, recall loss to .67",
    ),
    "MISSED": Rule(0.01, OURS, "recall below which a class counts as never found"),
    "STILL_RISING": Rule(
        0.02,
        OURS,
        "mean IoU of the last quarter of the validations less that of the quarter before: "
        "single validations scatter by .015 on CamVid, the difference of two means of four by .01",
    ),
    "FEWEST_VALIDATIONS": Rule(8, OURS, "two in a quarter; with fewer the curve says nothing"),
    "FEWEST_IMAGES": Rule(
        5,
        OURS,
        "images that show a class: the standard error of its recall is up to .22 (.5 / sqrt 5), "
        "and for the mean of four classes half of that, less than LARGE_TAIL_GAP",
    ),
    "FEWEST_PIXELS": Rule(100, OURS, "labelled pixels of a class: one patch of 10 x 10"),
    "ENOUGH_OF_TAIL": Rule(0.50, OURS, "share of the tail classes that must be that well labelled"),
    "FEWEST_MASKS": Rule(10, OURS, "masks of a size and a group: standard error up to .16"),
    "ENOUGH_COMPARED": Rule(
        0.50, OURS, "share of the tail's masks in sizes that other classes have as well"
    ),
    "MOST": Rule(
        0.67,
        OURS,
        "share of the gap at equal size from which rarity is the cause; below one minus this "
        "smallness is, and in between both",
    ),
    "OVERFITTED": Rule(
        0.30, OURS, "tail recall in training less that in validation: it does not carry over"
    ),
}
"""By name, in the order in which they are asked."""


_ROUNDING = 1e-9  # .9 - .75 is a little more than .15


def limit(name: str) -> float:
    """The value of a rule."""
    return RULES[name].value


def reaches(value: float, name: str) -> bool:
    """Whether a value is at least that of a rule; false for NaN."""
    return value >= RULES[name].value - _ROUNDING


def exceeds(value: float, name: str) -> bool:
    """Whether a value is above that of a rule; false for NaN."""
    return value > RULES[name].value + _ROUNDING


def below(value: float, name: str) -> bool:
    """Whether a value is less than that of a rule; false for NaN."""
    return value < RULES[name].value - _ROUNDING
