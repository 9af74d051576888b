"""The callbacks of a classifier's run: its trajectories, its files for readers, and its end."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Callback, Trainer
from rich.console import Console
from torch import Tensor

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.callbacks.imbalance_report import write_classes
from lit_seg.callbacks.run_summary import RunSummary, rich_table
from lit_seg.checkpoints.first_step import AfterFirstStep
from lit_seg.classification.classifier import SHOWN, LitClassifier
from lit_seg.classification.image_evaluation import ImageScores
from lit_seg.classification.table import NONE
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.escape import markdown
from lit_seg.images.overlays import distinct_colours
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.losses.base import SegLoss
from lit_seg.metrics.scores import HITS, LABELLED, PREDICTED
from lit_seg.runs.layout import VAL_IMAGES
from lit_seg.runs.reader import COUNTS
from lit_seg.runs.records import EVERY, join_key
from lit_seg.runs.score_table import markdown_lines
from lit_seg.runs.summary import RunScores, run_scores

_ENDS = 5
"""How many of the best and of the worst classes a table shows, where it cannot show all."""


class ClassTrajectories(ClassDynamics):
    """Logs statistics of training steps per class, as in segmentation, and means of the groups.

    They are of the images and logits of the head that decides. With more than 50 classes there
    are the groups, the most and least frequent classes, and the ``watched`` ones of the model.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Start the sums of a step that will be logged; without training nothing is."""
        if pl_module.method.trains:
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)

    def is_recorded(self, loss: SegLoss) -> bool:
        """Always false: of several losses all would hand out what they find."""
        return False

    def loss_stats(self, pl_module: Any) -> dict[str, Tensor]:
        """The statistics of all losses; those of a loss that does not decide begin with ``g_``."""
        *others, decides = pl_module.method.losses()
        stats = dict(decides.class_stats())
        for loss in others:
            stats |= {f"g_{name}": values for name, values in loss.class_stats().items()}
        return stats

    def lines(self, pl_module: Any, values: Tensor) -> dict[str, float]:
        """The classes that are logged, and the mean over each group that has a value."""
        found = {pl_module.class_names[c]: values[c].item() for c in pl_module.logged_classes}
        if len(pl_module.class_names) > SHOWN:
            groups = {name: values[ids] for name, ids in pl_module.groups.items()}
            found |= {f"({name})": each.nanmean().item() for name, each in groups.items()}
        return found


class ImageReport(Callback):
    """Writes ``val_images.csv`` after each validation: what each image is, and is taken for.

    With more than 50 classes, of which few are metrics, ``val_recall.csv`` gets the recall of each.
    """

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Write the file, on the first rank."""
        tried = trainer.fast_dev_run  # type: ignore[attr-defined]
        if trainer.sanity_checking or tried or not trainer.is_global_zero:
            return
        if trainer.state.fn == "fit" or trainer.global_step:
            path = Path(trainer.default_root_dir) / VAL_IMAGES
            replace_text(path, image_table(pl_module.scores, pl_module.class_names))
        if trainer.state.fn == "fit" and len(pl_module.class_names) > SHOWN:
            pairs = zip(pl_module.class_names, pl_module.scores.per_class[1], strict=True)
            recalls = {join_key(EVERY, name): float(value) for name, value in pairs}
            for logger in trainer.loggers:
                if isinstance(logger, CSVLog):  # W&B would have a curve of each
                    logger.log_metrics(recalls, trainer.global_step - 1)


class ClassReport(AfterFirstStep):
    """Writes ``dataset.csv``: name and training images of each class, when training starts.

    Args:
        show: whether a line says how uneven the classes are.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Say how many classes are many, medium and few."""
        if not trainer.is_global_zero:
            return
        if not trainer.fast_dev_run and not trainer.ckpt_path:  # type: ignore[attr-defined]
            self._write(trainer, pl_module)
        if self.show:
            counts = pl_module.class_pixels
            sizes = ", ".join(f"{len(ids)} {name}" for name, ids in pl_module.groups.items())
            Console().out(
                f"{sum(counts)} training images of {len(counts)} classes, {max(counts)} to "
                f"{min(counts)} of each: {sizes} (rule {pl_module.hparams['rule']})",
                highlight=False,
            )

    def after_first_step(self, trainer: Trainer, pl_module: Any) -> None:
        """Write the file, because the data of a run that goes on may have changed."""
        if trainer.ckpt_path:
            self._write(trainer, pl_module)

    def _write(self, trainer: Trainer, module: LitClassifier) -> None:
        names, folder = module.class_names, Path(trainer.default_root_dir)
        write_classes(folder, names, module.class_pixels, distinct_colours(len(names)))


class ClassifierSummary(RunSummary):
    """Writes ``summary.json`` at the end of a run, and shows many, medium, few and the classes."""

    package = "lit_seg.classification"

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Print what is about to be trained."""
        if trainer.is_global_zero:
            parameters = list(pl_module.method.parameters())
            trained = sum(p.numel() for p in parameters if p.requires_grad)
            stage = f", stage one {pl_module.stage_one}" if pl_module.stage_one else ""
            options, losses = pl_module.hparams, ""
            if pl_module.method.trains:
                names = (type(loss).__name__ for loss in pl_module.method.losses())
                losses = f", losses {', '.join(names)}"
            Console().out(
                f"{options['method']} on {options['network']}, {trained} of "
                f"{sum(p.numel() for p in parameters)} parameters are trained{losses}{stage}, "
                f"run {trainer.default_root_dir}",
                highlight=False,
            )

    def scores_of(self, module: LitClassifier) -> RunScores:
        """The scores of the last validation."""
        assert module.scores is not None
        accuracy = module.scores.values["pixel_acc"]
        return run_scores(
            module.class_names, module.class_pixels, module.scores.per_class, accuracy
        )

    def show(self, scores: RunScores, title: str, path: Path, module: LitClassifier) -> None:
        """Write and print accuracies of groups and classes."""
        assert module.scores is not None
        show_accuracies(module, module.scores, title, path)


def image_table(scores: ImageScores, names: list[str]) -> str:
    """CSV in the layout of ``val_images.csv``, where an image is one pixel."""
    rows = []
    for image, true, predicted in scores.images:
        for c in dict.fromkeys((true, predicted)):
            is_true, is_predicted = int(c == true), int(c == predicted)
            rows.append((image, names[c], is_true, is_predicted, is_true * is_predicted))
    table = pd.DataFrame(rows, columns=["image", "class", *COUNTS])
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text


def show_accuracies(module: LitClassifier, scores: ImageScores, title: str, path: Path) -> None:
    """Write a table of accuracies as Markdown, and print it."""
    rows = _rows(module, scores)
    header = ("class", "training images", "images", "accuracy %", "precision %")
    lines = markdown_lines(header, [[*map(markdown, row)] for row in rows])
    replace_text(path, "\n".join([*lines, "", _line(scores), ""]))
    console = Console()
    console.print(rich_table(header, rows, title))
    console.print(_line(scores), soft_wrap=not console.is_terminal)


def _rows(module: LitClassifier, scores: ImageScores) -> list[tuple[str, ...]]:
    counts, recall, precision = scores.counts, scores.per_class[1], scores.per_class[2]
    ids = sorted(range(len(module.class_names)), key=lambda c: -module.class_pixels[c])
    if len(ids) > SHOWN:  # the worst and the best, and those that were asked for
        ranked = [int(c) for c in np.argsort(recall, kind="stable") if recall[c] == recall[c]]
        ids = list(dict.fromkeys([*ranked[:_ENDS], *ranked[-_ENDS:], *module.logged_classes]))

    def row(name: str, classes: list[int], accuracy: float, exact: float) -> tuple[str, ...]:
        train = sum(module.class_pixels[c] for c in classes)
        images = int(counts[classes, LABELLED].sum())
        return name, str(train), str(images), percent(accuracy), percent(exact)

    groups = [
        row(f"{name} ({len(group)})", group, scores.values[name], float("nan"))
        for name, group in module.groups.items()
    ]
    return groups + [row(module.class_names[c], [c], recall[c], precision[c]) for c in ids]


def _line(scores: ImageScores) -> str:
    return (
        f"accuracy {percent(scores.values['pixel_acc'])} %   "
        f"mean accuracy of classes {percent(scores.values['macc'])} %   "
        f"{len(scores.images)} images"
    )


def percent(share: float) -> str:
    """A share in percent; a dash for one that does not exist, such as of an empty group."""
    return f"{100 * share:.1f}" if share == share else NONE


def class_table(module: LitClassifier, scores: ImageScores) -> str:
    """CSV with a row per class: training images, and images of the scored set that are right."""
    columns = {"class": module.class_names, "train_images": module.class_pixels}
    for name, place in (("images", LABELLED), ("predicted", PREDICTED), ("hits", HITS)):
        columns[name] = scores.counts[:, place]
    text: str = pd.DataFrame(columns).to_csv(index=False, lineterminator="\n")
    return text
