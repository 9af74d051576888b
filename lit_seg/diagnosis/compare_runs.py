"""Compares a run with a baseline that has the same validation images, with intervals."""

from dataclasses import dataclass
from functools import partial

from lit_seg.analysis.bootstrap import bootstrap_pairs
from lit_seg.analysis.image_counts import ImageCounts, same_labels
from lit_seg.diagnosis.number_text import listed
from lit_seg.diagnosis.run_record import RunRecord
from lit_seg.errors import RunError, plural
from lit_seg.metrics.scores import STATS, is_predicted, overall_scores, score_differences
from lit_seg.metrics.task_words import few_of
from lit_seg.runs.layout import VAL_IMAGES
from lit_seg.runs.summary import same_length

_RESAMPLES = 2000

OUTCOMES = {
    "higher": "{main} is higher",
    "lower": "{main} is lower",
    "flooded": "{rare} recall is higher, but {rare} precision and {main} are lower",
    "traded": "{main} is statistically tied, but other scores differ",
    "same": "all scores are statistically tied",
}
"""What happened to a pair of runs, by its short name. It is no verdict on the loss."""


@dataclass(frozen=True)
class Change:
    """A score of the baseline and of the run, with the 95 % interval of their difference."""

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
    """A run and its baseline."""

    baseline: str  # the folder of the baseline
    loss: str  # that of the baseline
    changes: dict[str, Change]  # by score
    outcome: str  # what happened to this pair of runs, one of OUTCOMES
    text: str  # the outcome as a sentence
    notes: tuple[str, ...]  # differences besides the loss, and which classes were compared
    limit: str = (
        "one pair of runs cannot tell the loss from its seed; `python -m lit_seg report` compares "
        "them over several"
    )


def compare(run: RunRecord, baseline: RunRecord) -> Comparison:
    """Compare two runs image by image.

    Precision is compared over the classes that both runs predict: a loss that never predicts its
    hard classes would have the precision of the easy ones.

    Raises:
        RunError: if both are the same run, or have no counts per image of the same images and
            classes.
    """
    if run.folder.resolve() == baseline.folder.resolve():
        raise RunError(
            f"{run.folder}: is the run itself, and all its scores would be tied; give another run "
            "as --against, such as one with LOSS=ce"
        )
    theirs = _aligned_counts(run, baseline)
    words, tail = run.words, list(run.groups.values())[-1]  # with counts there are groups
    sums, their_sums = run.counts.sums(), theirs.sums()
    both = is_predicted(sums) & is_predicted(their_sums)
    statistic = partial(score_differences, tail=tail, both=both)
    differences = bootstrap_pairs([run.counts], [theirs], statistic, _RESAMPLES)
    before, after = (overall_scores(of, tail, both).tolist() for of in (their_sums, sums))
    changes = {
        stat: Change(before[i], after[i], differences[i].low, differences[i].high)
        for i, stat in enumerate(STATS)
        if stat != "mprec"
    }
    outcome = _outcome(changes, words.main)
    what = OUTCOMES[outcome].format(main=words.stats[words.main], rare=words.rare)
    text = f"in this pair of runs {what}"
    notes = _notes(run, baseline, [run.classes[c] for c in tail if both[c]], len(tail))
    return Comparison(str(baseline.folder), baseline.origin.loss, changes, outcome, text, notes)


def _outcome(changes: dict[str, Change], main: str) -> str:
    if not any(change.sign for change in changes.values()):
        return "same"
    sign = changes[main].sign
    if (sign, changes["tail_recall"].sign, changes["tail_precision"].sign) == (-1, 1, -1):
        return "flooded"
    return {1: "higher", 0: "traded", -1: "lower"}[sign]


def _notes(
    run: RunRecord, baseline: RunRecord, predicted_tail: list[str], tail_size: int
) -> tuple[str, ...]:
    notes, rare = [], run.words.rare
    if len(predicted_tail) < tail_size:
        notes.append(
            f"{rare} precision is compared over {len(predicted_tail)} of {tail_size} {rare} "
            f"classes, those that both runs predict: {few_of(predicted_tail) or 'none'}"
        )
    ours, theirs = (of.curve.index[-1] + 1 if len(of.curve) else 0 for of in (run, baseline))
    if ours and theirs and not same_length(ours, theirs):
        notes.append(
            f"the baseline was last validated after {plural(theirs, 'step')}, this run after "
            f"{ours}: the length causes a part of the changes; give a baseline of the same length"
        )
    seed, their_seed = (of.origin.variables.get("SEED", "") for of in (run, baseline))
    if seed and their_seed and seed != their_seed:
        notes.append(
            f"the baseline has seed {their_seed}, this run seed {seed}: other first weights and "
            "another order of images cause a part of the changes; give a baseline of the same seed"
        )
    return tuple(notes)


def _aligned_counts(run: RunRecord, baseline: RunRecord) -> ImageCounts:
    """Put the counts of the baseline into the order of the run's images and classes."""
    for one in (run, baseline):
        if not one.images:
            raise RunError(
                f"{one.folder}: the run has no {VAL_IMAGES} to compare image by image; train it "
                f"again, or longer by make train RESUME={one.folder}"
            )
    for what, ours, theirs in (
        ("classes", run.classes, baseline.classes),
        ("validation images", run.images, baseline.images),
    ):
        if names := sorted(set(ours) ^ set(theirs)):
            raise RunError(
                f"{baseline.folder}: its {what} differ from those of {run.folder} ({len(names)} "
                f"are in one of them only: {listed(names)}); give a run on the same data"
            )
    images = {name: i for i, name in enumerate(baseline.images)}
    classes = {name: c for c, name in enumerate(baseline.classes)}
    counts = baseline.counts.taken(
        [images[name] for name in run.images], [classes[name] for name in run.classes]
    )
    if not same_labels(run.counts, counts):
        raise RunError(
            f"{baseline.folder}: its validation labels differ from those of {run.folder}; give a "
            "run with the same image size"
        )
    return counts
