"""Drawing a dataset: images, their labels, and the frequency of each class."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lit_seg.cli.commands.data.dataset_argument import dataset_of, split_counts
from lit_seg.data import SegDataModule
from lit_seg.data.card import SplitName
from lit_seg.data.counting.count import ImageCounts, class_counts
from lit_seg.errors import RunError, plural
from lit_seg.files.escape import file_name


def main(args: Sequence[str]) -> int:
    """Write the picture and print its path."""
    data, extra = dataset_of(args, "show", {"split": "train", "number": 8, "out": ""})
    if extra["out"] and not extra["out"].endswith((".png", ".pdf", ".svg", ".jpg")):
        raise RunError(f"--out must end with .png, .jpg, .svg or .pdf, got {extra['out']}")
    if not 1 <= extra["number"] <= 64:
        raise RunError(f"--number must be 1 to 64, got {extra['number']}")
    name = extra["split"]
    counts = split_counts(data, name)
    out = Path(extra["out"] or f"{file_name(data.folder)}_{name}.png")
    _draw(data, name, counts, _chosen(counts, extra["number"]), out)
    sys.stdout.write(f"{out}\n")
    return 0


def _chosen(counts: ImageCounts, number: int) -> list[int]:
    """Choose images that together show as many classes as possible, the rarest first."""
    number = min(number, len(counts))
    present = counts[:, :-1] > 0
    missing = [int(c) for c in np.argsort(present.sum(axis=0)) if present[:, c].any()]
    chosen: list[int] = []
    while missing and len(chosen) < number:
        of_rarest = np.flatnonzero(present[:, missing[0]])
        best = int(of_rarest[present[of_rarest][:, missing].sum(axis=1).argmax()])
        chosen.append(best)
        missing = [c for c in missing if not present[best, c]]
    rest = [i for i in range(len(counts)) if i not in chosen]
    step = max(1, len(rest) // max(1, number - len(chosen)))
    return sorted(chosen + rest[::step][: number - len(chosen)])


def _draw(
    data: SegDataModule, name: SplitName, counts: ImageCounts, chosen: Sequence[int], out: Path
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    from lit_seg.images.bands import as_picture
    from lit_seg.images.overlays import blend, colourise

    split = data.split(name)
    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    bars = 0.16 * len(data.names) + 1
    figure = plt.figure(figsize=(3.2 * columns, 4.4 * rows + bars), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[4.4 * rows, bars])
    axes = parts[0].subplots(2 * rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for place, index in enumerate(chosen):
        image, label = split.load(index)
        row, column = 2 * (place // columns), place % columns
        axes[row, column].imshow(as_picture(image))
        axes[row, column].set_title(split.name(index)[-32:], fontsize=7, parse_math=False)
        axes[row + 1, column].imshow(blend(image, colourise(label, data.colours)))
    totals = class_counts(counts)
    order = np.argsort(totals.pixels)
    share = 100 * np.array(totals.pixels) / max(1, sum(totals.pixels))
    axis = parts[1].subplots()
    palette = [tuple(channel / 255 for channel in data.colours[c]) for c in order]
    axis.barh(range(len(order)), share[order], color=palette, edgecolor="black", linewidth=0.3)
    axis.set_yticks(range(len(order)), [data.names[c] for c in order], fontsize=7)
    axis.set_xscale("log")
    axis.set_xlim(max(1e-4, share[share > 0].min(initial=100)) / 3, 300)  # room for the notes
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("% of the labelled pixels")
    for place, c in enumerate(order):
        images = plural(totals.images[c] if totals.images else 0, "image")
        note = f" {share[c]:.2g} %, in {images}"
        axis.text(max(share[c], 1e-4), place, note, va="center", fontsize=6)
    for text in axis.get_yticklabels():
        text.set_parse_math(False)
    figure.suptitle(f"{data.folder}, {name}: {plural(len(counts), 'image')}", parse_math=False)
    try:
        figure.savefig(out, dpi=150)
    except OSError as error:
        raise RunError(
            f"{out}: cannot be written ({error.strerror}); give another file by --out"
        ) from None
    finally:
        plt.close(figure)
