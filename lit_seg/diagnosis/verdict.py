"""Judges a run by a list of rules; the first rule that holds decides."""

from dataclasses import dataclass

from lit_seg.diagnosis.advice import Advice, advise
from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.number_text import listed, percent, points
from lit_seg.diagnosis.rules import below, exceeds, limit, reaches
from lit_seg.diagnosis.run_record import RunRecord
from lit_seg.errors import plural
from lit_seg.metrics.task_words import few_of

HEADLINES = {
    "hardly_trained": "cannot tell yet: the run is hardly trained",
    "too_few_pixels": "cannot tell: too little of the tail is labelled in validation",
    "too_easy": "no: the data is easy for this model",
    "not_converged": "cannot tell yet: accuracy is low and the mean IoU still rises",
    "flooded": "partly: the tail is found, but with too many false positives",
    "too_hard": "no: the data is too hard for this model, or the model too weak",
    "imbalance": "yes: imbalance is the bottleneck",
    "small_masks": "partly: the tail is missed because its masks are small, not because it is rare",
    "no_bottleneck": "no: nothing here points at imbalance",
}
"""The verdict in a line, by its kind."""


@dataclass(frozen=True)
class Verdict:
    """The answer to whether imbalance is the bottleneck."""

    kind: str  # one of HEADLINES
    reasons: tuple[str, ...]  # sentences with the numbers, the deciding one first
    advice: Advice
    otherwise: str | None  # what the remaining rules say of a run that cannot be judged yet
    rising: str  # a note on a run whose mean IoU still rises; "" for another


def judge(run: RunRecord, evidence: Evidence) -> Verdict:
    """Apply the rules of ``docs/diagnose.md`` in their order."""
    kind, reason = next((kind, why) for kind, holds, why in _rules(evidence, run) if holds)
    rising = (
        f"mean IoU still rises: over the last quarter of the {evidence.validations} validations "
        f"it is {points(evidence.rise)} above the quarter before ({points(limit('STILL_RISING'))} "
        "count as rising). The verdict holds for this length of training. A learning rate that "
        "falls to the end causes such a rise at any length, so it is no reason by itself to train "
        "longer"
    )
    return Verdict(
        kind,
        (reason, *(text for holds, text in _remarks(kind, evidence, run) if holds)),
        advise(kind, run, evidence),
        # Its pixel accuracy is low, so only more training can show that it is not too hard.
        otherwise="too_hard" if kind == "not_converged" else None,
        rising=rising if reaches(evidence.rise, "STILL_RISING") else "",
    )


def _rules(of: Evidence, run: RunRecord) -> list[tuple[str, bool, str]]:
    """List each verdict, whether its rule holds, and the numbers that decide."""
    plain, words, rare = run.origin.plain, run.words, run.words.rare
    enough, number = of.tail_measured or (1, 1)
    hard = below(of.overall, "HIGH_OVERALL_ACCURACY")
    flooded = reaches(of.tail.recall, "FOUND") and below(of.tail.precision, "FLOODED")
    imbalanced = reaches(of.accuracy_gap, "LARGE_ACCURACY_GAP") and (
        not of.groups or reaches(of.tail_gap, "LARGE_TAIL_GAP")
    )
    small = of.sizes is not None and of.sizes.cause == "smallness"

    short_text = (
        f"{of.epochs:g} epoch{'s' * (of.epochs != 1)} begun, "
        f"{plural(of.validations, 'validation')}: in the first {limit('LEAST_EPOCHS')} epochs "
        f"at least {limit('FEWEST_VALIDATIONS')} validations must show that mean IoU no longer "
        "rises"
    )
    # thousands of classes with three images each measure the mean over the classes well
    of_tail = sum(
        n for name, (n, _) in of.labelled.items() if of.group_of[name] == [*of.groups][-1]
    )
    few_pixels = below(enough / number, "ENOUGH_OF_TAIL")
    labelled, together = f"{limit('FEWEST_PIXELS')} labelled pixels in ", ""
    if run.origin.classifies:
        few_pixels = few_pixels and below(of_tail, "FEWEST_OF_TAIL")
        labelled, together = "", f", or {limit('FEWEST_OF_TAIL')} images be of them"
    few_pixels_text = (
        f"{enough} of {number} {rare} classes have {labelled}"
        f"{limit('FEWEST_IMAGES')} images or more; at least half must{together}"
    )
    easy_text = (
        f"mean accuracy {percent(of.mean)} is above {percent(limit('EASY_MEAN_ACCURACY'))}: no "
        "loss can find much more"
    )
    hard_text = (
        f"{words.overall} {percent(of.overall)} is below "
        f"{percent(limit('HIGH_OVERALL_ACCURACY'))}: frequent classes are not learned "
        f"({words.frequent} recall {percent(of.head.recall)})"
    )
    flooded_text = (
        f"{rare} recall is {percent(of.tail.recall)}, {rare} precision "
        f"{percent(of.tail.precision)}: {percent(1 - of.tail.precision)} of the {words.unit}s "
        f"predicted as {rare} are something else"
    )
    gap_text = (
        f"mean accuracy {percent(of.mean)} is {points(of.accuracy_gap)} below {words.overall} "
        f"{percent(of.overall)}; {words.frequent} recall is {percent(of.head.recall)}, {rare} "
        f"recall {percent(of.tail.recall)}"
    )
    large = f"a large gap is {points(limit('LARGE_ACCURACY_GAP'))}"
    rests = below(of.rise, "STILL_RISING")
    return [
        ("hardly_trained", below(of.epochs, "LEAST_EPOCHS") and not rests, short_text),
        ("too_few_pixels", few_pixels, few_pixels_text),
        ("too_easy", exceeds(of.mean, "EASY_MEAN_ACCURACY"), easy_text),
        # A loss that favours rare classes lowers pixel accuracy too: too hard comes after it.
        ("flooded", flooded and not plain, flooded_text),
        ("not_converged", hard and reaches(of.rise, "STILL_RISING"), hard_text),
        ("too_hard", hard, hard_text),
        ("flooded", flooded, flooded_text),
        ("small_masks", imbalanced and small, gap_text),
        ("imbalance", imbalanced, gap_text),
        ("no_bottleneck", True, f"{gap_text}; {large}"),
    ]


def _remarks(kind: str, of: Evidence, run: RunRecord) -> list[tuple[object, str]]:
    """List what limits the verdict, and further facts that no rule uses."""
    plain, words, rare = run.origin.plain, run.words, run.words.rare
    rare_classes, gets = ("the tail", "gets") if rare == "tail" else (f"{rare} classes", "get")
    few = of.rise != of.rise
    lowest = sorted(of.per_class.items(), key=lambda pair: pair[1].recall)[:3]
    measured = [
        f"{name} has {plural(images, 'image')}"
        if run.origin.classifies
        else f"{name} has {plural(pixels, 'pixel')} in {plural(images, 'image')}"
        for name, (images, pixels) in of.labelled.items()
        if of.group_of.get(name) == [*of.groups][-1]
    ]
    return [
        (kind == "too_few_pixels", few_of(measured)),
        (
            kind in ("too_hard", "not_converged") and not plain,
            f"a loss that favours rare classes lowers {words.overall} too; a run with LOSS=ce "
            "tells which it is",
        ),
        (kind == "too_hard" and few, "or training was too short: too few validations tell"),
        (kind in ("imbalance", "small_masks") and of.sizes, _size_text(of)),
        (
            kind == "no_bottleneck",
            "lowest recall: " + ", ".join(f"{name} {percent(s.recall)}" for name, s in lowest),
        ),
        (of.never_found, f"never found: {listed(of.never_found)}"),
        (of.flooded, f"found, but mostly false positives: {listed(of.flooded)}"),
        (
            reaches(of.tail_in_training - of.tail.recall, "OVERFITTED"),
            f"{rare} recall is {percent(of.tail_in_training)} in training and "
            f"{percent(of.tail.recall)} in validation: no loss mends that; more images of "
            f"{rare_classes} or more augmentation can",
        ),
        (
            of.tail_gradient == of.tail_gradient,
            f"{rare_classes} {gets} {percent(of.tail_gradient)} of the gradient at the end",
        ),
        (
            few and kind != "hardly_trained",
            f"validations logged: {of.validations}; at least {limit('FEWEST_VALIDATIONS')} tell "
            "whether mean IoU still rises",
        ),
    ]


def _size_text(of: Evidence) -> str:
    if of.sizes is None:
        return ""
    gaps = (
        f"in masks of equal size the tail's recall is {points(of.sizes.at_equal_size)} below that "
        f"of the others, in all masks {points(of.sizes.gap)}"
    )
    return {
        "rarity": f"rarity is the cause, not smallness: {gaps}",
        "smallness": f"smallness is the cause, not rarity: {gaps}",
        "both": f"rarity and smallness are both causes: {gaps}",
        "neither": "per mask the tail is found like the rest: its large masks are missed",
        "unknown": "rarity and smallness cannot be separated: only "
        f"{percent(of.sizes.compared)} of the tail's masks have a size that other classes have too",
    }[of.sizes.cause]
