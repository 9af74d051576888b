"""What to do next: a command for each verdict, given the loss that was used, and what to watch."""

from dataclasses import dataclass, replace

from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.formatting import percent
from lit_seg.diagnosis.origin import Origin
from lit_seg.diagnosis.reading import RunFiles
from lit_seg.diagnosis.rules import below

# In the order in which docs/losses.md says to try them.
_MISSED = ("recall", "balanced_softmax", "wce")
_SMALL = ("ce_dice", "pat", "lovasz")
_BOTH_ERRORS = ("ce_dice", "lovasz")
_MILDER = {
    "recall": ("logit_adjustment", "--model.loss.tau 0.5"),
    "logit_adjustment": ("soft_tversky", "--model.loss.fp_weight 0.7 --model.loss.fn_weight 0.3"),
    "ce": ("soft_tversky", "--model.loss.fp_weight 0.7 --model.loss.fn_weight 0.3"),
    "soft_tversky": ("soft_tversky", "--model.loss.fp_weight 0.7 --model.loss.fn_weight 0.3"),
}


@dataclass(frozen=True)
class Advice:
    """What to do next.

    Attributes:
        loss: to try next; "" where another loss is not what is needed.
        command: that does it.
        why: in a line.
        watch: what to look at afterwards.
        instead: of a run that cannot be judged yet: what to do within the same length.
    """

    loss: str
    command: str
    why: str
    watch: str
    instead: "Advice | None" = None


def advise(kind: str, otherwise: str | None, run: RunFiles, evidence: Evidence) -> Advice:
    """The next step after a verdict."""
    origin = run.origin
    if kind == "too_few_pixels":
        data = origin.variables.get("DATA", "<name>")
        return Advice(
            "",
            f".venv/bin/python -m lit_seg data count {data} --split val",
            "validate on more images of the tail first; this counts what there is",
            "images and pixels per tail class, as above",
        )
    if kind == "too_easy":
        if origin.plain:
            return Advice("", "", "keep cross-entropy", "classes that are still low, by name")
        return Advice(
            "ce",
            origin.train("ce"),
            "cross-entropy may be as good here; compare it by --against",
            "mean accuracy and mean IoU of both",
        )
    if kind == "not_converged":
        if not origin.plain:  # cross-entropy tells more than a longer run of this loss
            return _stronger(origin)
        instead = advise(otherwise, None, run, evidence) if otherwise else None
        return replace(_longer(run), instead=instead)
    if kind == "too_hard":
        # a model that has hardly begun looks like one that is too weak
        unknown = origin.plain and evidence.rise != evidence.rise
        return _longer(run) if unknown else _stronger(origin)
    if kind == "flooded":
        return _milder(origin, evidence)
    if kind == "small_masks":
        return _up(origin, evidence, _SMALL, "it weighs small masks like large ones")
    if kind == "imbalance":
        return _push(origin, evidence)
    return Advice(
        "",
        "",
        "keep this loss; look at the classes with the lowest IoU, and at pictures of them",
        "mean IoU of a larger model or of more data",
    )


def _longer(run: RunFiles) -> Advice:
    origin = run.origin
    options = "--trainer.max_epochs <twice as many>"
    if origin.epochs:
        options = f"--trainer.max_epochs {2 * origin.epochs}"
    elif origin.steps:
        options = f"--trainer.max_epochs -1 --trainer.max_steps {2 * origin.steps}"
    return Advice(
        "",
        f'make train RESUME={run.folder} ARGS="{options}"',
        "twice as long first, then diagnose again",
        "overall accuracy and head recall: whether frequent classes are learned at all",
    )


def _stronger(origin: Origin) -> Advice:
    loss = origin.loss or "ce"
    watch = "overall accuracy and head recall: only when they are high does the tail matter"
    if not origin.plain:
        why = "see first what cross-entropy reaches, since this loss may have cost the accuracy"
        return Advice("ce", origin.train("ce"), why, watch)
    if origin.pretrained is False:
        why = "a better start, a larger model, more data or larger images; not another loss"
        return Advice("", origin.train(loss, WEIGHTS="imagenet"), why, watch)
    why = "a larger model, more data or larger images; not another loss"
    return Advice("", origin.train(loss, MODEL="deeplabv3_resnet101"), why, watch)


def _milder(origin: Origin, evidence: Evidence) -> Advice:
    loss, options = _MILDER.get(origin.loss, ("recall", ""))
    return Advice(
        loss,
        origin.train(loss, options),
        "less push on rare classes"
        if not origin.plain
        else "false positives made dearer than misses; confused classes may be the cause",
        f"tail precision (now {percent(evidence.groups['tail'].precision)}) while tail recall "
        f"(now {percent(evidence.groups['tail'].recall)}) holds",
    )


def _push(origin: Origin, evidence: Evidence) -> Advice:
    tail = evidence.groups.get("tail")
    if not origin.plain and tail is not None and below(tail.precision, "FLOODED"):
        why = "its precision is low already, so no more push: overlap counts both errors"
        return _up(origin, evidence, _BOTH_ERRORS, why)
    return _up(origin, evidence, _MISSED, "more weight for what is missed")


def _up(origin: Origin, evidence: Evidence, ladder: tuple[str, ...], why: str) -> Advice:
    """The first loss of a ladder, or the one after the loss that was used."""
    at = ladder.index(origin.loss) + 1 if origin.loss in ladder else 0
    tail = evidence.groups.get("tail")
    watch = "tail precision: it is what such a loss pays with"
    if tail is not None and tail.precision == tail.precision:
        watch = f"tail precision (now {percent(tail.precision)}): it is what such a loss pays with"
    if at == len(ladder):
        return Advice(
            "",
            "",
            f"{', '.join(ladder)} is as far as losses go: show rare classes more often "
            "(docs/datasets.md), label more of them, or train on larger images",
            watch,
        )
    return Advice(ladder[at], origin.train(ladder[at]), why, watch)
