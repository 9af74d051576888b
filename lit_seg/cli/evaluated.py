"""Ends ``validate`` and ``test``: writes the folder of the evaluation, and prints its table."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Trainer
from rich.console import Console
from rich.table import Table

from lit_seg.callbacks.run_summary import scores_of, show_scores
from lit_seg.callbacks.validation_report import image_table
from lit_seg.data import SegDataModule
from lit_seg.errors import plural
from lit_seg.files.atomic_io import replace_text
from lit_seg.inference.prior import write_tau
from lit_seg.metrics.scores import STAT_NAMES
from lit_seg.report.evaluation_files import Scored, best_tau, tau_table, write_scores
from lit_seg.runs import layout
from lit_seg.runs.csv_rows import logged_length
from lit_seg.runs.records import split_stat, stat_of
from lit_seg.runs.summary import RunScores, versions, write_summary
from lit_seg.tasks import LitSegmenter
from lit_seg.tasks.scoring import TAUS, Scoring


def write_evaluation(
    trainer: Trainer, module: LitSegmenter, data: SegDataModule, split: str
) -> None:
    """Write what the last pass over the ``split`` found, and show it, on the first rank."""
    if not trainer.is_global_zero or module.scores is None:
        return
    run, checkpoint = Path(trainer.default_root_dir), Path(str(trainer.ckpt_path))
    folder = layout.numbered(run / layout.EVALUATION / split)
    scored = _scored(module)
    values = {key: float(value) for key, value in trainer.callback_metrics.items()}
    images, seconds = len(scored.images), module.scoring_seconds
    content = write_scores(
        folder,
        scored,
        {
            "split": split,
            "checkpoint": str(checkpoint),
            "options": _options(trainer, module.scoring, data),
            "loss": values[stat_of(split, "loss")],
            "ce": values[stat_of(split, "ce")],
            "cost": {"seconds": seconds, "images_per_second": images / seconds},
            "versions": versions(),
        },
    )
    replace_text(folder / layout.VAL_IMAGES, image_table(module.image_counts, module.class_names))
    scores = scores_of(module)
    title = f"{split} scores of {checkpoint.name}{_how(module.scoring)}"
    show_scores(scores, title, folder / "table.md")
    as_val = {stat_of("val", split_stat(key)[1]): value for key, value in values.items()}
    _write_as_run(folder, run, as_val, scores)
    lines = [_intervals(content["intervals"])]
    if scored.taus:
        lines += _keep_best(run, checkpoint, scored, module.scoring.tau_by)
    rate = f"{plural(images, 'image')} in {seconds:.1f} s, {images / seconds:.1f} a second"
    Console().out(*lines, f"files        {folder}  ({rate})", sep="\n", highlight=False)


def _scored(module: LitSegmenter) -> Scored:
    assert module.scores is not None
    near = module.boundary_counts
    counts = torch.stack(list(module.image_counts.values())).transpose(1, 2)
    return Scored(
        classes=module.class_names,
        train_pixels=module.class_pixels,
        images=list(module.image_counts),
        counts=counts.numpy(),
        confusion=module.scores.confusion.numpy(),
        boundaries=None if near is None else near.numpy(),
        taus=TAUS if module.scoring.tau_sweep else (),
        of_taus=module.confusion_of_taus.numpy(),
    )


def _write_as_run(folder: Path, run: Path, values: Mapping[str, float], scores: RunScores) -> None:
    """Make the folder of an evaluation readable by ``report`` and ``diagnose``, as the ``run`` is.

    Nothing is written if ``run`` has no configuration: then a checkpoint without its run is scored.
    ``values`` have keys such as ``val/miou``, and ``scores`` are the same for the summary.
    """
    if not (run / layout.CONFIG).is_file():
        return
    for name in (layout.CONFIG, layout.COMMAND, layout.DATASET, layout.COST):
        if (run / name).is_file():
            replace_text(folder / name, (run / name).read_text(encoding="utf-8"))
    steps, epochs = logged_length(run / layout.METRICS)
    row = {"step": max(0, steps - 1), "epoch": max(0, (epochs or 1) - 1), **values}
    text = pd.DataFrame([row]).to_csv(index=False, lineterminator="\n", na_rep="nan")
    replace_text(folder / layout.METRICS, text)
    write_summary(folder, steps, scores)


def _options(trainer: Trainer, scoring: Scoring, data: SegDataModule) -> dict[str, Any]:
    return {
        "data": data.folder,
        **{name: getattr(data, name) for name in ("height", "width", "fit", "void")},
        "batch_size": 1 if data.original_labels else data.batch_size,
        **asdict(scoring),
        "precision": trainer.precision,
        "ranks": trainer.world_size,
        "device": str(trainer.strategy.root_device.type),
    }


def _how(scoring: Scoring) -> str:
    """Say in what an evaluation differs from that of a training."""
    views, parts = scoring.views, []
    if views.crop:
        parts.append(f"windows of {views.crop[0]}x{views.crop[1]}")
    if views.flip:
        parts.append("with mirror images")
    if list(views.scales) != [1]:
        parts.append(f"scales {' '.join(f'{scale:g}' for scale in views.scales)}")
    if scoring.original_size:
        parts.append("at the original size")
    if scoring.tau:
        parts.append(f"balanced by tau {scoring.tau:g}")
    return "".join(f", {part}" for part in parts)


def _intervals(intervals: dict[str, list[float]]) -> str:
    ends = {stat: intervals[stat] for stat in ("miou", "macc", "pixel_acc")}
    parts = [f"{STAT_NAMES[stat]} {low:.4f} to {high:.4f}" for stat, (low, high) in ends.items()]
    return f"95 % of resamples of the images: {', '.join(parts)}"


def _keep_best(run: Path, checkpoint: Path, scored: Scored, by: str) -> list[str]:
    """Print the scores of each strength, and keep the best one in the run."""
    table, stats = tau_table(scored), ("miou", "macc", "pixel_acc", "tail_recall", "tail_iou")
    best = best_tau(table, by)
    shown = Table("tau", *(f"{STAT_NAMES[stat]} %" for stat in stats))
    for _, row in table.iterrows():
        cells = ["n/a" if np.isnan(row[stat]) else f"{100 * row[stat]:.1f}" for stat in stats]
        shown.add_row(f"{row['tau']:g}", *cells, style="bold" if row["tau"] == best else None)
    Console().print(shown)
    file = write_tau(run, best, by=by, split="val", checkpoint=checkpoint.name)
    use = f"for validate, test, predict and export of {checkpoint.name}; `--tau 0` is without it"
    return [
        f"best tau     {best:g} by {STAT_NAMES[by]}, chosen on these validation images",
        f"kept in      {file}, {use if best else 'which changes nothing: 0 is no balancing'}",
    ]
