"""Runs as tables: one loader, one schema, for notebooks, figures and comparisons.

A source is the folder of a run or one above runs, an offline W&B run (``wandb/offline-run-*``), or
``wandb://entity/project[/run_id]``. A run gives the same rows from each of them.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import yaml

from lit_seg.errors import RunError
from lit_seg.runs.csv_rows import read_table, rows_of_folder
from lit_seg.runs.layout import CLASSES, CONFIG, DATASET, METRICS, VAL_IMAGES
from lit_seg.runs.run_name import RunName, name_of_config, name_of_place, short_names
from lit_seg.runs.wandb_reader import SCHEME, offline_runs, online_runs

Source = str | Path

COUNTS = ["labelled", "predicted", "hits"]


def load_runs(sources: Source | Sequence[Source]) -> pd.DataFrame:
    """All that runs logged, a row per value.

    Returns:
        Columns ``run, data, model, loss, seed, step, stat, class, value``. ``stat`` is the key in
        W&B without its class: ``train/loss``, ``val/iou``, ``class/weight``, ``cost/step_seconds``;
        ``class`` is empty for what is of no class; a ``value`` is NaN where it was logged as not
        defined, such as the precision of a class that is never predicted. Runs are in the order
        of the sources, then of their paths; rows of a run by stat, class and step. ``run`` is
        ``<data>/<model>/<loss>/seed<k>``, with more of the path where several runs share that.

    Raises:
        RunError: if a source is no run, holds none, or is damaged.
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
    """Pixel counts of the last validation of runs, per image and class.

    Returns:
        Columns ``run, data, model, loss, seed, image, class, labelled, predicted, hits``. Summed
        over images, recall is hits / labelled, precision hits / predicted and IoU
        hits / (labelled + predicted - hits).

    Raises:
        RunError: if a source is no run folder, a run was never validated, or a row is damaged.
    """
    tables = []
    for run, (folder, name) in run_places(sources).items():
        path = folder / VAL_IMAGES
        table = _required(path, ["image", "class", *COUNTS])
        table = _integers(table[["image", "class", *COUNTS]], COUNTS, path)
        least = table[["labelled", "predicted"]].min(axis=1)
        if len(wrong := table[(table["hits"] < 0) | (table["hits"] > least)]):
            row = wrong.iloc[0]
            raise RunError(
                f"{path}: the row of {row['class']} in {row['image']} is damaged, its hits are not "
                "between 0 and its pixels; train the run anew"
            )
        tables.append((run, name, table))
    return _joined(tables)


def load_dataset(run: Source) -> pd.DataFrame:
    """The classes of a run's dataset in the order of their ids.

    Returns:
        Columns ``class, train_pixels, colour``, the last as ``#rrggbb``.

    Raises:
        RunError: if it is no run folder, or an older one without ``dataset.csv``.
    """
    path = Path(run) / DATASET
    if not Path(run).is_dir():
        raise RunError(f"{run}: there is no such folder; give the folder of a run")
    table = _required(path, ["class", "train_pixels", "colour"])
    return _integers(table, ["train_pixels"], path)[["class", "train_pixels", "colour"]]


def run_folders(sources: Source | Sequence[Source]) -> dict[str, Path]:
    """The folder of each run, by the name that it has in the tables.

    Raises:
        RunError: if a source is no run folder and holds none.
    """
    return {run: folder for run, (folder, _) in run_places(sources).items()}


def run_places(sources: Source | Sequence[Source]) -> dict[str, tuple[Path, RunName]]:
    """The folder and the names of each run, by the name that it has in the tables.

    Raises:
        RunError: if a source is no run folder and holds none.
    """
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
    """The run below ``root`` that was written to last.

    Raises:
        RunError: if there is none.
    """
    logs = [log for name in (METRICS, CLASSES) for log in Path(root).glob(f"**/{name}")]
    if not logs:
        raise RunError(f"{root}: holds no run yet; `make train` makes one")
    return max(logs, key=lambda log: (log.stat().st_mtime, log)).parent


def _find(sources: Source | Sequence[Source]) -> Iterator[tuple[str, Source]]:
    """Each run once: its kind, and its folder, ``.wandb`` file or address."""
    seen: set[str] = set()
    for source in _listed(sources):
        online = str(source).startswith(SCHEME)
        for kind, place in [("online", str(source))] if online else _walk(Path(source)):
            key = str(place) if kind == "online" else os.path.realpath(place)
            if key not in seen:
                seen.add(key)
                yield kind, place


def _listed(sources: Source | Sequence[Source]) -> Sequence[Source]:
    return [sources] if isinstance(sources, str | Path) else sources


def _walk(source: Path) -> Iterator[tuple[str, Source]]:
    """The runs at and below a folder, sorted; a run's own W&B files say the same again."""
    if source.suffix == ".wandb" and source.is_file():
        yield "offline", source
        return
    if not source.is_dir():
        raise RunError(f"{source}: there is no such folder; give a run or a folder of runs")
    empty = True
    for root, folders, files in os.walk(source):
        folders.sort()
        logs = sorted(file for file in files if file.endswith(".wandb"))
        found = [("offline", Path(root) / log) for log in logs]
        if METRICS in files or CLASSES in files:
            found = [("folder", Path(root))]
        if found:
            folders.clear()
            empty = False
            yield from found
    if empty:
        begun = f"has a {CONFIG} but logged nothing yet" if (source / CONFIG).is_file() else ""
        raise RunError(
            f"{source}: {begun or f'holds no run, which would have a {METRICS}'}; "
            "give a run or a folder of runs"
        )


def _name(folder: Path) -> RunName:
    place = Path(os.path.abspath(folder)).parts
    name = name_of_place(place)
    if name is None:
        with suppress(OSError, ValueError, yaml.YAMLError):
            name = name_of_config(
                place, yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
            )
    if name is None:
        raise RunError(
            f"{folder}: its path does not end in <data>/<model>/<loss>/seed<k>, and no {CONFIG} in "
            "it says what was trained; move it to such a path"
        )
    return name


def _required(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise RunError(
            f"{path}: is not there, the run was not validated yet or is of an older version; wait "
            "for its first validation, or train it anew"
        )
    return read_table(path, columns)


def _integers(table: pd.DataFrame, columns: list[str], path: Path) -> pd.DataFrame:
    try:
        return table.astype(dict.fromkeys(columns, int))
    except ValueError as error:
        raise RunError(f"{path}: holds what is no count ({error}); train the run anew") from None


def _joined(tables: Sequence[tuple[str, RunName, pd.DataFrame]]) -> pd.DataFrame:
    """The tables of runs below each other, with the names of the runs in front."""
    named = []
    for run, name, table in tables:
        names = {"run": run} | {
            key: getattr(name, key) for key in ("data", "model", "loss", "seed")
        }
        named.append(table.assign(**names)[[*names, *table]])
    return pd.concat(named, ignore_index=True)
