"""Loads runs as tables of one form, for notebooks, figures and comparisons.

A source is the folder of a run or one above runs, an offline W&B run (``wandb/offline-run-*``), or
``wandb://entity/project[/run_id]``. A run gives the same rows from each of them. A source that is
no run, holds none, or is damaged raises a ``RunError`` that names it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.files.yaml_file import read_yaml
from lit_seg.runs.csv_rows import numbers, read_table, rows_of_folder
from lit_seg.runs.layout import CLASSES, CONFIG, DATASET, EVALUATION, METRICS, VAL_IMAGES
from lit_seg.runs.run_name import RunName, name_of_config, name_of_place, short_names
from lit_seg.runs.wandb_reader import SCHEME, offline_runs, online_runs

Source = str | Path

COUNTS = ["labelled", "predicted", "hits"]


def load_runs(sources: Source | Sequence[Source]) -> pd.DataFrame:
    """Load all that runs logged, a row per value.

    Returns:
        Columns ``run, data, model, loss, seed, step, stat, class, value``. ``stat`` is the key in
        W&B without its class: ``train/loss``, ``val/iou``, ``class/weight``, ``cost/step_seconds``;
        ``class`` is empty for what is of no class; a ``value`` is NaN where it was logged as not
        defined, such as the precision of a class that is never predicted. Runs are in the order
        of the sources, then of their paths; rows of a run by stat, class and step. ``run`` is
        ``<data>/<model>/<loss>/seed<k>``, with more of the path where several runs share that.
    """
    found: list[tuple[RunName, pd.DataFrame]] = []
    files: list[Path] = []
    for kind, place in _find(sources):
        if kind == "folder":
            found.append((_name(Path(place)), rows_of_folder(Path(place))))
        elif kind == "offline":
            files.append(Path(place))
        else:
            found += online_runs(str(place))
    found += offline_runs(files)
    short = short_names([name for name, _ in found])
    return _joined([(run, *pair) for run, pair in zip(short, found, strict=True)])


def load_images(sources: Source | Sequence[Source]) -> pd.DataFrame:
    """Load the pixel counts of the last validation of runs in folders, per image and class.

    Returns:
        Columns ``run, data, model, loss, seed, image, class, labelled, predicted, hits``. Summed
        over images, recall is hits / labelled, precision hits / predicted and IoU
        hits / (labelled + predicted - hits).
    """
    tables = []
    for run, (folder, name) in run_places(sources).items():
        table = _counts(folder / VAL_IMAGES, ["image", "class", *COUNTS], COUNTS)
        least = table[["labelled", "predicted"]].min(axis=1)
        if len(wrong := table[(table["hits"] < 0) | (table["hits"] > least)]):
            row = wrong.iloc[0]
            raise RunError(
                f"{folder / VAL_IMAGES}: the row of {row['class']} in {row['image']} is damaged, "
                "its hits are not between 0 and its pixels; train the run anew"
            )
        tables.append((run, name, table))
    return _joined(tables)


def load_dataset(run: Source) -> pd.DataFrame:
    """Load the classes of a run's dataset by id: ``class, train_pixels, colour`` (``#rrggbb``)."""
    if not Path(run).is_dir():
        raise RunError(f"{run}: there is no such folder; give the folder of a run")
    return _counts(Path(run) / DATASET, ["class", "train_pixels", "colour"], ["train_pixels"])


def run_folders(sources: Source | Sequence[Source]) -> dict[str, Path]:
    """Find the folder of each run, by the name that it has in the tables."""
    return {run: folder for run, (folder, _) in run_places(sources).items()}


def run_places(sources: Source | Sequence[Source]) -> dict[str, tuple[Path, RunName]]:
    """Find the folder and the names of each run, by the name that it has in the tables."""
    found: dict[str, tuple[Path, RunName]] = {}
    for source in _listed(sources):
        places = list(_find([source]))
        folders = [Path(place) for kind, place in places if kind == "folder"]
        if not folders:
            raise RunError(
                f"{places[0][1]}: is of W&B, which keeps no {VAL_IMAGES}; give the run's folder"
            )
        found |= {os.path.realpath(folder): (folder, _name(folder)) for folder in folders}
    short = short_names([name for _, name in found.values()])
    return dict(zip(short, found.values(), strict=True))


def newest_run(root: Source = "runs") -> Path:
    """Find the run below ``root`` that was written to last."""
    found = (log for name in (METRICS, CLASSES) for log in Path(root).glob(f"**/{name}"))
    logs = [log for log in found if log.parent.parent.name != EVALUATION]
    if not logs:
        raise RunError(f"{root}: holds no run yet; `make train` makes one")
    return max(logs, key=lambda log: (log.stat().st_mtime, log)).parent


def _find(sources: Source | Sequence[Source]) -> Iterator[tuple[str, Source]]:
    """Find each run once: its kind, and its folder, ``.wandb`` file or address."""
    seen: set[str] = set()
    for source in _listed(sources):
        online = str(source).startswith(SCHEME)
        for kind, place in [("online", source)] if online else _walk(Path(source)):
            if (key := os.path.realpath(place)) not in seen:
                seen.add(key)
                yield kind, place


def _listed(sources: Source | Sequence[Source]) -> Sequence[Source]:
    return [sources] if isinstance(sources, str | Path) else sources


def _walk(source: Path) -> list[tuple[str, Source]]:
    """Find the runs at and below a folder, sorted; the W&B files in a run's folder do not count."""
    if source.suffix == ".wandb" and source.is_file():
        return [("offline", source)]
    if not source.is_dir():
        raise RunError(f"{source}: there is no such folder; give a run or a folder of runs")
    found: list[tuple[str, Source]] = []
    for root, folders, files in os.walk(source):
        folders.sort()
        logs = sorted(file for file in files if file.endswith(".wandb"))
        here = [("offline", Path(root) / log) for log in logs]
        if METRICS in files or CLASSES in files:
            here = [("folder", Path(root))]
        if here:
            folders.clear()
        found += here
    if not found:
        begun = f"has a {CONFIG} but logged nothing yet" if (source / CONFIG).is_file() else ""
        raise RunError(
            f"{source}: {begun or f'holds no run, which would have a {METRICS}'}; "
            "give a run or a folder of runs"
        )
    return found


def _name(folder: Path) -> RunName:
    place = Path(os.path.abspath(folder)).parts
    name = name_of_place(place)
    if name is None:
        with suppress(RunError):
            name = name_of_config(place, read_yaml(folder / CONFIG))
    if name is None:
        raise RunError(
            f"{folder}: its path does not end in <data>/<model>/<loss>/seed<k>, and no {CONFIG} in "
            "it says what was trained; move it to such a path"
        )
    return name


def _counts(path: Path, columns: list[str], counts: list[str]) -> pd.DataFrame:
    """Read columns of a file that validation writes; those of ``counts`` are whole numbers."""
    if not path.is_file():
        raise RunError(
            f"{path}: is not there, the run was not validated yet or is of an older version; wait "
            "for its first validation, or train it anew"
        )
    types = dict.fromkeys(counts, int)
    return numbers(read_table(path, columns)[columns], path, types, "train the run anew")


def _joined(tables: Sequence[tuple[str, RunName, pd.DataFrame]]) -> pd.DataFrame:
    """Put the tables of runs below each other, with the names of the runs in front."""
    named = []
    for run, name, table in tables:
        names = {key: getattr(name, key) for key in ("data", "model", "loss", "seed")}
        named.append(table.assign(run=run, **names)[["run", *names, *table]])
    return pd.concat(named, ignore_index=True)
