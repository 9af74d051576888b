"""What a run leaves on the screen when it ends: the per-class table, its files, what to do next."""

from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lit_seg.checkpoints.best_and_last import BestCheckpoint
from lit_seg.files.atomic_io import replace_text
from lit_seg.loggers.run_loggers import program, sync_command, wandb_run
from lit_seg.metrics import ClassScores
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.runs.layout import CHECKPOINTS, CLASSES, METRICS, VAL_IMAGES
from lit_seg.tasks import LitSegmenter


class RunSummary(Callback):
    """Prints the per-class table of the last validation or test, and writes it as Markdown."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What is about to be trained, in one line."""
        assert isinstance(pl_module, LitSegmenter)
        if trainer.is_global_zero:
            parameters = sum(p.numel() for p in pl_module.network.parameters())
            Console().print(
                f"{type(pl_module.network).__name__} with {pl_module.encoder}, "
                f"{parameters / 1e6:.1f} M parameters, {type(pl_module.loss).__name__}, "
                f"{len(pl_module.class_names)} classes, run {trainer.default_root_dir}",
                highlight=False,
                soft_wrap=True,
            )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The table, unless the last step has not been scored yet: then validation comes next."""
        assert isinstance(pl_module, LitSegmenter)
        if trainer.is_global_zero and not pl_module.needs_scoring:
            self._end_of_run(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The table, where validation was asked for or ends a run."""
        assert isinstance(pl_module, LitSegmenter)
        if trainer.state.fn != "validate" or not trainer.is_global_zero:
            return
        if trainer.global_step:
            self._end_of_run(trainer, pl_module)
        else:
            self._of_checkpoint(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The table of the test set."""
        assert isinstance(pl_module, LitSegmenter)
        if trainer.is_global_zero:
            self._of_checkpoint(trainer, pl_module, "test")

    def _end_of_run(self, trainer: Trainer, module: LitSegmenter) -> None:
        if module.scores is None:
            Console().print("nothing was validated, so there is no table to show")
        else:
            path = Path(trainer.default_root_dir) / "val_table.md"
            _report(module, f"val scores after {module.scored_step} steps", path)
        for line in _files_and_next(trainer):
            Console().print(line, highlight=False, soft_wrap=True)

    def _of_checkpoint(self, trainer: Trainer, module: LitSegmenter, split: str) -> None:
        checkpoint = Path(str(trainer.ckpt_path))
        path = Path(trainer.default_root_dir) / f"{split}_table-{checkpoint.stem}.md"
        _report(module, f"{split} scores of {checkpoint.name}", path)


def _report(module: LitSegmenter, title: str, path: Path) -> None:
    """Print the table of a module's scores and write it to a file."""
    assert module.scores is not None
    rows = class_rows(module.scores, module.class_names, module.class_pixels)
    summary = summary_line(module.scores)
    console = Console()
    console.print(_rich_table(rows, len(module.class_names), title))
    console.print(summary, highlight=False, soft_wrap=True)
    replace_text(path, f"{markdown_table(rows)}\n{summary}\n")


Row = tuple[str, float, float, float, float]
"""Class (or group), share of the training pixels, IoU, recall, precision; all in percent."""

_HEADER = ("class", "train pixels %", "IoU %", "recall %", "precision %")


def class_rows(scores: ClassScores, names: Sequence[str], train_pixels: Sequence[int]) -> list[Row]:
    """A row per class, the most frequent in training first, then head, medium and tail means.

    Head, medium and tail are the most frequent, middle and least frequent third of the classes;
    of two classes one is the head and the other the tail.
    """
    total = max(1, sum(train_pixels))
    groups = frequency_groups(train_pixels)
    columns = (scores.iou, scores.recall, scores.precision)

    def row(name: str, classes: Sequence[int]) -> Row:
        share = 100 * sum(train_pixels[c] for c in classes) / total
        iou, recall, precision = (100 * float(col[list(classes)].nanmean()) for col in columns)
        return name, share, iou, recall, precision

    means = [row(f"{label} ({len(group)})", group) for label, group in groups.items()]
    return [row(names[c], [c]) for group in groups.values() for c in group] + means


def summary_line(scores: ClassScores) -> str:
    """The means over classes in one line, with the number of classes that were scored."""
    return (
        f"mIoU {scores.miou:.4f} over {scores.num_scored} of {len(scores.iou)} classes   "
        f"mean accuracy (recall) {scores.macc:.4f}   mean precision {scores.mprec:.4f}   "
        f"pixel accuracy {scores.pixel_acc:.4f}"
    )


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [" | ".join(_HEADER), "---|" + "|".join("---:" for _ in _HEADER[1:])]
    lines += [" | ".join(_cells(row)) for row in rows]
    return (
        "\n".join(f"| {line} |" if i != 1 else f"|{line}|" for i, line in enumerate(lines)) + "\n"
    )


def _cells(row: Row) -> list[str]:
    name, share, *scores = row
    return [name, f"{share:.2f}", *("n/a" if s != s else f"{s:.1f}" for s in scores)]


def _rich_table(rows: Sequence[Row], num_classes: int, title: str) -> Table:
    table = Table(*_HEADER, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for i, row in enumerate(rows):
        table.add_row(*map(escape, _cells(row)), end_section=i == num_classes - 1)
    return table


def _files_and_next(trainer: Trainer) -> list[str]:
    """Where the run's files lie, as far as they exist, and the commands that go on from here."""
    folder = Path(trainer.default_root_dir)
    lines = [f"run          {folder}"]
    checkpoints = [folder / CHECKPOINTS / f"{name}.ckpt" for name in ("last", "best")]
    lines += [f"checkpoint   {c}{_score(trainer, c.stem)}" for c in checkpoints if c.exists()]
    numbers = [str(folder / name) for name in (METRICS, CLASSES) if (folder / name).exists()]
    if numbers:
        lines.append(f"numbers      {'  '.join(numbers)}")
    online = wandb_run(trainer)
    if online is not None and not online.offline:
        lines.append(f"W&B          {online.url}")
    elif any((folder / "wandb").glob("offline-run-*")):
        lines.append(f"W&B          {folder}/wandb")
        lines.append(f"next         {sync_command(folder)}")
    if (folder / CHECKPOINTS / "last.ckpt").exists():
        lines.append(f"next         make validate CKPT={folder}")
        lines.append(f'next         make train RESUME={folder} ARGS="{_twice_as_long(trainer)}"')
    if (folder / VAL_IMAGES).exists():
        lines.append(f"next         {program('python')} -m lit_seg diagnose {folder}")
    if (folder / CLASSES).exists():
        lines.append(
            "next         notebooks/01_weight_dynamics.ipynb plots the weights of this run"
        )
    return lines


def _score(trainer: Trainer, name: str) -> str:
    for callback in trainer.checkpoint_callbacks:
        if name == "best" and isinstance(callback, BestCheckpoint):
            score = callback.best_score
            return "" if score is None else f"  ({callback.monitor} {score:.4f})"
    return ""


def _twice_as_long(trainer: Trainer) -> str:
    """The option that lets a resumed run go on for as many steps again."""
    if trainer.max_steps > 0:
        return f"--trainer.max_epochs -1 --trainer.max_steps {2 * trainer.global_step}"
    if trainer.max_epochs and trainer.max_epochs > 0:
        return f"--trainer.max_epochs {2 * trainer.max_epochs}"
    return f"--trainer.max_steps {2 * trainer.global_step}"
