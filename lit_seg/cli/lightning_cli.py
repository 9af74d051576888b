"""Extends LightningCLI for one run: its folder, loggers, callbacks and checkpoint."""

import json
import os
import sys
from argparse import SUPPRESS, ArgumentError
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import yaml
from jsonargparse.typing import PositiveFloat
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.cli import (
    LightningArgumentParser,
    LightningCLI,
    ReduceLROnPlateau,
    SaveConfigCallback,
)
from pytorch_lightning.loggers import Logger

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.callbacks.cost import Cost
from lit_seg.callbacks.imbalance_report import ImbalanceReport
from lit_seg.callbacks.progress import ProgressLines, ProgressOnTerminal
from lit_seg.callbacks.run_summary import RunSummary
from lit_seg.callbacks.validation_report import ValidationReport
from lit_seg.checkpoints.best_and_last import BestCheckpoint, LastCheckpoint
from lit_seg.checkpoints.checkpoint_files import check_length, find_checkpoint
from lit_seg.checkpoints.checkpoint_io import AtomicCheckpointIO, NoCheckpoints
from lit_seg.checkpoints.exact_resume import ExactResume
from lit_seg.checkpoints.first_step import AfterFirstStep
from lit_seg.checkpoints.lightning_private import set_logged_step
from lit_seg.cli.commands import SCORERS, TRAINER_COMMANDS
from lit_seg.cli.commands.run_command import near_option
from lit_seg.cli.evaluated import write_evaluation
from lit_seg.cli.option_checks import check_callbacks, check_options
from lit_seg.cli.reach import OWN, check_reach
from lit_seg.config.parse_errors import explain
from lit_seg.data import DATASETS, SegDataModule
from lit_seg.distributed.rank_timeout import check_ranks, is_first_rank, trainer_options
from lit_seg.distributed.stop_signal import StopSignal
from lit_seg.distributed.torch_private import cpu_multiplies_bfloat16
from lit_seg.errors import LitSegError, RunError
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.yaml_file import parse_yaml, read_yaml
from lit_seg.inference.prior import read_tau
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.loggers.run_loggers import run_loggers
from lit_seg.runs import layout
from lit_seg.tasks import LitSegmenter
from lit_seg.tasks.scoring import Scoring

# a default of Lightning's may be the member of an enumeration, which YAML does not know
yaml.SafeDumper.add_multi_representer(Enum, lambda dumper, one: dumper.represent_data(one.value))

# jsonargparse passes over classes within functions, so that the short name means torch's alone
ReduceLROnPlateau.__qualname__ = "cli.<locals>.ReduceLROnPlateau"

CALLBACKS = {
    "best_checkpoint": BestCheckpoint,
    "last_checkpoint": LastCheckpoint,
    "class_dynamics": ClassDynamics,
    "cost": Cost,
    "validation_report": ValidationReport,
    "imbalance_report": ImbalanceReport,
    "run_summary": RunSummary,
}


class RunConfig(SaveConfigCallback, AfterFirstStep):
    """Writes ``config.yaml`` and the command into the run's folder, and the former to W&B.

    It waits for the first step: a resumed run that cannot go on must keep the configuration it had.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lightning would write here; :meth:`after_first_step` does instead."""

    def after_first_step(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the configuration without the path of a checkpoint."""
        config = deepcopy(self.config)
        config.ckpt_path = None  # the run can be repeated from its config, not only resumed
        config.changed_data = "refuse"  # the next change must be accepted too
        text = self.parser.dump(config, skip_none=False)
        folder = Path(trainer.default_root_dir)
        if trainer.ckpt_path is None:  # what was added since is in the configuration alone
            replace_text(folder / layout.COMMAND, json.dumps(sys.argv[1:]) + "\n")
        replace_text(folder / layout.CONFIG, text)
        for logger in trainer.loggers:
            logger.log_hyperparams(parse_yaml(text))


class LitSegCLI(LightningCLI):
    """LightningCLI with a run folder, this project's loggers and callbacks, and data-model links.

    The class counts and class names of the data are passed on to the model. A subclass trains
    another kind of model, on other data and with other callbacks.
    """

    module: ClassVar[type[LightningModule]] = LitSegmenter
    data: ClassVar[type[LightningDataModule]] = SegDataModule
    callbacks: ClassVar[Mapping[str, type[Callback]]] = CALLBACKS
    datasets: ClassVar[Mapping[str, type]] = DATASETS
    facts: ClassVar[Sequence[str]] = ("class_counts", "class_names", "data_format")
    """What the model takes from the data."""
    own: ClassVar[Sequence[str]] = OWN
    """Packages of this project whose classes a configuration may name."""
    program = "python -m lit_seg"
    """The program whose commands these are."""
    scored_checkpoint = "best"
    """The checkpoint of a run that is scored if only the run is named."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with ExitStack() as self._held:  # Lightning runs the whole command here
            super().__init__(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "LitSegCLI":
        """Return the object itself: averaging weights copies all that the module can reach."""
        return self

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Describe only the command that is asked for, because each takes a while."""
        every = LightningCLI.subcommands()
        asked = TRAINER_COMMANDS.keys() & sys.argv[1:2]
        return {name: every[name] for name in asked or TRAINER_COMMANDS}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        # `main` prints the error; a name that is cut short may be a mistake for another one
        return super().init_parser(
            prog=self.program, exit_on_error=False, allow_abbrev=False, **kwargs
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        self._command_parser = parser  # of the last command; all commands have these options
        parser.add_argument(
            "--run_dir",
            type=str,
            default="runs/run",
            help="Folder of the run; `fit` appends a number if the folder already holds a run.",
        )
        parser.add_argument(
            "--rank_timeout",
            type=PositiveFloat,
            default=300,
            help="Seconds after which a rank that waits for another ends the job. What a rank does "
            "alone must fit: slow loading, a checkpoint, one more validation batch.",
        )
        parser.add_argument(
            "--changed_data",
            type=Literal["refuse", "accept"],
            default="refuse",
            help="What `fit --resume` does if the images or labels are not those of the run.",
        )
        # runs of earlier versions have it in their configuration
        parser.add_argument("--prediction_writer", type=Any, default=None, help=SUPPRESS)
        for key, callback in self.callbacks.items():
            parser.add_lightning_class_args(callback, key)
        if sys.argv[1:2] and sys.argv[1] in SCORERS:  # one command is described at a time
            self.add_scoring(parser)
        for fact in self.facts:
            parser.link_arguments(f"data.{fact}", f"model.{fact}", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    def add_scoring(self, parser: LightningArgumentParser) -> None:
        """Add the options by which `validate` and `test` score."""
        parser.add_class_arguments(Scoring, None)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the arguments; an error on an unknown option names the one that may be meant."""
        try:
            super().parse_arguments(parser, args)
        except ArgumentError as error:
            error.message += near_option(error.message, self._command_parser)
            raise

    def _parse_ckpt_path(self) -> None:
        """Do nothing, where Lightning lets the checkpoint's hyperparameters override the user's.

        The run's ``config.yaml`` holds the same hyperparameters and is read first.
        """

    def after_fit(self) -> None:
        """Validate the final weights if training ended between two validations."""
        if not self.trainer.global_step:
            raise RunError(
                f"{self.trainer.default_root_dir}: no step was trained; `trainer.max_epochs`, "
                "`max_steps`, `max_time` or `limit_train_batches` leave none"
            )
        folder, tried = Path(self.trainer.default_root_dir), self.config.fit.trainer.fast_dev_run
        if self.trainer.is_global_zero and not tried and not (folder / layout.CONFIG).exists():
            raise RunError(f"{folder}: was removed while the run wrote into it; train it anew")
        if self.model.needs_scoring:
            step = self.trainer.global_step - 1  # steps are counted from 0
            logs = [lg for lg in self.trainer.loggers if isinstance(lg, CSVLog)]
            if any(log.has_scores_of(step) for log in logs):
                self.trainer.loggers = []  # a finished run was resumed; only its summary is missing
            set_logged_step(self.trainer, step)
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)

    def after_validate(self) -> None:
        """Write and show what the validation found."""
        write_evaluation(self.trainer, self.model, self.datamodule, "val")

    def after_test(self) -> None:
        """Write and show what the test found."""
        write_evaluation(self.trainer, self.model, self.datamodule, "test")

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        check_options(config, {"data", "model", "trainer", *self.callbacks})
        name_own_data(config)
        config.run_dir = os.path.expanduser(config.run_dir)  # as the trainer does
        fits = self.subcommand == "fit"
        if config.ckpt_path is None and fits:
            config.run_dir = str(layout.free_folder(Path(config.run_dir)))
        layout.check_folders(Path(config.run_dir))
        if fits and is_first_rank():
            layout.check_files(Path(config.run_dir))
            self._held.enter_context(layout.hold_run(Path(config.run_dir)))
        if config.ckpt_path is not None:
            checkpoint = find_checkpoint(
                Path(config.ckpt_path), "last" if fits else self.scored_checkpoint
            )
            if fits:
                check_length(checkpoint, config.trainer.max_epochs, config.trainer.max_steps)
            config.ckpt_path = str(checkpoint)
        elif not fits:
            raise run_is_missing(self.subcommand)
        config.trainer.default_root_dir = config.run_dir
        for key in ("best_checkpoint", "last_checkpoint"):
            config[key].dirpath = str(Path(config.run_dir) / layout.CHECKPOINTS)
        check_reach(config, Path(config.run_dir), sys.argv[1:], self.callbacks)
        if self.subcommand == "test" and config.get("tau_sweep"):
            raise RunError(
                "`tau_sweep` cannot be true for `test`: a strength that the test images choose "
                "makes their scores too good; choose it by `validate --tau_sweep true`"
            )
        if self.subcommand in SCORERS:
            limit = f"limit_{SCORERS[self.subcommand]}_batches"
            if config.trainer[limit] == 0:
                raise RunError(
                    f"`trainer.{limit}` cannot be 0 for `{self.subcommand}`: no image would be "
                    "scored; leave it out"
                )
        if config.trainer.precision is None:
            config.trainer.precision = _fast_precision(config.trainer.accelerator)

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
            if self.subcommand in SCORERS:
                self.score_by_options()
        except LitSegError:
            raise
        except ValueError as error:  # from a constructor, which names the value it refuses
            raise RunError(explain(str(error), f"{self.program} {self.subcommand}")) from error
        except ModuleNotFoundError as error:
            raise RunError(str(error)) from error
        self.datamodule.changed_data = self.config[self.subcommand].changed_data
        if self.subcommand == "fit" and self.config.fit.ckpt_path:
            # the checkpoint holds all weights, and the file that the run started from may be gone
            self.model.weights = self.model.init = None

    def score_by_options(self) -> None:
        """Tell model and data how `validate` or `test` is to score images."""
        config = self.config_init[self.subcommand]
        scoring = Scoring(**{each.name: config[each.name] for each in fields(Scoring)})
        if scoring.tau is None:
            scoring = replace(scoring, tau=read_tau(Path(config.ckpt_path)))
        self.datamodule.original_labels = scoring.original_size
        self.model.score_by(scoring)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        asked = self.config_init[self.subcommand]
        config = asked.trainer
        kwargs.update(trainer_options(config, asked.rank_timeout))
        own_loggers = [logger for logger in _as_list(config.logger) if isinstance(logger, Logger)]
        # in a try of a few steps Lightning puts one in its place that writes nothing
        kwargs["logger"] = own_loggers or bool(config.fast_dev_run)
        # `ExactResume` comes first, so that its hooks run before others that may fail
        callbacks = [ExactResume(), StopSignal(), *_as_list(config.callbacks)]
        check_callbacks(callbacks)
        checkpoints = NoCheckpoints if config.enable_checkpointing is False else AtomicCheckpointIO
        kwargs["plugins"] = [checkpoints(), *_as_list(config.plugins)]
        kwargs["enable_checkpointing"] = True  # or Lightning refuses our callbacks
        own_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
        if config.enable_progress_bar is not False and not own_bar:
            callbacks.append(ProgressOnTerminal() if sys.stdout.isatty() else ProgressLines())
            kwargs["enable_progress_bar"] = False  # the bar of Lightning
        trainer = super().instantiate_trainer(callbacks=callbacks, **kwargs)
        check_ranks(trainer, self.subcommand)
        if self.subcommand == "fit" and not config.fast_dev_run:
            # W&B's writes into the folder of the run, which a refused one must not leave
            trainer.loggers = run_loggers(
                Path(asked.run_dir),
                resumed=asked.ckpt_path is not None,
                own=own_loggers,
                online=config.logger is not False,
            )
        return trainer


def run_is_missing(command: str | None) -> RunError:
    """Make the error for a command that needs a trained model and got none."""
    return RunError(f"{command} needs a run or a checkpoint: give --ckpt_path runs/...")


def name_own_data(config: Any) -> None:
    """Name a dataset without a name after the file that describes it."""
    options: Any = config.data.get("init_args")
    if not options or options.get("name", "") is not None:
        return
    for file in reversed(config.config or []):
        section = read_yaml(Path(file)).get("data") if file else None
        if isinstance(section, dict) and "class_path" in section:
            options.name = Path(file).stem
            return


def _as_list(value: Any) -> list[Any]:
    """Make a list of an option that is one object, several or None."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _fast_precision(accelerator: str) -> str:
    """Choose ``bf16-mixed`` if the hardware multiplies bfloat16 natively, else ``32-true``."""
    if torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # 1.6 to 1.9 times faster steps with AVX-512's bfloat16 (docs/speed.md), more with AMX
        fast = accelerator in ("auto", "cpu") and cpu_multiplies_bfloat16()
    precision = "bf16-mixed" if fast else "32-true"
    rank_zero_info(f"precision {precision}, chosen for this processor; --trainer.precision sets it")
    return precision
