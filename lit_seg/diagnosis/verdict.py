"""The verdict: the rules asked in order, with the numbers that answered them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lit_seg.diagnosis.advice import Advice, advise
from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.formatting import joined, percent, points
from lit_seg.diagnosis.reading import RunFiles
from lit_seg.diagnosis.rules import below, exceeds, limit, reaches

Kind = Literal[
    "too_few_pixels",
    "too_easy",
    "not_converged",
    "flooded",
    "too_hard",
    "imbalance",
    "small_masks",
    "no_bottleneck",
]

HEADLINES: dict[Kind, str] = {
    "too_few_pixels": "cannot tell: too little of the tail is labelled in validation",
    "too_easy": "no: the data is easy for this model",
    "not_converged": "cannot tell yet: overall accuracy is low and validation still rising",
    "flooded": "partly: the tail is found, but it drowns in false positives",
    "too_hard": "no: the data is too hard for this model, or the model too weak",
    "imbalance": "yes: imbalance is the bottleneck",
    "small_masks": "partly: the tail is missed where it is small, not because it is rare",
    "no_bottleneck": "no: nothing here points at imbalance",
}


@dataclass(frozen=True)
class Verdict:
    """Is imbalance the bottleneck?

    Attributes:
        kind: which verdict.
        reasons: with their numbers, the deciding one first.
        advice: what to do next.
        otherwise: what the rest of the rules say of a run that cannot be judged yet.
        rising: a note on a run whose validation still rises; "" of another.
    """

    kind: Kind
    reasons: tuple[str, ...]
    advice: Advice
    otherwise: Kind | None = None
    rising: str = ""

    @property
    def headline(self) -> str:
        """The verdict in a line."""
        return HEADLINES[self.kind]


def judge(run: RunFiles, evidence: Evidence) -> Verdict:
    """Ask the rules of ``docs/diagnose.md`` in their order; the first that holds decides."""
    kind, reasons = _decide(evidence, run.origin.plain, _QUESTIONS)
    otherwise = None
    if kind == "not_converged":
        otherwise, more = _decide(evidence, run.origin.plain, _WHEN_CONVERGED)
        reasons += [f"as it stands now, {HEADLINES[otherwise]}", *more]
    reasons += _besides(evidence)
    advice = advise(kind, otherwise, run, evidence)
    return Verdict(kind, tuple(reasons), advice, otherwise, _rising(evidence))


Question = Callable[[Evidence, bool], tuple[Kind, list[str]] | None]
"""A verdict with its reasons if the rule holds; asked with whether the loss was cross-entropy."""


def _decide(
    evidence: Evidence, plain: bool, questions: tuple[Question, ...]
) -> tuple[Kind, list[str]]:
    answers = (question(evidence, plain) for question in questions)
    return next(answer for answer in answers if answer)


def _too_few_pixels(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    if of.tail_measured is None:
        return None
    enough, number = of.tail_measured
    if not below(enough / number, "ENOUGH_OF_TAIL"):
        return None
    tail = [name for name, group in of.group_of.items() if group == "tail"]
    found = ", ".join(
        f"{name} {of.labelled[name][1]} pixels in {of.labelled[name][0]}" for name in tail
    )
    return "too_few_pixels", [
        f"{enough} of {number} tail classes have {limit('FEWEST_PIXELS'):.0f} labelled pixels in "
        f"{limit('FEWEST_IMAGES'):.0f} images or more, at least half must ({found})"
    ]


def _too_easy(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    if not exceeds(of.mean, "EASY_MEAN_ACCURACY"):
        return None
    return "too_easy", [
        f"mean accuracy {percent(of.mean)} is above {percent(limit('EASY_MEAN_ACCURACY'))}: "
        "every class is found nearly whole, and no loss can find much more"
    ]


def _rising(of: Evidence) -> str:
    if not reaches(of.rise, "STILL_RISING"):
        return ""
    return (
        f"still rising: mean IoU of the last quarter of {of.validations} validations is "
        f"{points(of.rise)} above that of the quarter before ({points(limit('STILL_RISING'))} "
        "count as rising); the verdict is of this length. A learning rate that falls to the end "
        "makes such a rise at any length, so it alone is no reason to train longer"
    )


def _not_converged(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    """Only where frequent classes are not learned: whether they will be, nothing else says."""
    if not (reaches(of.rise, "STILL_RISING") and below(of.overall, "HIGH_OVERALL_ACCURACY")):
        return None
    return "not_converged", [
        "mean IoU still rises: whether frequent classes will be learned is open"
    ]


def _flooded(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    tail = of.groups.get("tail")
    if tail is None:
        return None
    if not (reaches(tail.recall, "FOUND") and below(tail.precision, "FLOODED")):
        return None
    return "flooded", [
        f"tail recall is {percent(tail.recall)}, tail precision {percent(tail.precision)}: of what "
        f"is called tail, {percent(1 - tail.precision)} is something else"
    ]


def _flooded_by_loss(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    """Asked before ``_too_hard``: a loss that floods lowers overall accuracy too."""
    return None if plain else _flooded(of, plain)


def _too_hard(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    if not below(of.overall, "HIGH_OVERALL_ACCURACY"):
        return None
    reasons = [
        f"overall accuracy {percent(of.overall)} is below "
        f"{percent(limit('HIGH_OVERALL_ACCURACY'))}: frequent classes are not learned either"
    ]
    if of.groups:
        reasons[0] += f" (head recall {percent(of.groups['head'].recall)})"
    if not plain:
        reasons.append("a loss that favours rare classes lowers it too; only LOSS=ce tells")
    if of.rise != of.rise:
        reasons.append("or it was not trained long enough: too few validations tell")
    return "too_hard", reasons


def _imbalance(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    if not reaches(of.accuracy_gap, "LARGE_ACCURACY_GAP"):
        return None
    reasons = [
        f"overall accuracy {percent(of.overall)} is high, mean accuracy {percent(of.mean)} is "
        f"{points(of.accuracy_gap)} lower"
    ]
    if of.groups:
        if not reaches(of.tail_gap, "LARGE_TAIL_GAP"):
            return None
        head, tail = of.groups["head"], of.groups["tail"]
        reasons.append(
            f"recall falls with frequency: head {percent(head.recall)}, tail {percent(tail.recall)}"
        )
    if of.sizes is None:
        return "imbalance", reasons
    sizes = of.sizes
    compared = (
        f"in masks of equal size the tail is {points(sizes.at_equal_size)} below the others, "
        f"in all masks {points(sizes.gap)}"
    )
    causes = {
        "rarity": f"rarity, not smallness: {compared}",
        "smallness": f"smallness, not rarity: {compared}",
        "both": f"rarity and smallness: {compared}",
        "neither": "per mask the tail is found about as well as the rest: its large masks fail",
        "unknown": f"rarity or smallness cannot be told: {percent(sizes.compared)} of the tail's "
        "masks are of a size that other classes have as well",
    }
    reasons.append(causes[sizes.cause])
    return "small_masks" if sizes.cause == "smallness" else "imbalance", reasons


def _no_bottleneck(of: Evidence, plain: bool) -> tuple[Kind, list[str]] | None:
    if not reaches(of.accuracy_gap, "LARGE_ACCURACY_GAP"):
        reason = (
            f"mean accuracy {percent(of.mean)} is only {points(of.accuracy_gap)} below overall "
            f"accuracy {percent(of.overall)} ({points(limit('LARGE_ACCURACY_GAP'))} count as much)"
        )
    else:
        low = sorted(of.per_class.items(), key=lambda pair: pair[1].recall)[:3]
        head, tail = of.groups["head"].recall, of.groups["tail"].recall
        lowest = joined([f"{name} {percent(scores.recall)}" for name, scores in low])
        reason = (
            f"mean accuracy {percent(of.mean)} is {points(of.accuracy_gap)} below overall "
            f"{percent(of.overall)}, but it is not the tail that lacks: head recall "
            f"{percent(head)}, tail {percent(tail)}; lowest are {lowest}"
        )
    return "no_bottleneck", [reason]


_WHEN_CONVERGED: tuple[Question, ...] = (_too_hard, _flooded, _imbalance, _no_bottleneck)
_QUESTIONS: tuple[Question, ...] = (
    *(_too_few_pixels, _too_easy, _flooded_by_loss, _not_converged),
    *_WHEN_CONVERGED,
)


def _besides(of: Evidence) -> list[str]:
    """What no rule asks for and everyone wants to know."""
    lines = []
    if of.never_found:
        lines.append(f"never found: {joined(of.never_found)}")
    if of.flooded:
        lines.append(f"found, but mostly false positives: {joined(of.flooded)}")
    tail = of.groups.get("tail")
    if tail is not None and reaches(of.tail_in_training - tail.recall, "OVERFITTED"):
        lines.append(
            f"tail recall is {percent(of.tail_in_training)} in training and {percent(tail.recall)} "
            "in validation: it is learned and does not carry over, which no loss mends; more "
            "images of it, or more augmentation, can"
        )
    if of.tail_gradient == of.tail_gradient:
        lines.append(f"the tail gets {percent(of.tail_gradient)} of the gradient at the end")
    if of.rise != of.rise:
        lines.append(
            f"validations logged: {of.validations}; the curve says whether training is over from "
            f"{limit('FEWEST_VALIDATIONS'):.0f} on"
        )
    return lines
