"""``python -m lit_seg.classification fit``: the command line of segmentation, for classifiers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.cli import LightningArgumentParser
from rich.console import Console

from lit_seg.callbacks.cost import Cost
from lit_seg.checkpoints.best_and_last import BestCheckpoint, LastCheckpoint
from lit_seg.classification.classifier import LitClassifier
from lit_seg.classification.data import DATASETS, ImageDataModule
from lit_seg.classification.run_files import (
    ClassifierSummary,
    ClassReport,
    ClassTrajectories,
    ImageReport,
    class_table,
    image_table,
    show_accuracies,
)
from lit_seg.classification.table import LAST, SCORES
from lit_seg.cli.lightning_cli import LitSegCLI
from lit_seg.cli.main import main as run
from lit_seg.cli.reach import OWN
from lit_seg.files.atomic_io import replace_text
from lit_seg.runs.layout import EVALUATION, VAL_IMAGES, numbered
from lit_seg.runs.summary import json_text, versions


class ClassifierCLI(LitSegCLI):
    """The command line of segmentation with the parts of classification.

    A run that is named is scored with the weights of its last step: which weights are scored is
    then not chosen by the images that score them.
    """

    module = LitClassifier
    data = ImageDataModule
    datasets = DATASETS
    callbacks: ClassVar[Mapping[str, type[Callback]]] = {
        "best_checkpoint": BestCheckpoint,
        "last_checkpoint": LastCheckpoint,
        "class_dynamics": ClassTrajectories,
        "cost": Cost,
        "validation_report": ImageReport,
        "class_report": ClassReport,
        "run_summary": ClassifierSummary,
    }
    own = (*OWN, "lit_seg.classification")
    program = "python -m lit_seg.classification"
    scored_checkpoint = "last"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.add_argument(
            "--test_at_end",
            type=bool,
            default=False,
            help="Score the test images too when a training has ended, with its last weights.",
        )

    def add_scoring(self, parser: LightningArgumentParser) -> None:
        """Add nothing: images are scored in one way."""

    def score_by_options(self) -> None:
        """Do nothing: images are scored in one way."""

    def after_fit(self) -> None:
        """End the run as in segmentation, then score the test images if that is asked for."""
        super().after_fit()
        if self.config.fit.test_at_end and not self.config.fit.trainer.fast_dev_run:
            self.trainer.loggers = []  # `metrics.csv` is of the training
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
            write_evaluation(self.trainer, self.model, "test", LAST)

    def after_validate(self) -> None:
        """Write and show what the validation found."""
        name = Path(str(self.trainer.ckpt_path)).name
        write_evaluation(self.trainer, self.model, "val", name)

    def after_test(self) -> None:
        """Write and show what the test found."""
        name = Path(str(self.trainer.ckpt_path)).name
        write_evaluation(self.trainer, self.model, "test", name)


def write_evaluation(trainer: Trainer, module: LitClassifier, split: str, checkpoint: str) -> None:
    """Write what the last pass over the ``split`` found, and show it, on the first rank."""
    if not trainer.is_global_zero or module.scores is None:
        return
    run_folder = Path(trainer.default_root_dir)
    folder = numbered(run_folder / EVALUATION / split)
    folder.mkdir(parents=True)
    replace_text(folder / VAL_IMAGES, image_table(module.scores, module.class_names))
    replace_text(folder / "classes.csv", class_table(module, module.scores))
    limit = getattr(trainer, f"limit_{split}_batches")
    title = f"{split} scores of {checkpoint}"
    show_accuracies(module, module.scores, title, folder / "table.md")
    content = {
        "split": split,
        "checkpoint": checkpoint,
        "rule": module.hparams["rule"],
        "scores": dict(module.scores.values),
        "images": len(module.scores.images),
        "whole": isinstance(limit, float) and limit == 1,  # an integer is a number of batches
        "versions": versions(),
    }
    replace_text(folder / SCORES, json_text(content))  # last: who finds it finds all
    Console().out(f"files        {folder}", highlight=False)


class _Check(ClassifierCLI):
    """Makes data and model of a training, which refuse what does not fit, and trains nothing."""

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        return SimpleNamespace(fit=lambda **_: None)

    def after_fit(self) -> None:
        """Do nothing: nothing was trained."""


def check(args: Sequence[str]) -> int:
    """Refuse what the options of ``fit`` would be refused for, and return the exit code."""
    return run(args, _Check)


def main(args: Sequence[str] | None = None) -> int:
    """Run ``fit``, ``validate`` or ``test`` and return its exit code."""
    return run(args, ClassifierCLI)
