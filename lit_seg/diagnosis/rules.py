"""The thresholds of the diagnosis. ``docs/diagnose.md`` gives the whole reason for each number."""

from typing import NamedTuple


class Rule(NamedTuple):
    """A threshold: the number that a score is compared with, and where it comes from."""

    value: float
    why: str  # what is compared, or where the number comes from
    source: str = "ours"  # else the paper that gives the number


_APP_B = "recall paper, App. B"

RULES = {
    "LEAST_EPOCHS": Rule(5, "epochs within which the curve must show that mean IoU rests"),
    "EASY_MEAN_ACCURACY": Rule(0.90, "cross-entropy is above it on Virtual KITTI 2", _APP_B),
    "HIGH_OVERALL_ACCURACY": Rule(0.80, "App. B says `reasonably high`"),
    "LARGE_ACCURACY_GAP": Rule(0.15, "overall minus mean accuracy"),
    "LARGE_TAIL_GAP": Rule(0.15, "recall of the head minus recall of the tail"),
    "FOUND": Rule(0.50, "recall from which the tail counts as found"),
    "FLOODED": Rule(0.50, "precision below which most pixels predicted as tail are not"),
    "MISSED": Rule(0.01, "recall below which a class counts as never found"),
    "STILL_RISING": Rule(0.02, "gain of mean IoU in the last quarter of the validations"),
    "FEWEST_VALIDATIONS": Rule(8, "two validations in a quarter"),
    "FEWEST_IMAGES": Rule(5, "images that show a class"),
    "FEWEST_PIXELS": Rule(100, "labelled pixels of a class"),
    "FEWEST_OF_TAIL": Rule(100, "images of a classifier's rarest group together, if few of each"),
    "ENOUGH_OF_TAIL": Rule(0.50, "share of the tail classes with so many images and pixels"),
    "FEWEST_MASKS": Rule(10, "masks of one size in one group of classes"),
    "ENOUGH_COMPARED": Rule(0.50, "share of the tail's masks in sizes that others have too"),
    "MOST": Rule(0.67, "share of the gap that is left in masks of equal size"),
    "OVERFITTED": Rule(0.30, "tail recall in training minus tail recall in validation"),
}
"""The thresholds by name, in the order in which they are used."""

_ROUNDING = 1e-9  # .9 - .75 is a little more than .15


def limit(name: str) -> float:
    """The value of a threshold."""
    return RULES[name].value


def reaches(value: float, name: str) -> bool:
    """Whether a value is at least that of a threshold; false for NaN."""
    return value >= limit(name) - _ROUNDING


def exceeds(value: float, name: str) -> bool:
    """Whether a value is above that of a threshold; false for NaN."""
    return value > limit(name) + _ROUNDING


def below(value: float, name: str) -> bool:
    """Whether a value is less than that of a threshold; false for NaN."""
    return value < limit(name) - _ROUNDING
