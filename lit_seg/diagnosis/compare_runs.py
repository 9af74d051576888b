"""What a loss changed: a run beside a baseline of the same validation images, with intervals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.formatting import points
from lit_seg.diagnosis.reading import LABELLED, RunFiles
from lit_seg.errors import RunError
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.runs.layout import VAL_IMAGES

SHOWN = {
    "miou": "mean IoU",
    "macc": "mean accuracy",
    "pixel_acc": "overall accuracy",
    "tail_recall": "tail recall",
    "tail_precision": "tail precision",
    "tail_iou": "tail IoU",
}
_DRAWS = 2000
_SAME_LENGTH = 0.02  # share of the steps

Outcome = Literal["higher", "traded", "flooded", "lower", "same"]
"""Of mean IoU, in a pair of runs; it is no verdict on the loss."""


@dataclass(frozen=True)
class Change:
    """Of a score, from the baseline to the run, with its 95 % interval over validation images."""

    baseline: float
    run: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 if the interval lies on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Comparison:
    """A run against its baseline.

    Attributes:
        baseline: folder of the baseline.
        loss: of the baseline.
        changes: by score.
        outcome: in a word, of this pair of runs.
        text: in a sentence.
        notes: in what the runs differ besides the loss.
        limit: what it does not say.
    """

    baseline: str
    loss: str
    changes: dict[str, Change]
    outcome: Outcome
    text: str
    notes: tuple[str, ...] = ()
    limit: str = (
        "one pair of runs cannot tell the loss from its seed; `python -m lit_seg report` compares "
        "them over several"
    )


def compare(run: RunFiles, baseline: RunFiles, evidence: Evidence) -> Comparison:
    """Compare two runs image by image.

    Raises:
        RunError: if they were not validated on the same images and classes, one of them has no
            counts per image, or pandas is not installed.
    """
    _check_same(run, baseline)
    try:
        from lit_seg.analysis.bootstrap import paired_bootstrap
        from lit_seg.metrics.scores import STATS, overall_scores
    except ModuleNotFoundError as error:
        raise RunError(f"--against needs {error.name}: pip install 'lit-seg[notebooks]'") from None
    assert run.frequency is not None  # of counts at least
    tail = frequency_groups([round(100 * n) for n in run.frequency])["tail"]
    theirs = _in_order_of(run, baseline)
    found = paired_bootstrap(
        run.counts[None], theirs[None], lambda counts: overall_scores(counts, tail), _DRAWS
    )
    scores = [overall_scores(counts.sum(0), tail) for counts in (theirs, run.counts)]
    changes = {}
    for key in SHOWN:
        i = STATS.index(key)
        before, after = (float(of[i]) for of in scores)
        changes[key] = Change(before, after, found[i].low, found[i].high)
    outcome, text = _outcome(changes)
    return Comparison(
        str(baseline.folder), baseline.origin.loss, changes, outcome, text, _notes(run, baseline)
    )


def _notes(run: RunFiles, baseline: RunFiles) -> tuple[str, ...]:
    """On another length or seed: what it changed is in the differences, too."""
    notes = []
    ours, theirs = (of.curve[-1][0] + 1 if of.curve else 0 for of in (run, baseline))
    if ours and theirs and abs(ours / theirs - 1) > _SAME_LENGTH:
        notes.append(
            f"the baseline was validated last after {theirs} steps, this run after {ours}: the "
            "changes are of the length as much as of the loss; give a baseline of the same length"
        )
    ours_seed, seed = (of.origin.variables.get("SEED", "") for of in (run, baseline))
    if ours_seed and seed and ours_seed != seed:
        notes.append(
            f"the baseline is of seed {seed}, this run of {ours_seed}: other first weights and "
            "another order of images are in the changes; give the baseline of the same seed"
        )
    return tuple(notes)


def _check_same(run: RunFiles, baseline: RunFiles) -> None:
    for one in (run, baseline):
        if not one.images:
            raise RunError(
                f"{one.folder}: has no {VAL_IMAGES} to compare image by image; train it again, or "
                f"on by make train RESUME={one.folder}"
            )
    if set(run.classes) != set(baseline.classes):
        names = sorted(set(run.classes) ^ set(baseline.classes))
        raise RunError(
            f"{baseline.folder}: has other classes than {run.folder} ({', '.join(names[:5])}); "
            "give a run on the same data"
        )
    if set(run.images) != set(baseline.images):
        number = len(set(run.images) ^ set(baseline.images))
        raise RunError(
            f"{baseline.folder}: was validated on other images than {run.folder} ({number} are in "
            "one of them only); give a run on the same data"
        )
    if not np.array_equal(run.counts[..., LABELLED], _in_order_of(run, baseline)[..., LABELLED]):
        raise RunError(
            f"{baseline.folder}: its validation labels differ from those of {run.folder}; give a "
            "run of the same image size"
        )


def _in_order_of(run: RunFiles, other: RunFiles) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    rows = [other.images.index(name) for name in run.images]
    columns = [other.classes.index(name) for name in run.classes]
    return other.counts[np.ix_(rows, columns)]


def _outcome(changes: dict[str, Change]) -> tuple[Outcome, str]:
    miou, recall, precision = (changes[k] for k in ("miou", "tail_recall", "tail_precision"))
    moved = [
        f"{SHOWN[key]} {'+' if change.run > change.baseline else ''}"
        f"{points(change.run - change.baseline)}"
        for key, change in changes.items()
        if change.sign
    ]
    if not moved:
        return "same", "in this pair of runs no difference that the images do not explain"
    listed = ", ".join(moved)
    if recall.sign > 0 and precision.sign < 0 and miou.sign < 0:
        return "flooded", (
            "in this pair of runs the tail is found more and drowns, at the price of mean IoU: "
            + listed
        )
    if miou.sign:
        outcome: Outcome = "higher" if miou.sign > 0 else "lower"
        return outcome, f"in this pair of runs mean IoU is {outcome}: {listed}"
    return "traded", (
        f"in this pair of runs one thing for another at about the same mean IoU: {listed}"
    )
