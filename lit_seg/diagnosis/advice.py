"""What to do next: a command for each verdict, given the loss that was used."""

from dataclasses import dataclass, replace

from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.formatting import percent
from lit_seg.diagnosis.origin import Origin
from lit_seg.diagnosis.rules import below
from lit_seg.diagnosis.run_record import RunRecord

# Losses to try, in the order of docs/losses.md.
_FOR_MISSED_CLASSES = ("recall", "balanced_softmax", "wce")
_FOR_SMALL_MASKS = ("ce_dice", "pat", "lovasz")
_FOR_BOTH_ERRORS = ("ce_dice", "lovasz")

_TVERSKY = ("soft_tversky", "--model.loss.fp_weight 0.7 --model.loss.fn_weight 0.3")
_WITH_FEWER_FALSE_POSITIVES = {
    "recall": ("logit_adjustment", "--model.loss.tau 0.5"),
    "logit_adjustment": _TVERSKY,
    "ce": _TVERSKY,
    "soft_tversky": _TVERSKY,
}


@dataclass(frozen=True)
class Advice:
    """The next step.

    Attributes:
        loss: the loss to try next; "" where another loss is not what is needed.
        command: the command for it; "" if there is none.
        why: the reason.
        watch: what to look at afterwards.
        instead: what to do within the same length of training, for a run that cannot be judged yet.
    """

    loss: str
    command: str
    why: str
    watch: str
    instead: "Advice | None" = None


def advise(kind: str, run: RunRecord, evidence: Evidence) -> Advice:
    """The next step after a verdict."""
    origin = run.origin
    tail = evidence.groups.get("tail")
    match kind:
        case "too_few_pixels":
            data = origin.variables.get("DATA", "<name>")
            return Advice(
                "",
                f".venv/bin/python -m lit_seg data count {data} --split val",
                "validate on more images of the tail first; the command counts what there is",
                "images and pixels per tail class",
            )
        case "too_easy" if origin.plain:
            return Advice("", "", "keep cross-entropy", "the classes that are still low")
        case "too_easy":
            return Advice(
                "ce",
                origin.train("ce"),
                "cross-entropy may be as good here; compare both runs by --against",
                "mean accuracy and mean IoU of both",
            )
        case "not_converged" if origin.plain:
            return replace(_train_longer(run), instead=_strengthen(origin))
        case "too_hard" if origin.plain and evidence.rise != evidence.rise:
            # A model that has hardly begun to learn looks like one that is too weak.
            return _train_longer(run)
        case "not_converged" | "too_hard":
            return _strengthen(origin)
        case "flooded":
            assert tail is not None
            loss, options = _WITH_FEWER_FALSE_POSITIVES.get(origin.loss, ("recall", ""))
            return Advice(
                loss,
                origin.train(loss, options),
                "it weighs false positives more than misses; similar classes may be the cause too"
                if origin.plain
                else "it favours rare classes less",
                f"whether tail precision (now {percent(tail.precision)}) rises while tail recall "
                f"(now {percent(tail.recall)}) holds",
            )
        case "small_masks":
            return _next_loss(run, evidence, _FOR_SMALL_MASKS, "it weighs small masks like large")
        case "imbalance" if not origin.plain and tail and below(tail.precision, "FLOODED"):
            return _next_loss(
                run,
                evidence,
                _FOR_BOTH_ERRORS,
                "tail precision is low already, and an overlap counts misses and false positives",
            )
        case "imbalance":
            return _next_loss(
                run, evidence, _FOR_MISSED_CLASSES, "it gives more weight to missed classes"
            )
    return Advice(
        "",
        "",
        "keep this loss; look at the classes with the lowest IoU, and at pictures of them",
        "mean IoU of a larger model or with more data",
    )


def _train_longer(run: RunRecord) -> Advice:
    options = "--trainer.max_epochs <twice as many>"
    if run.origin.epochs:
        options = f"--trainer.max_epochs {2 * run.origin.epochs}"
    elif run.origin.steps:
        options = f"--trainer.max_epochs -1 --trainer.max_steps {2 * run.origin.steps}"
    return Advice(
        "",
        f'make train RESUME={run.folder} ARGS="{options}"',
        "train twice as long first, then diagnose again",
        "overall accuracy and head recall: whether frequent classes are learned at all",
    )


def _strengthen(origin: Origin) -> Advice:
    watch = "overall accuracy and head recall: the tail matters only when they are high"
    if not origin.plain:
        why = "see first what cross-entropy reaches, since this loss may have cost the accuracy"
        return Advice("ce", origin.train("ce"), why, watch)
    loss = origin.loss or "ce"
    if origin.pretrained is False:
        why = "pretrained weights, a larger model, more data or larger images, not another loss"
        return Advice("", origin.train(loss, WEIGHTS="imagenet"), why, watch)
    why = "a larger model, more data or larger images, not another loss"
    return Advice("", origin.train(loss, MODEL="deeplabv3_resnet101"), why, watch)


def _next_loss(run: RunRecord, evidence: Evidence, losses: tuple[str, ...], why: str) -> Advice:
    """The first of some losses, or the one after the loss that was used."""
    tail = evidence.groups.get("tail")
    now = f" (now {percent(tail.precision)})" if tail else ""
    watch = f"tail precision{now}: a loss that favours rare classes lowers it"
    used = run.origin.loss
    place = losses.index(used) + 1 if used in losses else 0
    if place < len(losses):
        return Advice(losses[place], run.origin.train(losses[place]), why, watch)
    return Advice(
        "",
        "",
        f"no loss after {', '.join(losses)} is known to help: show rare classes more often "
        "(docs/datasets.md), label more of them, or train on larger images",
        watch,
    )
