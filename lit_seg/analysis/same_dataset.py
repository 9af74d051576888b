"""Which runs are of one dataset: those of others must be neither pooled nor compared unnoticed."""

from collections.abc import Sequence
from pathlib import Path

from lit_seg.errors import RunError
from lit_seg.runs.layout import DATASET
from lit_seg.runs.reader import load_dataset
from lit_seg.runs.run import Run
from lit_seg.runs.summary import same_length


def datasets(runs: Sequence[Run]) -> dict[Path, str]:
    """The name of the dataset of each run, by its folder.

    It is that of the run's path or configuration. Names are one, that of the shorter runs, where
    they stand for budgets, as ``camvid`` and ``camvid_x3`` do: ``dataset.csv`` and the options of
    the data are the same, and no number of steps is in both.

    Raises:
        RunError: if two have other classes, or other pixels to train on.
    """
    _refuse_others(runs)
    steps: dict[tuple[tuple[str, str], ...], dict[str, set[int]]] = {}
    for run in runs:
        if of_run := _options(run):
            steps.setdefault(of_run, {}).setdefault(run.data, set()).add(run.steps)
    return {run.path: _shared_name(run.data, steps.get(_options(run), {})) for run in runs}


def _refuse_others(runs: Sequence[Run]) -> None:
    known: tuple[str, dict[str, int]] | None = None
    for run in runs:
        if not (run.path / DATASET).is_file():
            continue
        table = load_dataset(run.path)
        pixels = dict(zip(map(str, table["class"]), map(int, table["train_pixels"]), strict=True))
        first, expected = known = known or (run.name, pixels)
        if list(pixels) != list(expected):
            raise RunError(
                f"{run.name} has other classes than {first}; compare runs of one dataset"
            )
        for name, number in pixels.items():
            if number != expected[name]:
                raise RunError(
                    f"{run.name} was trained on other data than {first}: {name} has {number} "
                    f"training pixels and {expected[name]}; compare runs of one dataset"
                )


def _options(run: Run) -> tuple[tuple[str, str], ...]:
    """Of the data, without where it lies; nothing where it is not known what the data is."""
    if "data.class_path" not in run.config or not (run.path / DATASET).is_file():
        return ()
    return tuple(sorted(item for item in run.config.items() if item[0].startswith("data.")))


def _shared_name(name: str, steps: dict[str, set[int]]) -> str:
    """The name for ``name``, given the numbers of steps that each name has."""
    names = sorted(steps, key=lambda other: (min(steps[other]), other))
    budgets = not any(
        same_length(a, b)
        for i, one in enumerate(names)
        for other in names[i + 1 :]
        for a in steps[one]
        for b in steps[other]
    )
    return names[0] if names and budgets else name
