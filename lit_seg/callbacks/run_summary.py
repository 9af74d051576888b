"""What a run leaves on the screen when it ends: the per-class table, its files, what to do next."""

from collections.abc import Sequence
from pathlib import Path

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from lit_seg.metrics import ClassScores
from lit_seg.runs import CHECKPOINTS, CLASSES, METRICS
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
        """The table of the last validation, where the files are, and the next commands."""
        assert isinstance(pl_module, LitSegmenter)
        if not trainer.is_global_zero:
            return
        console = Console()
        self._report(trainer, pl_module, "val", console)
        for line in _files_and_next(trainer):
            console.print(line, highlight=False, soft_wrap=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The table, where validation was all that was asked for."""
        assert isinstance(pl_module, LitSegmenter)
        if trainer.state.fn == "validate" and trainer.is_global_zero:
            self._report(trainer, pl_module, "val", Console())

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The table of the test set."""
        assert isinstance(pl_module, LitSegmenter)
        if trainer.is_global_zero:
            self._report(trainer, pl_module, "test", Console())

    def _report(self, trainer: Trainer, module: LitSegmenter, split: str, console: Console) -> None:
        if module.scores is None:
            console.print("no complete validation yet, so there is no table to show")
            return
        rows = class_rows(module.scores, module.class_names, module.class_pixels)
        if trainer.state.fn == "fit":
            title, name = f"after {trainer.global_step} steps", f"{split}_table.md"
        else:
            checkpoint = Path(str(trainer.ckpt_path))
            title, name = f"of {checkpoint.name}", f"{split}_table-{checkpoint.stem}.md"
        console.print(_rich_table(rows, f"{split} scores {title}"))
        summary = summary_line(module.scores)
        console.print(summary, highlight=False, soft_wrap=True)
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{markdown_table(rows)}\n{summary}\n")


Row = tuple[str, float, float, float, float]
"""Class (or group), share of the training pixels, IoU, recall, precision; all in percent."""

_HEADER = ("class", "train pixels %", "IoU %", "recall %", "precision %")


def class_rows(scores: ClassScores, names: Sequence[str], train_pixels: Sequence[int]) -> list[Row]:
    """A row per class, the most frequent in training first, then head, medium and tail means.

    Head, medium and tail are the most frequent, middle and least frequent third of the classes.
    """
    total = max(1, sum(train_pixels))
    order = sorted(range(len(names)), key=lambda c: -train_pixels[c])
    columns = (scores.iou, scores.recall, scores.precision)

    def row(name: str, classes: Sequence[int]) -> Row:
        share = 100 * sum(train_pixels[c] for c in classes) / total
        iou, recall, precision = (100 * float(col[list(classes)].nanmean()) for col in columns)
        return name, share, iou, recall, precision

    groups = torch.tensor(order).tensor_split(3)
    means = [
        row(f"{label} ({len(group)})", group.tolist())
        for label, group in zip(("head", "medium", "tail"), groups, strict=True)
        if len(group)
    ]
    return [row(names[c], [c]) for c in order] + means


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


def _rich_table(rows: Sequence[Row], title: str) -> Table:
    table = Table(*_HEADER, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for i, row in enumerate(rows):
        table.add_row(*_cells(row), end_section=i == len(rows) - 4)
    return table


def _files_and_next(trainer: Trainer) -> list[str]:
    folder = Path(trainer.default_root_dir)
    checkpoints = folder / CHECKPOINTS
    best = next((c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None)), None)
    score = getattr(best, "best_model_score", None)
    lines = [f"run          {folder}"]
    if (checkpoints / "last.ckpt").exists():
        lines.append(f"checkpoint   {checkpoints}/last.ckpt")
    if score is not None:
        lines.append(f"             {checkpoints}/best.ckpt  ({best.monitor} {score:.4f})")  # type: ignore[union-attr]
    lines.append(f"numbers      {folder / METRICS}  {folder / CLASSES}")
    offline = sorted((folder / "wandb").glob("offline-run-*"))
    if offline:
        lines.append(f"W&B          {offline[-1]}")
        lines.append(f"next         wandb sync {offline[-1]}")
    lines.append(f"next         make validate CKPT={folder}")
    more = 2 * (trainer.max_epochs or 1)
    lines.append(f'next         make train RESUME={folder} ARGS="--trainer.max_epochs {more}"')
    lines.append("next         notebooks/01_weight_dynamics.ipynb plots the weights of this run")
    return lines
