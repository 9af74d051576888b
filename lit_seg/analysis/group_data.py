"""Reads the counts per image, the masks and the scores of methods from the files of their runs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lit_seg.analysis.image_counts import Cube, ImageCounts
from lit_seg.analysis.run_groups import Method
from lit_seg.errors import RunError
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS, size_bin
from lit_seg.metrics.scores import CLASS_STATS, LABELLED, STATS, class_scores, from_classes
from lit_seg.runs.layout import DATASET, VAL_IMAGES
from lit_seg.runs.reader import COUNTS, load_dataset, load_images


def read_counts(
    methods: Sequence[Method], classes: Sequence[str]
) -> tuple[list[str], dict[tuple[str, int], ImageCounts]]:
    """Read the counts per image of the runs that have them, and the sorted names of all images."""
    runs = [(method.label, run) for method in methods for run in method.runs]
    counted = [(label, run) for label, run in runs if (run.path / VAL_IMAGES).is_file()]
    tables = {}
    for label, run in counted:
        table = load_images(run.path)
        if run.places:
            table["class"] = table["class"].map(lambda name, run=run: run.places.get(name, name))
        tables[label, run.seed] = table
    images = sorted({name for table in tables.values() for name in table["image"]})
    return images, {key: counts_of(table, images, classes) for key, table in tables.items()}


def read_dataset(methods: Sequence[Method]) -> tuple[list[str], list[int], list[str]]:
    """Read class names in id order, their training pixels, and their colours if the runs say."""
    runs = [run for method in methods for run in method.runs]
    run = next((run for run in runs if (run.path / DATASET).is_file()), runs[0])
    names, pixels = list(run.scores.classes), run.scores.column("train_pixels").astype(int).tolist()
    if (run.path / DATASET).is_file():  # the same in all runs, or they would not be compared
        return names, pixels, load_dataset(run.path)["colour"].tolist()
    return names, pixels, []


def counts_of(rows: pd.DataFrame, images: Sequence[str], classes: Sequence[str]) -> ImageCounts:
    """Make counts per image of the rows of ``val_images.csv``; no row means zero."""
    i = pd.Index(images).get_indexer(rows["image"])
    c = pd.Index(classes).get_indexer(rows["class"])
    if (c < 0).any():
        unknown = rows["class"].to_numpy()[c < 0][0]
        raise RunError(f"class {unknown!r} of {VAL_IMAGES} is none of its run; is the run whole?")
    counts = rows[COUNTS].to_numpy(np.int64)
    return ImageCounts.at((len(images), len(classes)), i, c, counts)


def masks_of(counts: ImageCounts | Cube) -> pd.DataFrame:
    """List every mask, as ``mask_sizes.py`` defines it: image id, class id, size, bin, recall."""
    counts = np.asarray(counts)
    labelled = counts[..., LABELLED]
    image, cls = np.nonzero(labelled)
    size = labelled[image, cls] / labelled.sum(axis=1)[image]
    bins = pd.Categorical.from_codes(size_bin(size), list(MASK_SIZE_BINS), ordered=True)
    recall = class_scores(counts)[1][image, cls]
    return pd.DataFrame({"image": image, "class": cls, "size": size, "bin": bins, "recall": recall})


def masks_of_runs(counts: Mapping[tuple[str, int], ImageCounts]) -> pd.DataFrame:
    """List every mask of every run: method, seed, and the columns of ``masks_of``."""
    tables = {key: masks_of(of_run) for key, of_run in counts.items()}
    return pd.concat(tables, names=["method", "seed"]).reset_index(["method", "seed"])


def recall_by_size(masks: pd.DataFrame) -> pd.DataFrame:
    """Average recall over the masks of each size; columns are method, seed, bin and value."""
    groups = masks.groupby(["method", "seed", "bin"], observed=True, sort=False)
    return groups["recall"].mean().rename("value").reset_index()


def scores_of(methods: Sequence[Method], tail: Sequence[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the frames ``class_scores`` and ``scores`` of a ``Comparison`` from its runs."""
    runs = {(method.label, run.seed): run.scores for method in methods for run in method.runs}
    tables = [pd.DataFrame.from_dict(scores.classes, orient="index") for scores in runs.values()]
    per_class = pd.concat(tables, keys=runs, names=["method", "seed", "class"])[[*CLASS_STATS]]
    overall = []
    for scores in runs.values():
        iou, recall, precision = map(scores.column, CLASS_STATS)
        pixel_acc = np.array(scores.overall["pixel_acc"])
        overall.append(from_classes(iou, recall, precision, pixel_acc, tail))
    index = pd.MultiIndex.from_tuples(runs, names=["method", "seed"])
    both = per_class, pd.DataFrame(overall, index, STATS)
    of_classes, of_runs = (t.melt(var_name="stat", ignore_index=False).reset_index() for t in both)
    return of_classes, of_runs
