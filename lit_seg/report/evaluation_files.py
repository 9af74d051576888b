"""Writes what an evaluation found: scores as JSON, tables as CSV, and pictures of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from lit_seg.analysis.bootstrap import bootstrap_pairs
from lit_seg.analysis.group_data import masks_of
from lit_seg.analysis.image_counts import Cube
from lit_seg.analysis.style import INK, MUTED, PAPER
from lit_seg.files.atomic_io import replace_text
from lit_seg.images.open_and_save import save_picture
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.metrics.scores import (
    CLASS_STATS,
    HITS,
    LABELLED,
    PREDICTED,
    STAT_NAMES,
    STATS,
    Array,
    class_mean,
    class_scores,
    dice_error,
    dice_scores,
    is_predicted,
    overall_scores,
    pixel_accuracy,
)
from lit_seg.report.images import draw_panel, text_width
from lit_seg.runs.summary import json_text

SCHEMA = 1
_DRAWS = 2000
_ANNOTATED = 25
"""The largest number of classes whose confusions are written as numbers into the picture."""


@dataclass(frozen=True)
class Scored:
    """What one pass over the images of a split counted.

    Attributes:
        classes: names in the order of the ids.
        train_pixels: of each class.
        images: names of the images.
        counts: ``(I, C, 3)`` pixels labelled, predicted and both.
        confusion: ``(C, C)`` pixels, rows are true classes.
        boundaries: ``(C, 3)`` pixels near boundaries, of ``lit_seg.metrics.boundary``; or None.
        taus: strengths of post-hoc balancing that were tried.
        of_taus: ``(T, C, C)`` their confusion matrices.
    """

    classes: Sequence[str]
    train_pixels: Sequence[int]
    images: Sequence[str]
    counts: Cube
    confusion: npt.NDArray[np.int64]
    boundaries: npt.NDArray[np.int64] | None
    taus: Sequence[float]
    of_taus: npt.NDArray[np.int64]

    @property
    def tail(self) -> list[int]:
        """The ids of the tail classes."""
        return frequency_groups(self.train_pixels)["tail"]


def write_scores(folder: Path, scored: Scored, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``scores.json`` and the files beside it; returns its content.

    ``overall`` in it has the scores of ``lit_seg.metrics.scores``, the mean ``dice`` and
    ``dice_error``, which is the sum over classes of 1 - Dice: our reading of the "Dice Err" of the
    PAT paper. ``intervals`` hold 95 % of resamples of the images (percentiles of a bootstrap).

    Args:
        folder: to write to.
        scored: what was counted.
        facts: what ``scores.json`` holds besides, such as options and versions.
    """
    intervals = _intervals(scored)
    classes = class_table(scored, intervals)
    sums = scored.counts.sum(axis=0)
    overall = dict(zip(STATS, overall_scores(sums, scored.tail).tolist(), strict=True))
    iou = classes["iou"].to_numpy(float)
    overall |= {"dice": float(class_mean(dice_scores(iou))), "dice_error": float(dice_error(iou))}
    if scored.boundaries is not None:
        overall["boundary_iou"] = float(class_mean(classes["boundary_iou"].to_numpy(float)))
    masks = masks_of(scored.counts)
    content = {
        "schema": SCHEMA,
        **facts,
        "images": len(scored.images),
        "overall": overall,
        "intervals": {stat: list(intervals[stat]) for stat in STATS},
        "classes": classes.set_index("class").to_dict("index"),
        "mask_sizes": _by_size(masks, ["bin"]).set_index("bin").to_dict("index"),
    }
    replace_text(folder / "scores.json", json_text(content))
    _write_csv(folder / "class_scores.csv", classes)
    _write_csv(folder / "images.csv", per_image(scored))
    by_class = _by_size(masks, ["class", "bin"])
    by_class["class"] = [scored.classes[c] for c in by_class["class"]]
    _write_csv(folder / "mask_sizes.csv", by_class)
    confusion = pd.DataFrame(scored.confusion, columns=list(scored.classes))
    confusion.insert(0, "truth", list(scored.classes))
    _write_csv(folder / "confusion.csv", confusion)
    save_picture(folder / "confusion.png", _confusion_picture(scored))
    if scored.taus:
        table = tau_table(scored)
        _write_csv(folder / "tau.csv", table)
        save_picture(folder / "tau.png", _tau_picture(table))
    return content


def class_table(scored: Scored, intervals: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """A row per class: its pixels and scores, and the ends of their intervals."""
    sums = scored.counts.sum(axis=0)
    names = list(scored.classes)
    table = {"class": names, "train_pixels": list(scored.train_pixels)}
    table |= dict(zip(("labelled", "predicted", "hits"), sums.T.tolist(), strict=True))
    for stat, values in zip(CLASS_STATS, class_scores(sums), strict=True):
        table[stat] = values.tolist()
        ends = [intervals[f"{stat}/{name}"] for name in names]
        table |= {f"{stat}_low": [low for low, _ in ends], f"{stat}_high": [h for _, h in ends]}
    table["dice"] = dice_scores(np.array(table["iou"])).tolist()
    if scored.boundaries is not None:
        table["boundary_iou"] = class_scores(scored.boundaries)[0].tolist()
    return pd.DataFrame(table)


def per_image(scored: Scored) -> pd.DataFrame:
    """A row per image: means over the classes in it, and pixel accuracy."""
    iou, recall, _ = class_scores(scored.counts)
    return pd.DataFrame(
        {
            "image": list(scored.images),
            "labelled": scored.counts[..., LABELLED].sum(axis=1),
            "classes": (scored.counts[..., LABELLED] > 0).sum(axis=1),
            "miou": class_mean(iou),
            "macc": class_mean(recall),
            "pixel_acc": pixel_accuracy(scored.counts),
        }
    )


def tau_table(scored: Scored) -> pd.DataFrame:
    """A row per strength of post-hoc balancing with the scores of ``STATS``."""
    counts = np.zeros((*scored.of_taus.shape[:2], 3), np.int64)
    counts[..., LABELLED] = scored.of_taus.sum(axis=2)
    counts[..., PREDICTED] = scored.of_taus.sum(axis=1)
    counts[..., HITS] = np.diagonal(scored.of_taus, axis1=1, axis2=2)
    table = pd.DataFrame(overall_scores(counts, scored.tail), columns=list(STATS))
    table.insert(0, "tau", list(scored.taus))
    return table


def best_tau(table: pd.DataFrame, by: str) -> float:
    """The strength with the highest score, the lowest among equals; 0 if no score is defined."""
    values = table[by].to_numpy(float)
    return 0.0 if np.isnan(values).all() else float(table["tau"][int(np.nanargmax(values))])


def _intervals(scored: Scored) -> dict[str, tuple[float, float]]:
    """Intervals of 95 % over the images, by score, and by score and class; NaN without one."""
    predicted = is_predicted(scored.counts.sum(axis=0))  # or classes would come and go

    def statistic(ours: Array, _: Array) -> Array:
        overall = overall_scores(ours, scored.tail, predicted)
        return np.concatenate([overall, *class_scores(ours)], axis=-1)

    names = [*STATS, *(f"{stat}/{name}" for stat in CLASS_STATS for name in scored.classes)]
    one_seed = [scored.counts]
    found = bootstrap_pairs(one_seed, one_seed, statistic, _DRAWS)
    return {name: (each.low, each.high) for name, each in zip(names, found, strict=True)}


def _by_size(masks: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean recall over masks by their size, where there is one; see ``mask_sizes.py``."""
    groups = masks.groupby(by, observed=True)["recall"]
    return groups.agg(masks="size", recall="mean").reset_index().astype({"bin": str})


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    replace_text(path, table.to_csv(index=False, lineterminator="\n"))


def _confusion_picture(scored: Scored) -> npt.NDArray[np.uint8]:
    """Draw the share of the pixels of each true class that are predicted as each class."""
    rows = scored.confusion.sum(axis=1, keepdims=True)
    shares = np.divide(scored.confusion, rows, out=np.zeros(rows.shape[:1] * 2), where=rows > 0)
    names, number = list(scored.classes), len(scored.classes)
    side, margin = max(260, 26 * min(number, 60)), text_width(names) + 30

    def draw(axes: Axes) -> None:
        axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
        axes.grid(visible=False)
        size = 10 if number <= 60 else 600 / number
        axes.set_xticks(range(number), names, rotation=90, fontsize=size)
        axes.set_yticks(range(number), names, fontsize=size)
        axes.xaxis.tick_top()
        axes.set(xlabel="predicted, % of the pixels of the true class", ylabel="true class")
        for row, column in np.argwhere(shares >= 0.005) if number <= _ANNOTATED else ():
            share = shares[row, column]
            axes.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8,
                color=PAPER if share > 0.5 else INK,
            )  # fmt: skip

    panel = draw_panel("", draw, side + margin + 20, side + margin, margin, 20, top=margin)
    return np.asarray(panel.image.convert("RGB"))


def _tau_picture(table: pd.DataFrame) -> npt.NDArray[np.uint8]:
    def draw(axes: Axes) -> None:
        for stat, dash in (("pixel_acc", ":"), ("macc", "--"), ("miou", "-")):
            label = STAT_NAMES[stat]
            axes.plot(table["tau"], 100 * table[stat], dash, color=INK, marker="o", label=label)
        axes.set(xlabel="tau", ylabel="%")
        axes.legend(frameon=False, labelcolor=MUTED)

    panel = draw_panel("Post-hoc balancing on validation", draw, right=20)
    return np.asarray(panel.image.convert("RGB"))
