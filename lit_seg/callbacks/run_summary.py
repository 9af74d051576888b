"""Ends a run: writes its summary and table, and prints its files and what to do next."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from lit_seg.checkpoints.best_and_last import BestCheckpoint
from lit_seg.checkpoints.first_step import AfterFirstStep
from lit_seg.errors import plural
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.escape import terminal
from lit_seg.loggers.wandb_log import sync_command, wandb_run
from lit_seg.runs import layout
from lit_seg.runs.score_table import HEADER, cells, class_rows, markdown_table, means_line
from lit_seg.runs.summary import RunScores, remove_summary, run_scores, write_summary
from lit_seg.tasks import LitSegmenter

_NOTEBOOK = Path("notebooks/01_weight_dynamics.ipynb")


class RunSummary(AfterFirstStep):
    """Writes ``summary.json`` at the end of a run, and shows the table of classes.

    The summary says that the run finished. The table is made from it, and written as Markdown.
    """

    package = "lit_seg"
    """The package that scores and resumes the run from the command line."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print what is about to be trained, and how images are normalised."""
        assert isinstance(pl_module, LitSegmenter)
        if trainer.is_global_zero:
            parameters = list(pl_module.network.parameters())
            size = f"{sum(p.numel() for p in parameters) / 1e6:.1f} M parameters"
            if frozen := sum(p.numel() for p in parameters if not p.requires_grad):
                size += f" ({frozen / 1e6:.1f} M frozen)"
            mean, std = map(_numbers, (pl_module.pixel_mean, pl_module.pixel_std))
            of = "RGB in [0, 1]" if pl_module.channels == 3 else "the numbers in the files"
            encoder = f" with {pl_module.encoder}" if pl_module.encoder else ""
            Console().out(
                f"{type(pl_module.network).__name__}{encoder}, "
                f"{size}, {type(pl_module.loss).__name__}, "
                f"{len(pl_module.class_names)} classes, run {trainer.default_root_dir}",
                f"images normalised by mean {mean} and standard deviation {std} of {of}",
                sep="\n",
                highlight=False,
            )

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Show the table, unless the last step is not scored yet: then a validation comes next."""
        if trainer.is_global_zero and not pl_module.needs_scoring:
            self.end_of_run(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Show the table if a validation ends a run."""
        ends_run = trainer.state.fn == "validate" and trainer.global_step
        if ends_run and trainer.is_global_zero:
            self.end_of_run(trainer, pl_module)

    def after_first_step(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the summary, because a run that goes on is not finished any more.

        The strength of post-hoc balancing was chosen for the weights that it had.
        """
        folder = Path(trainer.default_root_dir)
        remove_summary(folder)
        (folder / layout.POSTHOC).unlink(missing_ok=True)

    def end_of_run(self, trainer: Trainer, module: Any) -> None:
        """Write the summary, show the table, and print what the folder holds."""
        if getattr(trainer, "fast_dev_run", False):  # else a later command took it for a run
            Console().out("a try (`fast_dev_run`), which leaves no files", highlight=False)
            return
        folder = Path(trainer.default_root_dir)
        scores = self.scores_of(module) if module.scores else None
        write_summary(folder, trainer.global_step, scores)
        if scores:
            title = f"val scores after {plural(module.scored_step, 'step')}"
            self.show(scores, title, folder / layout.TABLE, module)
        else:
            Console().out("nothing was validated, so there is no table to show", highlight=False)
        Console().out(*_files_and_next(trainer, self.package), sep="\n", highlight=False)

    def scores_of(self, module: Any) -> RunScores:
        """The scores of a module's last pass over a validation set."""
        return scores_of(module)

    def show(self, scores: RunScores, title: str, path: Path, module: Any) -> None:
        """Write the table of the run to a file and print it."""
        show_scores(scores, title, path)


def _numbers(values: Tensor) -> str:
    flat = values.flatten() / 255 if values.numel() == 3 else values.flatten()
    return " ".join(f"{value:.3g}" for value in flat.tolist())


def scores_of(module: LitSegmenter) -> RunScores:
    """The scores of a module's last pass over a validation or test set."""
    found = module.scores
    assert found is not None
    per_class = [values.numpy() for values in (found.iou, found.recall, found.precision)]
    return run_scores(module.class_names, module.class_pixels, per_class, float(found.pixel_acc))


def show_scores(scores: RunScores, title: str, path: Path) -> None:
    """Write a table of scores to a file and print it."""
    replace_text(path, markdown_table(scores))
    console = Console()
    console.print(_rich_table(scores, title))
    # a terminal breaks the line between words; in a file it is one line
    console.print(terminal(means_line(scores)), soft_wrap=not console.is_terminal)


def _rich_table(scores: RunScores, title: str) -> Table:
    rows = [cells(row) for row in class_rows(scores)]
    return rich_table(HEADER, rows, title, first_part=len(scores.classes))


def rich_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], title: str, first_part: int = 0
) -> Table:
    """A table of a name and numbers for the terminal; a line ends the rows of the first part."""
    table = Table(*header, title=terminal(title))
    for column in table.columns[1:]:
        column.justify = "right"
    for i, row in enumerate(rows, start=1):
        table.add_row(*map(terminal, row), end_section=i == first_part)
    return table


def _files_and_next(trainer: Trainer, package: str) -> list[str]:
    """List the run's files, as far as they exist, and the commands that go on from here."""
    folder = Path(trainer.default_root_dir)
    last, best = (folder / layout.CHECKPOINTS / f"{name}.ckpt" for name in ("last", "best"))
    lines = [f"run          {folder}"]
    if last.exists():
        lines.append(f"checkpoint   {last}")
    if best.exists():
        scored = (c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint))
        scores = [f"  ({c.monitor} {c.best_score:.4f})" for c in scored if c.best_score is not None]
        lines.append(f"checkpoint   {best}{''.join(scores)}")
    numbers = (folder / layout.METRICS, folder / layout.CLASSES)
    lines += [f"numbers      {path}" for path in numbers if path.exists()]
    online = wandb_run(trainer)
    if online is not None and not online.offline:
        lines.append(f"W&B          {online.url}")
    elif any((folder / layout.WANDB).glob("offline-run-*")):
        lines.append(f"W&B          {folder}/wandb")
        lines.append(f"next         {sync_command(folder)}")
    commands = []
    if last.exists():
        commands.append(f"validate --ckpt_path {quote(str(folder))}")
        commands.append(f"fit --resume {quote(str(folder))} {_twice_as_long(trainer)}")
    if (folder / layout.VAL_IMAGES).exists():
        commands.append(f"diagnose {quote(str(folder))}")
    own = layout.program("lit_seg")
    lit_seg = own if own.exists() else f"{layout.program('python')} -m lit_seg"
    for words in commands:
        trains = not words.startswith("diagnose") and package != "lit_seg"
        command = f"{layout.program('python')} -m {package}" if trains else lit_seg
        lines.append(f"next         {command} {words}")
    if (folder / layout.CLASSES).exists() and _NOTEBOOK.exists():  # it exists in a clone only
        lines.append(f"next         {_NOTEBOOK} plots the weights of this run")
    return lines


def _twice_as_long(trainer: Trainer) -> str:
    """Write the option that lets a resumed run go on for as many steps again."""
    if trainer.max_steps <= 0 and trainer.max_epochs and trainer.max_epochs > 0:
        return f"--trainer.max_epochs {2 * trainer.max_epochs}"
    return f"--trainer.max_epochs -1 --trainer.max_steps {2 * trainer.global_step}"
