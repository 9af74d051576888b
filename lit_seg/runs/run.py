"""Finds runs in folders: their names, whether they finished, whether their files are whole."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.metrics.scores import (
    CLASS_STATS,
    STAT_NAMES,
    STATS,
    class_mean,
    class_scores,
    pixel_accuracy,
)
from lit_seg.runs.csv_rows import costs, logged_length, metrics
from lit_seg.runs.layout import COST, DATASET, METRICS, SUMMARY, VAL_IMAGES
from lit_seg.runs.reader import COUNTS, load_dataset, load_images, run_places
from lit_seg.runs.run_name import RunName, is_other_loss
from lit_seg.runs.summary import RunScores, Summary, read_summary, run_scores, same_length

# Options that differ between the runs of any comparison, name the method, or say where a run lies.
_OF_PLACE = re.compile(
    r"^(seed_everything|run_dir|trainer\.default_root_dir|ckpt_path|model\.loss(\..*)?|model\.(method|head_loss|stage_one)(\..*)?"
    r"|data\.init_args\.(root|folder|num_workers)|.*\.dirpath|rank_timeout|changed_data|trust(\..*)?)$"
)
_ROUNDING = 1e-4  # of a mean IoU: metrics are summed in single precision


@dataclass(frozen=True)
class Run(RunName):
    """One folder of a run."""

    path: Path
    name: str  # camvid/unet_resnet18/ce/seed0, with more of its path where runs share that
    attempt: int  # 1, or k of a folder seed0-k
    steps: int  # of the optimizer, done
    summary: Summary | None = field(compare=False, repr=False)  # None: not finished, or damaged
    # Options with dotted names, without the loss, the seed and where things lie.
    config: Mapping[str, str] = field(compare=False)
    damage: str  # which file of a finished run is damaged, and how; empty if none is
    # What a comparison calls each class, if not by its name; the scores have these names then.
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def finished(self) -> bool:
        """Whether the run finished; a damaged run does not count as finished."""
        return self.summary is not None

    @property
    def scores(self) -> RunScores:
        """The scores of a finished run."""
        assert self.summary is not None
        assert self.summary.scores is not None
        return self.summary.scores

    @property
    def versions(self) -> str:
        """The packages that the run used, such as ``torch==2.6``."""
        pairs = self.summary.versions.items() if self.summary else ()
        return ", ".join(f"{package}=={version}" for package, version in pairs)

    def stopped_early(self) -> str:
        """A sentence if the run finished before its options say; else empty."""
        done = self.summary.stopped_early() if self.summary else ""
        sentence = f"{self.name} finished after {done} of its configuration: it was stopped early"
        return sentence if done else ""

    def misnamed(self) -> str:
        """A sentence if the folder has the name of another loss than was trained; else empty."""
        trained = self.summary.options.get("model.loss.class_path") if self.summary else None
        if not trained or not is_other_loss(self.loss, str(trained)):
            return ""
        return f"**{self.name} was trained with {trained}**, another loss than its folder says"


def find_runs(sources: Sequence[str | Path]) -> list[Run]:
    """Find every run in or below the folders, in an order that does not depend on their place."""
    runs = [_run(folder, name, key) for key, (folder, name) in run_places(sources).items()]
    return sorted(runs, key=lambda run: (run.name, run.steps, str(run.path)))


def _run(folder: Path, name: RunName, key: str) -> Run:
    """Read what a folder says about its run, without its log."""
    summary, damage, steps = None, "", 0
    try:
        steps, _ = logged_length(folder / METRICS)
        if summary := read_summary(folder):
            _check_files(folder, summary, steps)
            steps = summary.steps
    except RunError as error:
        summary, damage = None, str(error).replace(f"{folder}/", "")
    attempt = folder.name.partition("-")[2]
    options = summary.options if summary else {}
    return Run(
        **vars(name),
        path=folder,
        name=key,
        attempt=int(attempt) if attempt.isdigit() else 1,
        steps=steps,
        summary=summary,
        config={key: str(value) for key, value in options.items() if not _OF_PLACE.match(key)},
        damage=damage,
    )


def _check_files(folder: Path, summary: Summary, steps: int) -> None:
    """Raise ``RunError`` if a file of a finished run cannot be read or contradicts another."""
    if summary.scores is None:
        raise RunError(
            f"{folder / SUMMARY}: holds no scores, the run was never validated; train one with "
            "validations"
        )
    costs(folder / COST)
    known = (folder / DATASET).is_file()
    if known and (problem := wrong_pixels(load_dataset(folder), summary.scores)):
        raise RunError(f"{folder}/{problem}")
    log = metrics(folder / METRICS, ["val"])
    if steps < summary.steps and not same_length(steps, summary.steps):
        raise RunError(
            f"{folder / METRICS}: is cut, it ends after {steps} of {summary.steps} steps"
        )
    if not (folder / VAL_IMAGES).is_file():
        return
    images = load_images([folder])
    logged = log[log["stat"] == "val/miou"].sort_values("step")["value"].to_numpy()
    if len(logged) and (problem := contradiction(images, logged[-1])):
        raise RunError(f"{folder}/{problem}")
    if problem := wrong_scores(images, summary.scores):
        raise RunError(f"{folder}/{problem}")


def contradiction(images: pd.DataFrame, logged: float) -> str:
    """What is wrong if the counts of images do not give the mean IoU of the log; "" if they do.

    A logged NaN, which is undefined, contradicts nothing.
    """
    counted = float(class_mean(class_scores(_sums(images).to_numpy())[0]))
    if logged != logged or abs(counted - logged) < _ROUNDING:
        return ""
    return (
        f"{VAL_IMAGES}: its mean IoU is {100 * counted:.1f} %, that of the last validation in "
        f"{METRICS} {100 * logged:.1f} %: one of the two files is cut or of another run"
    )


def wrong_pixels(dataset: pd.DataFrame, scores: RunScores) -> str:
    """What is wrong if ``dataset.csv`` has other classes or pixels than a summary, or ""."""
    ours = dataset.set_index("class")["train_pixels"].to_dict()
    theirs = {name: row["train_pixels"] for name, row in scores.classes.items()}
    if list(ours.items()) == list(theirs.items()):
        return ""
    return (
        f"{DATASET}: its classes or their training pixels are not those in {SUMMARY}: one of the "
        "two files is cut, changed or of another run"
    )


def wrong_scores(images: pd.DataFrame, scores: RunScores) -> str:
    """The first score of a summary that the counts of images do not give; "" if they give all."""
    sums = _sums(images).reindex(list(scores.classes), fill_value=0).to_numpy()
    pixels = scores.column("train_pixels").astype(int).tolist()
    pixel_acc = float(pixel_accuracy(sums))
    counted = run_scores(list(scores.classes), pixels, class_scores(sums), pixel_acc)
    pairs = [(STAT_NAMES[stat], counted.overall[stat], scores.overall[stat]) for stat in STATS]
    for name, row in scores.classes.items():
        ours = counted.classes[name]
        pairs += [(f"{stat} of {name}", ours[stat], row[stat]) for stat in CLASS_STATS]
    for what, our, their in pairs:
        both = our == our and their == their
        if abs(our - their) > _ROUNDING if both else our == our or their == their:
            return (
                f"{VAL_IMAGES}: its {what} is {100 * our:.1f} %, that in {SUMMARY} "
                f"{100 * their:.1f} %: one of the two files is cut, changed or of another run"
            )
    return ""


def _sums(images: pd.DataFrame) -> pd.DataFrame:
    """Pixels of each class over all images."""
    return images.groupby("class")[COUNTS].sum()
