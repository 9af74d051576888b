"""The verdict: a list of rules, of which the first that holds decides."""

from dataclasses import dataclass
from typing import Literal

from lit_seg.diagnosis.advice import Advice, advise
from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.formatting import percent, points
from lit_seg.diagnosis.rules import below, exceeds, limit, reaches
from lit_seg.diagnosis.run_record import RunRecord

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
    "not_converged": "cannot tell yet: overall accuracy is low and the mean IoU still rises",
    "flooded": "partly: the tail is found, but with too many false positives",
    "too_hard": "no: the data is too hard for this model, or the model too weak",
    "imbalance": "yes: imbalance is the bottleneck",
    "small_masks": "partly: the tail is missed because its masks are small, not because it is rare",
    "no_bottleneck": "no: nothing here points at imbalance",
}

_SHOWN = 8  # names in a sentence


@dataclass(frozen=True)
class Verdict:
    """Whether imbalance is the bottleneck.

    Attributes:
        kind: which verdict it is.
        reasons: sentences with the numbers, the deciding one first.
        advice: what to do next.
        otherwise: what the remaining rules say of a run that cannot be judged yet.
        rising: a note on a run whose mean IoU still rises; "" for another.
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


def judge(run: RunRecord, evidence: Evidence) -> Verdict:
    """Apply the rules of ``docs/diagnose.md`` in their order."""
    plain = run.origin.plain
    kind = _first_that_holds(evidence, plain)
    reasons = _reasons(kind, evidence, plain)
    otherwise: Kind | None = None
    if kind == "not_converged":  # overall accuracy is low, so only time tells it from this
        otherwise = "too_hard"
        reasons += [f"as it stands now, {HEADLINES[otherwise]}"]
        reasons += _reasons(otherwise, evidence, plain)
    return Verdict(
        kind,
        (*reasons, *_remarks(evidence)),
        advise(kind, run, evidence),
        otherwise,
        _rising(evidence),
    )


def _first_that_holds(of: Evidence, plain: bool) -> Kind:
    tail = of.groups.get("tail")
    few_pixels = of.tail_measured is not None and below(
        of.tail_measured[0] / of.tail_measured[1], "ENOUGH_OF_TAIL"
    )
    hard = below(of.overall, "HIGH_OVERALL_ACCURACY")
    flooded = (
        tail is not None and reaches(tail.recall, "FOUND") and below(tail.precision, "FLOODED")
    )
    imbalanced = reaches(of.accuracy_gap, "LARGE_ACCURACY_GAP") and (
        tail is None or reaches(of.tail_gap, "LARGE_TAIL_GAP")
    )
    small = of.sizes is not None and of.sizes.cause == "smallness"
    rules: list[tuple[Kind, bool]] = [
        ("too_few_pixels", few_pixels),
        ("too_easy", exceeds(of.mean, "EASY_MEAN_ACCURACY")),
        # A loss that favours rare classes lowers overall accuracy itself, so it is asked first.
        ("flooded", flooded and not plain),
        ("not_converged", hard and reaches(of.rise, "STILL_RISING")),
        ("too_hard", hard),
        ("flooded", flooded),
        ("small_masks", imbalanced and small),
        ("imbalance", imbalanced),
        ("no_bottleneck", True),
    ]
    return next(kind for kind, holds in rules if holds)


def _reasons(kind: Kind, of: Evidence, plain: bool) -> list[str]:
    """The numbers that decided."""
    head, tail = of.groups.get("head"), of.groups.get("tail")
    gap = f"mean accuracy {percent(of.mean)} is {points(of.accuracy_gap)} below"
    match kind:
        case "too_few_pixels":
            enough, number = of.tail_measured or (0, 0)
            classes = (
                f"{name} has {pixels} pixels in {images} images"
                for name, (images, pixels) in of.labelled.items()
                if of.group_of[name] == "tail"
            )
            return [
                f"{enough} of {number} tail classes have at least {limit('FEWEST_PIXELS'):.0f} "
                f"labelled pixels in at least {limit('FEWEST_IMAGES'):.0f} images, and half of "
                f"them must: {', '.join(classes)}"
            ]
        case "too_easy":
            return [
                f"mean accuracy {percent(of.mean)} is above "
                f"{percent(limit('EASY_MEAN_ACCURACY'))}: no loss can find much more"
            ]
        case "not_converged":
            return ["mean IoU still rises, so frequent classes may still be learned"]
        case "too_hard":
            reasons = [
                f"overall accuracy {percent(of.overall)} is below "
                f"{percent(limit('HIGH_OVERALL_ACCURACY'))}: frequent classes are not learned"
            ]
            if head:
                reasons[0] += f" (head recall {percent(head.recall)})"
            if not plain:
                reasons.append(
                    "a loss that favours rare classes lowers overall accuracy too; a run with "
                    "LOSS=ce tells which it is"
                )
            if of.rise != of.rise:
                reasons.append("or training was too short: there are too few validations to tell")
            return reasons
        case "flooded":
            assert tail is not None
            return [
                f"tail recall is {percent(tail.recall)}, tail precision {percent(tail.precision)}: "
                f"{percent(1 - tail.precision)} of the pixels predicted as tail are something else"
            ]
        case "imbalance" | "small_masks":
            reasons = [f"{gap} overall accuracy {percent(of.overall)}"]
            if head and tail:
                reasons.append(
                    f"recall falls with frequency: head {percent(head.recall)}, "
                    f"tail {percent(tail.recall)}"
                )
            return reasons + ([_size_reason(of)] if of.sizes else [])
        case "no_bottleneck":
            if not reaches(of.accuracy_gap, "LARGE_ACCURACY_GAP"):
                return [
                    f"{gap} overall accuracy {percent(of.overall)}, less than the "
                    f"{points(limit('LARGE_ACCURACY_GAP'))} of a large gap"
                ]
            lowest = sorted(of.per_class.items(), key=lambda pair: pair[1].recall)[:3]
            assert head is not None
            assert tail is not None
            return [
                f"{gap} overall accuracy {percent(of.overall)}, but not because of the tail: head "
                f"recall is {percent(head.recall)}, tail recall {percent(tail.recall)}; the lowest "
                f"are {', '.join(f'{name} {percent(scores.recall)}' for name, scores in lowest)}"
            ]


def _size_reason(of: Evidence) -> str:
    assert of.sizes is not None
    gaps = (
        f"in masks of equal size the tail's recall is {points(of.sizes.at_equal_size)} below that "
        f"of the others, in all masks {points(of.sizes.gap)}"
    )
    return {
        "rarity": f"rarity is the cause, not smallness: {gaps}",
        "smallness": f"smallness is the cause, not rarity: {gaps}",
        "both": f"rarity and smallness are both causes: {gaps}",
        "neither": "as a mean over masks the tail is found about as well as the other classes: "
        "its large masks are missed",
        "unknown": "rarity and smallness cannot be separated: only "
        f"{percent(of.sizes.compared)} of the tail's masks have a size that other classes have too",
    }[of.sizes.cause]


def _remarks(of: Evidence) -> list[str]:
    """What no rule uses and everyone wants to know."""
    lines = []
    if of.never_found:
        lines.append(f"never found: {_listed(of.never_found)}")
    if of.flooded:
        lines.append(f"found, but mostly false positives: {_listed(of.flooded)}")
    tail = of.groups.get("tail")
    if tail is not None and reaches(of.tail_in_training - tail.recall, "OVERFITTED"):
        lines.append(
            f"tail recall is {percent(of.tail_in_training)} in training and {percent(tail.recall)} "
            "in validation: no loss mends that; more images of the tail or more augmentation can"
        )
    if of.tail_gradient == of.tail_gradient:
        lines.append(f"the tail gets {percent(of.tail_gradient)} of the gradient at the end")
    if of.rise != of.rise:
        lines.append(
            f"{of.validations} validations were logged: at least "
            f"{limit('FEWEST_VALIDATIONS'):.0f} tell whether mean IoU still rises"
        )
    return lines


def _rising(of: Evidence) -> str:
    if not reaches(of.rise, "STILL_RISING"):
        return ""
    return (
        f"mean IoU still rises: over the last quarter of the {of.validations} validations it is "
        f"{points(of.rise)} above the quarter before ({points(limit('STILL_RISING'))} count as "
        "rising). The verdict holds for this length of training. A learning rate that falls to "
        "the end causes such a rise at any length, so it is no reason by itself to train longer"
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
