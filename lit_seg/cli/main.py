"""The command line: LightningCLI with a folder per run, its loggers and its callbacks."""

import logging
import signal
import sys
import warnings
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import wandb
import yaml
from jsonargparse.typing import PositiveFloat
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.utilities.exceptions import SIGTERMException

from lit_seg.callbacks import (
    BestCheckpoint,
    ClassDynamics,
    Cost,
    ExactResume,
    ImbalanceReport,
    LastCheckpoint,
    PredictionWriter,
    ProgressLines,
    RunSummary,
    StopSignal,
    ValidationReport,
)
from lit_seg.checkpoints.checkpoint_io import AtomicCheckpointIO
from lit_seg.checkpoints.lightning_private import set_logged_step
from lit_seg.cli.commands import COMMANDS
from lit_seg.cli.error_messages import message_of
from lit_seg.cli.option_checks import check_options, trainer_error
from lit_seg.config.parse_errors import explain
from lit_seg.config.trust import only_trusted, take_trusted
from lit_seg.data import SegDataModule
from lit_seg.distributed.rank_timeout import check_ranks, end_process, trainer_options
from lit_seg.distributed.torch_private import cpu_has_amx
from lit_seg.errors import LitSegError, RunError, StopRequest
from lit_seg.files.atomic_io import replace_text
from lit_seg.loggers.run_loggers import CSVLog, run_loggers
from lit_seg.runs.checkpoint_files import check_length, find_checkpoint
from lit_seg.runs.layout import CHECKPOINTS, CONFIG, find_run, free_folder
from lit_seg.tasks import LitSegmenter

_CALLBACKS = {
    "best_checkpoint": BestCheckpoint,
    "last_checkpoint": LastCheckpoint,
    "class_dynamics": ClassDynamics,
    "cost": Cost,
    "validation_report": ValidationReport,
    "prediction_writer": PredictionWriter,
    "imbalance_report": ImbalanceReport,
    "run_summary": RunSummary,
}


class RunConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run's folder and the same to W&B, when training starts.

    Not before: a resumed run whose checkpoint is refused must keep the configuration it had.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Nothing yet."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it."""
        self.save_config(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the configuration, but for the checkpoint, on the first rank."""
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        config = deepcopy(self.config)
        config.ckpt_path = None  # the run can be repeated from its config, not only resumed
        text = self.parser.dump(config, skip_none=False)
        replace_text(Path(trainer.default_root_dir) / CONFIG, text)
        for logger in trainer.loggers:
            logger.log_hyperparams(yaml.safe_load(text))


class LitSegCLI(LightningCLI):
    """Adds to LightningCLI: ``--run_dir``, the links from data to model, loggers and callbacks."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        return super().init_parser(exit_on_error=False, **kwargs)  # `main` says what is wrong

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--run_dir",
            default="runs/run",
            help="Folder of the run; `fit` appends a number when a run lies there already.",
        )
        parser.add_argument(
            "--rank_timeout",
            type=PositiveFloat,
            default=300,
            help="Seconds after which a rank that waits for another ends the job. What a rank does "
            "alone must fit: slow loading, a checkpoint, one more validation batch.",
        )
        for key, callback in _CALLBACKS.items():
            parser.add_lightning_class_args(callback, key)
        parser.link_arguments("data.class_counts", "model.class_counts", apply_on="instantiate")
        parser.link_arguments("data.class_names", "model.class_names", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.init_args.seed", compute_fn=int)

    def _parse_ckpt_path(self) -> None:
        """Nothing: Lightning would put the checkpoint's hyperparameters over what the user gave.

        The run's ``config.yaml``, which holds the same, is layered below the command line.
        """

    def after_fit(self) -> None:
        """Score the last step, where the run stopped between two validations."""
        if self.model.needs_scoring:
            step = self.trainer.global_step - 1  # that was done last, counted from 0
            logs = [lg for lg in self.trainer.loggers if isinstance(lg, CSVLog)]
            if any(log.has_scores_of(step) for log in logs):
                self.trainer.loggers = []  # a finished run was resumed: only the table is missing
            set_logged_step(self.trainer, step)
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        check_options(config)
        if self.subcommand == "fit" and config.ckpt_path is None:
            config.run_dir = str(free_folder(Path(config.run_dir)))
        if config.ckpt_path is not None:
            checkpoint = find_checkpoint(Path(config.ckpt_path), prefer="last")
            if self.subcommand == "fit":
                check_length(checkpoint, config.trainer.max_epochs, config.trainer.max_steps)
            config.ckpt_path = str(checkpoint)
        elif self.subcommand != "fit":
            raise _what(self.subcommand)
        config.trainer.default_root_dir = config.run_dir
        for key in ("best_checkpoint", "last_checkpoint"):
            config[key].dirpath = str(Path(config.run_dir) / CHECKPOINTS)
        if config.trainer.precision is None:
            config.trainer.precision = _fast_precision(config.trainer.accelerator)

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except LitSegError:
            raise
        except ValueError as error:  # of a constructor, which says what it was given
            raise RunError(explain(str(error), self.subcommand)) from error
        except (MisconfigurationException, ModuleNotFoundError) as error:
            raise trainer_error(error, self.config[self.subcommand]) from error
        if self.subcommand == "fit" and self.config.fit.ckpt_path:
            # the checkpoint brings all weights; where others once came from may be gone
            self.model.weights = self.model.init = None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand].trainer
        kwargs.update(trainer_options(config, self.config_init[self.subcommand].rank_timeout))
        if config.logger in (None, True):
            kwargs["logger"] = False
            if self.subcommand == "fit":
                resumed = self.config_init.fit.ckpt_path is not None
                kwargs["logger"] = run_loggers(Path(config.default_root_dir), resumed)
        # `ExactResume` first: in each hook it comes before what may fail there
        callbacks = [ExactResume(), StopSignal(), *_listed(config.callbacks)]
        kwargs["plugins"] = [AtomicCheckpointIO(), *_listed(config.plugins)]
        if config.enable_progress_bar is not False:
            if sys.stdout.isatty():
                callbacks.append(RichProgressBar())
            elif not any(isinstance(callback, ProgressBar) for callback in callbacks):
                callbacks.append(ProgressLines())
                kwargs["enable_progress_bar"] = False  # that of Lightning
        trainer = super().instantiate_trainer(callbacks=callbacks, **kwargs)
        check_ranks(trainer, self.subcommand)
        return trainer


def _listed(value: Any) -> list[Any]:
    """What may be given as one, as several or not at all."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _no_advertisements(record: logging.LogRecord) -> bool:
    return "💡" not in record.getMessage()


logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(_no_advertisements)
# Lightning against a newer torch, and its advice to reduce values that are of all ranks already
warnings.filterwarnings("ignore", ".*LeafSpec.*")
warnings.filterwarnings("ignore", ".*sync_dist=True.*")
# it is: the sampler leaves out what is done
warnings.filterwarnings("ignore", ".*your dataloader is not resumable.*")


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    if args is not None:
        sys.argv[1:] = args
    code = 1
    try:
        sys.argv[1:], packages = take_trusted(sys.argv[1:])
        sys.argv[1:] = complete_arguments(sys.argv[1:])
        with only_trusted(sys.argv[1:], packages):
            _run_command()
        code = 0
    except StopRequest as stop:
        code = 128 + stop.signum
    except SIGTERMException:  # of Lightning, before ours listens; its exit code would be 0
        code = 128 + signal.SIGTERM
    except Exception as error:
        known = sys.argv[1:2] and sys.argv[1] in ("fit", *_QUIET)
        message = message_of(error, sys.argv[1] if known else "")
        if message is None:
            raise
        sys.stderr.write(f"error: {message}\n")
        code = 2
    finally:
        if wandb.run is not None:
            wandb.finish(exit_code=code)
    return end_process(code)


_DESCRIPTION = "Segmentation with imbalanced classes. Beside the subcommands below: " + "; ".join(
    f"`{name}` shows {what}" for name, what in COMMANDS.items()
)


def _run_command() -> None:
    LitSegCLI(
        LitSegmenter,
        SegDataModule,
        subclass_mode_data=True,
        seed_everything_default=0,
        save_config_callback=RunConfig,
        save_config_kwargs={"save_to_log_dir": False},
        trainer_defaults={
            "use_distributed_sampler": False,
            "enable_model_summary": False,  # `RunSummary` says what matters in a line
        },
        parser_kwargs={"description": _DESCRIPTION},
    )


def complete_arguments(args: list[str]) -> list[str]:
    """Replace what names a run by what LightningCLI needs to know of it.

    ``fit --resume RUN`` continues the run with its own configuration, from its last checkpoint and
    in its folder; ``validate --ckpt_path RUN`` (or a checkpoint in it; likewise ``test`` and
    ``predict``) takes the run's configuration and its best checkpoint. What else is given comes
    later, and so wins.

    Raises:
        RunError: if there is no such run, or it holds no checkpoint.
    """
    if not args or args[0] not in ("fit", *_QUIET):
        return args
    command, rest = args[0], args[1:]
    if command == "fit":
        value, rest = _take(rest, "--resume")
        if value is None:
            return args
        run = find_run(Path(value))
        checkpoint = find_checkpoint(Path(value), prefer="last")
    else:
        value, others = _take(rest, "--ckpt_path")
        if value is None:
            if "--config" in rest or "--help" in rest:
                return args
            raise _what(command)
        checkpoint = find_checkpoint(Path(value), prefer="best")
        if "--config" in rest:  # the user's own
            return [command, *others, "--ckpt_path", str(checkpoint)]
        # its scores are the same on any number of ranks: those that are started now
        here = ["--trainer.devices", "auto", "--trainer.num_nodes", "1"]
        rest, run = [_QUIET[command], *here, *others], find_run(Path(value))
    config = ["--config", str(run / CONFIG)]
    return [command, *config, *rest, "--run_dir", str(run), "--ckpt_path", str(checkpoint)]


def _what(command: str | None) -> RunError:
    return RunError(f"{command} what? Give a run or a checkpoint: --ckpt_path runs/...")


_QUIET = {
    "validate": "--verbose=false",  # Lightning's table of all keys; ours says the same, readably
    "test": "--verbose=false",
    "predict": "--return_predictions=false",  # they are written as they come, not kept in memory
}


def _take(args: list[str], option: str) -> tuple[str | None, list[str]]:
    """The value of an option, given as ``--x v`` or ``--x=v``, and the other arguments."""
    for i, arg in enumerate(args):
        if arg == option and i + 1 == len(args):
            raise RunError(f"{option} needs a run, such as runs/streets/unet_resnet18/recall/seed0")
        if arg == option:
            return args[i + 1], args[:i] + args[i + 2 :]
        if arg.startswith(f"{option}="):
            return arg.split("=", 1)[1], args[:i] + args[i + 1 :]
    return None, args


def _fast_precision(accelerator: str) -> str:
    """``bf16-mixed`` where the processor multiplies bfloat16 natively, else full precision."""
    if torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # `make bench` shows the gain with AMX; elsewhere none was measured, so float32 stays
        fast = accelerator in ("auto", "cpu") and cpu_has_amx()
    precision = "bf16-mixed" if fast else "32-true"
    rank_zero_info(f"precision {precision}, chosen for this processor; --trainer.precision sets it")
    return precision
