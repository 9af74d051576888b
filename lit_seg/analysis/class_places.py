"""Names classes by their training images, where each seed draws which class is rare."""

from collections.abc import Sequence
from dataclasses import replace

from lit_seg.runs.run import Run
from lit_seg.runs.summary import RunScores

NOTE = (
    "Each seed draws which class is frequent and which is rare: a class here is the one of each "
    "run that has so many training images, of another name in another seed"
)


def by_place(runs: Sequence[Run]) -> list[Run]:
    """Give the classes of the runs common names and a common order, from frequent to rare.

    That is done with classifiers whose runs have the same classes and the same counts, but in
    another order for another seed. All other runs are returned as they are.
    """
    counts = [
        {c: int(row["train_pixels"]) for c, row in run.scores.classes.items()} for run in runs
    ]
    first = counts[0]
    of_seed = {run.seed: each for run, each in zip(runs, counts, strict=True)}
    drawn = all(
        "model.rule" in run.config
        and list(each) == list(first)
        and sorted(each.values()) == sorted(first.values())
        and each == of_seed[run.seed]
        for run, each in zip(runs, counts, strict=True)
    )
    if not drawn or all(each == first for each in counts):
        return list(runs)
    return [_renamed(run, each) for run, each in zip(runs, counts, strict=True)]


def _renamed(run: Run, counts: dict[str, int]) -> Run:
    """Name and order the classes by their counts; of equal ones the lower id comes first."""
    places: dict[str, str] = {}
    for name, number in sorted(counts.items(), key=lambda item: -item[1]):
        alike = sum(counts[other] == number for other in places)
        places[name] = f"{number} images" + f" ({alike + 1})" * (alike > 0)
    classes = {place: run.scores.classes[name] for name, place in places.items()}
    assert run.summary is not None
    summary = replace(run.summary, scores=RunScores(run.scores.overall, classes))
    return replace(run, summary=summary, places=places)
