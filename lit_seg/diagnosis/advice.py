"""Advises what to do next: a command for each verdict, given the loss that was used."""

import shlex
from dataclasses import dataclass, replace
from math import isnan

from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.number_text import percent
from lit_seg.diagnosis.rules import below, limit
from lit_seg.diagnosis.run_record import RunRecord
from lit_seg.runs.layout import program

# The losses to try, in the order of docs/losses.md.
_FOR_MISSED_CLASSES = ("recall", "balanced_softmax", "wce")
_FOR_SMALL_MASKS = ("ce_dice", "pat", "lovasz")
_FOR_BOTH_ERRORS = ("ce_dice", "lovasz")

_TVERSKY = ("soft_tversky", "--model.loss.fp_weight 0.7 --model.loss.fn_weight 0.3")
_FOR_FALSE_POSITIVES = {
    "recall": ("logit_adjustment", "--model.loss.tau 0.5"),
    **dict.fromkeys(("logit_adjustment", "ce", "soft_tversky"), _TVERSKY),
}


@dataclass(frozen=True)
class Advice:
    """The next step, and why."""

    why: str
    watch: str  # what to look at afterwards
    command: str = ""
    loss: str = ""  # the loss to try next, if another loss is what is needed
    instead: "Advice | None" = None  # within the same budget, for a run that cannot be judged yet


def advise(kind: str, run: RunRecord, evidence: Evidence) -> Advice:
    """Choose the next step after a verdict."""
    origin, tail, rare = run.origin, evidence.tail, run.words.rare
    precision = percent(tail.precision)
    if kind == "hardly_trained":
        return _train_on(run)
    if kind == "too_few_pixels" and origin.classifies:
        return Advice(f"validate on more {rare} images first", f"images per {rare} class")
    if kind == "too_few_pixels":
        data = shlex.quote(origin.variables.get("DATA", "<name>"))
        return Advice(
            "validate on more images of the tail first; the command counts what there is",
            "images and pixels per tail class",
            f"{program('python')} -m lit_seg data count {data} --split val",
        )
    if kind == "too_easy" and origin.plain:
        return Advice("keep cross-entropy", "the classes that are still low")
    if kind == "too_easy":
        why = "cross-entropy may be as good here; compare the runs by --against"
        return Advice(why, "mean accuracy and mean IoU of both", origin.train("ce"), "ce")
    if kind in ("not_converged", "too_hard") and not origin.plain:
        why = "see first what cross-entropy reaches, since this loss may have cost the accuracy"
        return Advice(why, _learned(run), origin.train("ce"), "ce")
    if kind == "not_converged":
        return replace(_train_longer(run), instead=_strengthen(run))
    if kind == "too_hard":
        # A model that has hardly begun to learn looks like one that is too weak.
        return _train_longer(run) if isnan(evidence.rise) else _strengthen(run)
    if kind == "flooded":
        loss, options = _FOR_FALSE_POSITIVES.get(origin.loss, ("recall", ""))
        why = "it favours rare classes less"
        if origin.plain:
            why = "it weighs false positives more than misses; similar classes may be a cause too"
        watch = (
            f"whether {rare} precision (now {precision}) rises and {rare} recall (now "
            f"{percent(tail.recall)}) holds"
        )
        return Advice(why, watch, origin.train(loss, options), loss)
    if kind == "no_bottleneck":
        why = "keep this loss; look at the classes with the lowest IoU, and at pictures of them"
        return Advice(why, "mean IoU of a larger model or with more data")
    losses: tuple[str, ...] = _FOR_MISSED_CLASSES
    why = "it gives more weight to what is missed"
    if kind == "small_masks":
        losses, why = _FOR_SMALL_MASKS, "it weighs small masks like large ones"
    elif not origin.plain and below(tail.precision, "FLOODED"):
        losses, why = _FOR_BOTH_ERRORS, "tail precision is low too, and it counts both errors"
    watch = f"{rare} precision (now {precision}): a loss that favours rare classes lowers it"
    place = losses.index(origin.loss) + 1 if origin.loss in losses else 0
    if place < len(losses):
        return Advice(why, watch, origin.train(losses[place]), losses[place])
    why = (
        f"no loss is left to try after {', '.join(losses)}: show rare classes more often "
        "(docs/datasets.md), label more of them, or train on larger images"
    )
    return Advice(why, watch)


def _train_on(run: RunRecord) -> Advice:
    why, command = "train to its end, then diagnose again", run.resume()
    if run.finished:
        epochs = max(2 * (run.origin.epochs or 0), int(limit("FEWEST_VALIDATIONS")))
        why = "train longer first, then diagnose again"
        command = run.resume(f"--trainer.max_steps -1 --trainer.max_epochs {epochs}")
    return Advice(why, _learned(run), command)


def _train_longer(run: RunRecord) -> Advice:
    options = f"--trainer.max_epochs {2 * (run.origin.epochs or 0)}"
    if not run.origin.epochs:
        steps = run.origin.steps or int(run.curve.index[-1]) + 1
        options = f"--trainer.max_epochs -1 --trainer.max_steps {2 * steps}"
    return Advice(
        "train twice as long first, then diagnose again",
        f"{run.words.overall} and {run.words.frequent} recall: whether they rise",
        run.resume(options),
    )


def _learned(run: RunRecord) -> str:
    words = run.words
    rest = f"{words.frequent} recall: the tail matters only when they are high"
    return f"{words.overall} and {rest}"


def _strengthen(run: RunRecord) -> Advice:
    origin = run.origin
    why, changed = "a larger model, more data or larger images", {"MODEL": "deeplabv3_resnet101"}
    if origin.classifies:  # MODEL is the method there
        return Advice(f"{why}: --model.network, --model.options; not another loss", _learned(run))
    if origin.pretrained is False:
        why, changed = f"pretrained weights, {why}", {"WEIGHTS": "imagenet"}
    command = origin.train(origin.loss or "ce", **changed)
    return Advice(f"{why}; not another loss", _learned(run), command)
