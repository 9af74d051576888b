"""Shows validation images, their truth and predictions, and an inset on a rare class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lit_seg.analysis.comparison import Comparison
from lit_seg.errors import RunError
from lit_seg.images.open_and_save import open_picture
from lit_seg.images.overlays import distinct_colours
from lit_seg.metrics.labels import VOID
from lit_seg.report.blocks import Block, Figure, Legend, Panel, Section, Text
from lit_seg.report.images import with_inset
from lit_seg.runs.layout import PICTURES

Label = npt.NDArray[np.uint8]

_WIDTH = 320  # pixels of a picture
_INSET = 0.36  # share of width and height
_FEWEST = 12  # pixels of a class to look at
_NOTE = (
    "Validation images chosen by their labels alone, with one seed of each loss. Below each image: "
    "an enlarged window on the rarest class in it that no image above was about, the wrong pixels "
    "of the whole image, and the pixels of that class that are found and predicted falsely. A few "
    "images prove nothing; the tables are for that."
)


def section(comparison: Comparison) -> Section | None:
    """Make a figure of image, truth and predictions for each image of which a run left pictures."""
    found = pictures_of(comparison)
    if not found:
        return None
    entries = [*zip(_colours(comparison), comparison.classes, strict=True), ("#000000", "void")]
    blocks: list[Block] = [Text(_NOTE), Legend("Colours", entries), *found]
    return Section("pictures", "Side by side", blocks)


def pictures_of(comparison: Comparison) -> list[Figure]:
    """Make a figure per image in the ``pictures/`` folders of runs, with one seed of each method.

    Its caption names the image and the class of the window, and the lines below a prediction are
    its label, its wrong pixels, and what it finds of that class.
    """
    folders = _folders(comparison)
    if not folders:
        return []
    folder = next(iter(folders.values()))
    names = sorted(  # which may lie in subfolders
        path.relative_to(folder).as_posix().removesuffix("_truth.png")
        for path in folder.rglob("*_truth.png")
    )
    looked_at: set[int | None] = set()
    figures = []
    for number, name in enumerate(names, 1):
        truth = _label(folder / f"{name}_truth.png")
        rarest_first = reversed(comparison.by_frequency())
        shown = [c for c in rarest_first if (truth == c).sum() >= _FEWEST]
        rare = next((c for c in shown if c not in looked_at), shown[0] if shown else None)
        looked_at.add(rare)
        caption = name if rare is None else f"{name}, looking at {comparison.classes[rare]}"
        panels = _panels(comparison, folders, name, truth, rare)
        figures.append(Figure(f"pictures_{number}", caption, caption, panels, columns=4))
    return figures


def _colours(comparison: Comparison) -> list[str]:
    """The colour ``#rrggbb`` of each class: that of the dataset if the runs have it."""
    distinct = distinct_colours(len(comparison.classes))
    return comparison.colours or ["#" + bytes(colour).hex() for colour in distinct]


def _folders(comparison: Comparison) -> dict[str, Path]:
    """Find a folder of pictures for each method, of the lowest seed that most methods have."""
    there = [
        (method.label, run.seed, run.path / PICTURES)
        for method in comparison.methods
        for run in method.runs
        if (run.path / PICTURES).is_dir()
    ]
    seeds = [seed for _, seed, _ in there]
    usual = min(seeds, key=lambda seed: (-seeds.count(seed), seed), default=None)
    return {label: folder for label, seed, folder in there if seed == usual}


def _panels(
    comparison: Comparison, folders: dict[str, Path], name: str, truth: Label, rare: int | None
) -> list[Panel]:
    """Make the panels: the photo, the truth, and the prediction of each method."""
    palette = [int(c[i : i + 2], 16) for c in _colours(comparison) for i in (1, 3, 5)]
    palette += [0] * (768 - len(palette))  # void is black
    box = _box(truth, rare)

    def panel(title: str, image: Image.Image, lines: Sequence[str] = ()) -> Panel:
        return Panel(title, with_inset(image, box, _WIDTH), [f"**{title}**", *lines])

    def coloured(label: Label) -> Image.Image:
        image = Image.fromarray(label)
        image.putpalette(palette)
        return image

    panels = []
    photo = next(iter(folders.values())) / f"{name}_image.jpg"
    if photo.is_file():
        panels.append(panel("image", _decoded(photo).convert("RGB").resize(truth.shape[::-1])))
    panels.append(panel("truth", coloured(truth)))
    for label, folder in folders.items():
        if not (path := folder / f"{name}_prediction.png").is_file():
            continue
        prediction = _label(path)
        if prediction.shape == truth.shape:
            lines = _errors(comparison, truth, prediction, rare)
            panels.append(panel(label, coloured(prediction), lines))
    return panels


def _box(truth: Label, rare: int | None) -> tuple[int, int, int, int]:
    """Find left, top, right and bottom of the window with the most pixels of the class."""
    rows, columns = truth.shape
    height, width = max(1, round(rows * _INSET)), max(1, round(columns * _INSET))
    if rare is None:
        left, top = (columns - width) // 2, (rows - height) // 2
        return left, top, left + width, top + height
    sums = np.pad((truth == rare).astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = (
        sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
        + sums[:-height, :-width]
    )  # fmt: skip
    # The middle one of windows with the same pixels also shows what is around the class.
    best = np.argwhere(inside == inside.max())
    top, left = map(int, best[np.abs(best - best.mean(axis=0)).sum(axis=1).argmin()])
    return left, top, left + width, top + height


def _errors(comparison: Comparison, truth: Label, prediction: Label, rare: int | None) -> list[str]:
    valid = truth != VOID
    wrong = int((valid & (truth != prediction)).sum())
    lines = [
        f"{wrong:,} pixel{'s' * (wrong != 1)} wrong ({100 * wrong / max(1, valid.sum()):.1f} %)"
    ]
    if rare is not None:
        labelled, predicted = truth == rare, (prediction == rare) & valid
        hits = int((labelled & predicted).sum())
        name = comparison.classes[rare]
        lines.append(f"{name}: {hits} of {labelled.sum()}, {predicted.sum() - hits} false")
    return lines


def _label(path: Path) -> Label:
    """Read the class ids in a picture of 8 bits."""
    label = np.array(_decoded(path))
    if label.dtype != np.uint8 or label.ndim != 2:
        raise RunError(f"{path}: holds no class ids of 8 bits; take it away, or predict it again")
    return label


def _decoded(path: Path) -> Image.Image:
    try:
        with open_picture(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RunError(f"{path}: cannot be read as a picture ({error}); take it away") from None
