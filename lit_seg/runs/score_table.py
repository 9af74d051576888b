"""Writes the scores of a run as a table for people: classes, groups of classes, and means."""

from collections.abc import Iterable, Sequence

from lit_seg.files.escape import markdown
from lit_seg.metrics.scores import CLASS_STATS, class_mean
from lit_seg.runs.summary import RunScores

HEADER = ("class", "train pixels %", "IoU %", "recall %", "precision %")

Row = tuple[str, float, float, float, float]
"""A class or group, then its share of training pixels, IoU, recall and precision in percent."""


def class_rows(scores: RunScores) -> list[Row]:
    """Make a row per class, the most frequent in training first, then means of the groups."""
    pixels = scores.column("train_pixels")
    columns = [scores.column(stat) for stat in CLASS_STATS]
    names, groups = list(scores.classes), scores.groups()

    def row(name: str, classes: Sequence[int]) -> Row:
        share = 100 * pixels[classes].sum() / max(1, pixels.sum())
        iou, recall, precision = (100 * float(class_mean(values[classes])) for values in columns)
        return name, float(share), iou, recall, precision

    means = [row(f"{label} ({len(group)})", group) for label, group in groups.items()]
    return [row(names[c], [c]) for group in groups.values() for c in group] + means


def means_line(scores: RunScores) -> str:
    """Write the means over classes in one line, with the number of classes that were scored."""
    iou, overall = scores.column("iou"), scores.overall
    return (
        f"mIoU {overall['miou']:.4f} over {(iou == iou).sum()} of {len(iou)} classes   "
        f"mean accuracy (recall) {overall['macc']:.4f}   mean precision {overall['mprec']:.4f}   "
        f"pixel accuracy {overall['pixel_acc']:.4f}"
    )


def markdown_table(scores: RunScores) -> str:
    """Write the rows as a Markdown table, and the means below it."""
    rows = [[*map(markdown, cells(row))] for row in class_rows(scores)]
    return "\n".join([*markdown_lines(HEADER, rows), "", means_line(scores), ""])


def markdown_lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write the lines of a Markdown table of a name and numbers; the cells are Markdown already."""
    head, *body = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    return [head, "|---|" + "---:|" * (len(header) - 1), *body]


def cells(row: Row) -> list[str]:
    """Write the cells of a row."""
    name, share, *scores = row
    return [name, f"{share:.2f}", *("n/a" if s != s else f"{s:.1f}" for s in scores)]
