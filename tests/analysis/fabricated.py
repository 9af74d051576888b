"""Folders of runs that nobody trained: all files of a run, with numbers that are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.random import default_rng
from PIL import Image

from lit_seg.losses.catalogue import every_loss
from lit_seg.metrics.scores import class_scores, pixel_accuracy
from lit_seg.runs.reader import COUNTS, load_dataset, load_images
from lit_seg.runs.summary import read_summary, run_scores, write_summary

CLASSES = (
    *("road", "building", "sky", "tree", "car", "pavement"),
    *("sign_symbol", "fence", "pole", "pedestrian", "bicyclist"),
)
PIXELS = (20076880, 14750079, 10682767, 6166762, 3719877, 2845085, 743859, 714595, 623349, 405385)
PIXELS += (184967,)
COLOURS = (
    *("#804080", "#800000", "#808080", "#808000", "#400080", "#3c28de"),
    *("#c08080", "#404080", "#c0c080", "#404000", "#0080c0"),
)
# Of each loss: tail recall at the end, tail precision, and how soon it gets there.
LOSSES = {
    "ce": (0.25, 0.60, 1.0),
    "wce": (0.75, 0.25, 2.0),
    "cb": (0.70, 0.30, 2.0),
    "focal": (0.26, 0.60, 1.0),
    "ohem": (0.30, 0.50, 1.2),
    "soft_iou": (0.45, 0.50, 1.4),
    "lovasz": (0.50, 0.55, 1.2),
    "recall": (0.55, 0.50, 1.6),
    "pat": (0.60, 0.40, 1.5),
}
CLASS_PATHS = {
    name: f"lit_seg.losses.{cls.__name__}"
    for cls in every_loss()
    for name in cls.card.name.split(", ")
}
_AREA = 120 * 160


def write_run(
    root: Path,
    loss: str,
    seed: int,
    *,
    data: str = "camvid",
    classes: int = len(CLASSES),
    images: int = 20,
    steps: int = 540,
    logged: int = 54,
    validations: int = 6,
    height: int = 120,
    never: Sequence[str] = (),
    pictures: bool = True,
    finished: bool = True,
) -> Path:
    """Write ``<root>/<data>/unet_resnet18/<loss>/seed<seed>`` and return it.

    Args:
        root: such as ``runs``.
        loss: known losses differ in their tail, others are like ``ce``.
        seed: shifts every recall a little.
        data: the folder's name.
        classes: how many of ``CLASSES``.
        images: validated ones; their truth depends on nothing else.
        steps: of the optimizer.
        logged: rows of ``classes.csv`` and of the training loss.
        validations: rows of scores.
        height: in the configuration.
        never: classes that are never predicted.
        pictures: whether there is a folder of them.
        finished: whether ``summary.json`` exists.
    """
    folder = root / data / "unet_resnet18" / loss / f"seed{seed}"
    folder.mkdir(parents=True)
    names = CLASSES[:classes]
    tail_recall, tail_precision, speed = LOSSES.get(loss, LOSSES["ce"])
    random = default_rng([seed, sum(map(ord, loss))])
    rare = np.linspace(0, 1, len(names)) ** 2  # 0 for the most, 1 for the least frequent
    recall = 0.95 * (1 - rare) + rare * tail_recall + random.normal(0, 0.015, len(names))
    precision = 0.95 * (1 - rare) + rare * tail_precision + random.normal(0, 0.015, len(names))
    recall, precision = np.clip(recall, 0.01, 0.99), np.clip(precision, 0.05, 0.99)
    for name in never:
        recall[names.index(name)] = 0
    counts = _counts(random, recall, precision, images, [name in never for name in names])
    rows = [
        f"image{i:03},{names[c]},{labelled},{predicted},{hits}"
        for i, image in enumerate(counts)
        for c, (labelled, predicted, hits) in enumerate(image.tolist())
        if labelled + predicted
    ]
    _csv(folder / "val_images.csv", "image,class,labelled,predicted,hits", rows)
    sets = [f"{n},{p},{c}" for n, p, c in zip(names, PIXELS, COLOURS, strict=False)]
    _csv(folder / "dataset.csv", "class,train_pixels,colour", sets)
    _write_metrics(folder, names, counts.sum(axis=0), steps, logged, validations, speed)
    _write_classes(folder, names, recall, steps, logged, speed, random)
    cost = {
        "step_seconds": 0.4 + 0.02 * (loss != "ce") + random.normal(0, 0.003),
        "cpu_seconds": 0.7,
        "data_seconds": 0.001,
        "peak_memory_mb": 1500 + 10 * len(loss),
        "utilisation": 88.0,
    }
    at = np.linspace(0, steps - 1, validations + 1).astype(int)[1:]
    _csv(
        folder / "cost.csv",
        "step,cost,value",
        [f"{step},{name},{value:.6f}" for step in at for name, value in cost.items()],
    )
    config = {
        "seed_everything": seed,
        "trainer": {"max_steps": steps, "default_root_dir": str(folder)},
        "model": {
            "architecture": "unet",
            "encoder": "resnet18",
            "loss": {
                "class_path": CLASS_PATHS.get(loss, "mine.Loss"),
                "init_args": {"momentum": 0.0},
            },
        },
        "data": {"class_path": "lit_seg.data.CamVid", "init_args": {"height": height}},
        "run_dir": str(folder),
    }
    text = "# pytorch_lightning==2.6.6\n" + yaml.safe_dump(config)
    (folder / "config.yaml").write_text(text)
    if pictures:
        _write_pictures(folder / "pictures", recall, random)
    if finished:
        labelled, _, hits = counts.sum(axis=(0, 1))
        per_class = class_scores(counts.sum(axis=0))
        scores = run_scores(names, PIXELS[:classes], per_class, hits / labelled)
        write_summary(folder, steps, scores)
    return folder


def rescore(folder: Path) -> None:
    """Give a finished run the scores of its ``val_images.csv``; its log says no more."""
    counts = load_images(folder).groupby("class")[COUNTS].sum()
    dataset = load_dataset(folder)
    sums = counts.reindex(dataset["class"], fill_value=0).to_numpy()
    pixels = dataset["train_pixels"].tolist()
    scores = run_scores(
        dataset["class"].tolist(), pixels, class_scores(sums), float(pixel_accuracy(sums))
    )
    summary = read_summary(folder)
    assert summary is not None
    write_summary(folder, summary.steps, scores)
    log = folder / "metrics.csv"
    pd.read_csv(log).drop(columns="val/miou").to_csv(log, index=False)


def _counts(
    random: np.random.Generator,
    recall: np.ndarray,
    precision: np.ndarray,
    images: int,
    never: Sequence[bool],
) -> np.ndarray:
    """``(I, C, 3)``: the same labels for every run."""
    truth = default_rng(7)
    share = np.array(PIXELS[: len(recall)], float)
    labelled = truth.gamma(1.5, share / share.sum() * _AREA / 1.5, (images, len(share)))
    labelled = (labelled * (truth.random(labelled.shape) < 0.8)).astype(int)
    labelled[0] += 1  # every class is somewhere
    difficulty = random.normal(0, 0.05, labelled.shape)
    hits = (labelled * np.clip(recall + difficulty, 0, 1)).astype(int)
    predicted = (hits / np.clip(precision + difficulty, 0.05, 1)).astype(int)
    predicted = np.maximum(predicted, hits)
    hits[:, list(never)] = predicted[:, list(never)] = 0
    return np.stack([labelled, predicted, hits], axis=-1)


def _write_metrics(
    folder: Path,
    names: Sequence[str],
    sums: np.ndarray,
    steps: int,
    logged: int,
    validations: int,
    speed: float,
) -> None:
    labelled, predicted, hits = sums.T.astype(float)
    with np.errstate(all="ignore"):
        scores = {
            "iou": hits / (labelled + predicted - hits),
            "recall": hits / labelled,
            "precision": hits / predicted,
        }
    keys = [f"val/{stat}/{name}" for stat in scores for name in names]
    header = ["step", "train/loss", "train/lr", "val/ce", "val/miou", "val/macc"]
    header += ["val/mprec", "val/pixel_acc", *keys]
    rows = []
    validated = {int(s) for s in np.linspace(0, steps - 1, validations + 1)[1:]}
    for step in sorted(validated | {int(s) for s in np.linspace(0, steps - 1, logged)}):
        done = (step + 1) / steps
        cells = [str(step), f"{2 * np.exp(-3 * done):.5f}", "0.001"]
        if step in validated:
            grown = (1 - np.exp(-3 * speed * done)) / (1 - np.exp(-3 * speed))
            now = {stat: value * grown for stat, value in scores.items()}
            means = [np.nanmean(now[stat]) for stat in now]
            cells += [
                "0.5",
                *(f"{mean:.6f}" for mean in means),
                f"{hits.sum() / labelled.sum():.6f}",
            ]
            cells += [f"{v:.6f}" for stat in now for v in now[stat]]
        rows.append(",".join(cells + [""] * (len(header) - len(cells))))
    _csv(folder / "metrics.csv", ",".join(header), rows)


def _write_classes(
    folder: Path,
    names: Sequence[str],
    recall: np.ndarray,
    steps: int,
    logged: int,
    speed: float,
    random: np.random.Generator,
) -> None:
    rows = []
    for step in np.linspace(0, steps - 1, logged).astype(int):
        done = (step + 1) / steps
        found = np.clip(recall * (1 - np.exp(-3 * speed * done)), 0, 1)
        found = np.clip(found + random.normal(0, 0.03, len(names)), 0, 1)
        stats = {"recall": found, "miss": 1 - found, "focal": 1 - found * 0.8}
        for stat in ("miss", "focal"):
            stats[f"{stat}_norm"] = stats[stat] / stats[stat].sum()
        stats["recall_focal_ratio"] = stats["miss_norm"] / stats["focal_norm"]
        stats["gradient_share"] = stats["miss_norm"]
        there = random.random(len(names)) < 0.95
        rows += [
            f"{step},{stat},{name},{value:.6g}"
            for stat, values in stats.items()
            for name, value, seen in zip(names, values, there, strict=True)
            if seen
        ]
    _csv(folder / "classes.csv", "step,stat,class,value", rows)


def _write_pictures(folder: Path, recall: np.ndarray, random: np.random.Generator) -> None:
    """Four scenes: bands of the frequent classes, boxes of the rare ones, and errors in both."""
    folder.mkdir()
    truth_random = default_rng(3)
    number = len(recall)
    for k in range(4):
        y, x = np.mgrid[:120, :160]
        horizon = 40 + 8 * np.sin(x / 25 + k)
        truth = np.where(y > horizon + 25, 0, np.where(y > horizon - 15, min(1, number - 1), 2))
        truth = np.minimum(truth, number - 1).astype(np.uint8)
        for c in range(min(3, number - 1), number):
            top, left = truth_random.integers(10, 80), truth_random.integers(0, 140)
            size = 40 // (c - 1 if c > 1 else 1) + 3
            truth[top : top + size, left : left + size] = c
        truth[:3] = 255
        guess = truth.copy()
        missed = random.random(truth.shape) > recall[np.minimum(truth, number - 1)]
        guess[missed] = np.roll(truth, 9, axis=1)[missed]
        guess[guess == 255] = 0
        photo = np.stack([truth * 20 + 30, 90 + y, x], axis=-1).astype(np.uint8)
        Image.fromarray(photo).save(folder / f"image{k:03}_image.jpg", quality=90)
        Image.fromarray(truth).save(folder / f"image{k:03}_truth.png")
        Image.fromarray(guess).save(folder / f"image{k:03}_prediction.png")


def _csv(path: Path, header: str, rows: Sequence[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")
