"""Validation images with their truth and what each loss predicts, and an inset on a rare class."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.run_groups import Run
from lit_seg.data.overlays import distinct_colours
from lit_seg.metrics.labels import VOID
from lit_seg.report.blocks import Pictures, Tile
from lit_seg.runs.layout import PICTURES

Label = npt.NDArray[np.uint8]

_WIDEST = 320  # pixels; larger pictures are thinned out
_INSET = 0.36  # of width and height
_FEWEST = 12  # pixels of a class to look at


def pictures_of(comparison: Comparison) -> list[Pictures]:
    """A block per image that runs left in ``pictures/``, each arm's first common seed."""
    runs = _runs(comparison)
    if not runs:
        return []
    folder = runs[0][1].path / PICTURES
    names = sorted(  # which may lie in subfolders
        path.relative_to(folder).as_posix().removesuffix("_truth.png")
        for path in folder.rglob("*_truth.png")
    )
    looked_at: set[int] = set()
    blocks = []
    for number, name in enumerate(names, 1):
        truth = _label(folder / f"{name}_truth.png")
        assert truth is not None
        rare = _rarest(comparison, truth, looked_at)
        looked_at |= set() if rare is None else {rare}
        blocks.append(_block(comparison, runs, name, number, truth, rare))
    return blocks


def colours_of(comparison: Comparison) -> list[str]:
    """``#rrggbb`` of each class, of the dataset if the runs say."""
    made_up = ["#" + bytes(c).hex() for c in distinct_colours(len(comparison.classes))]
    return comparison.colours or made_up


def _runs(comparison: Comparison) -> list[tuple[str, Run]]:
    """Label and run of each arm that has pictures, of the lowest seed that most arms have."""
    there = [
        (arm.label, run)
        for arm in comparison.arms
        for run in arm.runs
        if (run.path / PICTURES).is_dir()
    ]
    seeds = [run.seed for _, run in there]
    if not seeds:
        return []
    seed = min(set(seeds), key=lambda s: (-seeds.count(s), s))
    return [(label, run) for label, run in there if run.seed == seed]


def _block(
    comparison: Comparison,
    runs: Sequence[tuple[str, Run]],
    name: str,
    number: int,
    truth: Label,
    rare: int | None,
) -> Pictures:
    first = runs[0][1].path / PICTURES
    step = -(-truth.shape[1] // _WIDEST)
    box = _box(truth, rare)
    colours = _palette(comparison)
    tiles = []
    photo = first / f"{name}_image.jpg"
    if photo.is_file():
        with Image.open(photo) as image:
            rgb = image.convert("RGB").resize(truth.shape[::-1])
        inset = rgb.crop((box[1], box[0], box[1] + box[3], box[0] + box[2]))
        small = rgb.resize((truth.shape[1] // step, truth.shape[0] // step))
        tiles.append(Tile("image", _jpeg(small), _jpeg(inset), [], "image/jpeg"))
    tiles.append(_tile("truth", truth, box, step, colours, []))
    for label, run in runs:
        path = run.path / PICTURES / f"{name}_prediction.png"
        prediction = _label(path)
        if prediction is not None and prediction.shape == truth.shape:
            lines = _errors(comparison, truth, prediction, rare)
            tiles.append(_tile(label, prediction, box, step, colours, lines))
    rows, columns = truth.shape
    rare_name = comparison.classes[rare] if rare is not None else ""
    title = f"{name}, looking at {rare_name}" if rare_name else name
    return Pictures(
        name=f"pictures_{number}",
        title=title,
        tiles=tiles,
        box=(box[1] / columns, box[0] / rows, box[3] / columns, box[2] / rows),
        size=(columns // step, rows // step),
        alt=f"validation image {name}",
    )


def _rarest(comparison: Comparison, truth: Label, looked_at: set[int]) -> int | None:
    """The class least frequent in training that the truth shows, if possible a new one."""
    rarest_first = reversed(comparison.by_frequency())
    shown = [c for c in rarest_first if (truth == c).sum() >= _FEWEST]
    return next((c for c in shown if c not in looked_at), shown[0] if shown else None)


def _box(truth: Label, rare: int | None) -> tuple[int, int, int, int]:
    """Top, left, height and width of the window with the most pixels of the class."""
    rows, columns = truth.shape
    height, width = max(1, round(rows * _INSET)), max(1, round(columns * _INSET))
    if rare is None:
        return (rows - height) // 2, (columns - width) // 2, height, width
    sums = np.pad((truth == rare).astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = (
        sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
        + sums[:-height, :-width]
    )  # fmt: skip
    # of windows with the same pixels the middle one, so that what is around is seen too
    best = np.argwhere(inside == inside.max())
    middle = best[np.abs(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return int(middle[0]), int(middle[1]), height, width


def _errors(comparison: Comparison, truth: Label, prediction: Label, rare: int | None) -> list[str]:
    valid = truth != VOID
    wrong = int((valid & (truth != prediction)).sum())
    lines = [f"{wrong:,} pixels wrong ({100 * wrong / max(1, valid.sum()):.1f} %)"]
    if rare is not None:
        labelled, predicted = truth == rare, (prediction == rare) & valid
        hits = int((labelled & predicted).sum())
        name = comparison.classes[rare]
        lines.append(f"{name}: {hits} of {labelled.sum()}, {predicted.sum() - hits} false")
    return lines


def _tile(
    name: str,
    label: Label,
    box: tuple[int, int, int, int],
    step: int,
    colours: list[int],
    lines: list[str],
) -> Tile:
    top, left, height, width = box
    part = label[top : top + height, left : left + width]
    return Tile(name, _png(label[::step, ::step], colours), _png(part, colours), lines)


def _label(path: Path) -> Label | None:
    """8-bit class ids; nothing if there is no such file."""
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return np.array(image, np.uint8)


def _palette(comparison: Comparison) -> list[int]:
    """256 times red, green, blue; void is black."""
    rgb = [int(colour[i : i + 2], 16) for colour in colours_of(comparison) for i in (1, 3, 5)]
    return rgb + [0] * (768 - len(rgb))


def _png(label: Label, colours: list[int]) -> bytes:
    image = Image.fromarray(label)
    image.putpalette(colours)
    file = io.BytesIO()
    image.save(file, format="png", optimize=True)
    return file.getvalue()


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="jpeg", quality=80, optimize=True)
    return file.getvalue()
