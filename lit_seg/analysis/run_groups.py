"""Groups runs into methods. A method is one loss at one budget, with a run for each seed."""

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

from lit_seg.analysis.class_places import NOTE, by_place
from lit_seg.errors import RunError, plural
from lit_seg.runs.layout import DATASET, SUMMARY, VAL_IMAGES
from lit_seg.runs.run import Run
from lit_seg.runs.summary import same_length

_OF_LENGTH = re.compile(r"^trainer\.(max|min)_(epochs|steps|time)$")
# Options of what is written and how often, which change no weight.
_OF_LOGGING = re.compile(
    r"^(trainer\.(check_val_every_n_epoch|val_check_interval|num_sanity_val_steps|logger"
    r"|log_every_n_steps|enable_\w+)|(class_dynamics|validation_report|prediction_writer)(\..*)?)$"
)


@dataclass(frozen=True)
class Method:
    """One loss at one budget; ``label`` is unique in a comparison."""

    label: str
    loss: str
    data: str  # folders of one dataset at several budgets share a name, see ``_datasets``
    model: str
    steps: int
    runs: tuple[Run, ...]  # the finished ones, one per seed

    @property
    def seeds(self) -> list[int]:
        """The seeds in ascending order."""
        return [run.seed for run in self.runs]


def group(runs: Sequence[Run], baseline: str) -> tuple[list[Method], list[str]]:
    """Group runs into methods, those of the baseline first, and write warnings for the reader.

    Runs of a loss with different numbers of steps are different methods: the usual number has the
    label ``ce``, another ``ce, 3x``. So are those of several datasets or networks, whose names the
    labels have then. Of two finished runs of a seed the later attempt counts.
    """
    warnings = [
        f"**{run.name} is damaged and left out:** {run.damage}"
        if run.damage
        else f"{run.name} is not finished ({plural(run.steps, 'step')}) and left out"
        for run in runs
        if not run.finished
    ]
    finished = [run for run in runs if run.finished]
    if not finished:
        damaged = [f"{run.name} is damaged: {run.damage}" for run in runs if run.damage]
        found = plural(len(runs), "run")
        if damaged:
            raise RunError(f"{found} found, none can be used; {damaged[0]}")
        raise RunError(
            f"{found} found, none has finished: each would have a {SUMMARY}; wait, or go on with "
            f"them by make train RESUME={runs[0].path}"
        )
    warnings += [sentence for run in finished if (sentence := run.stopped_early())]
    warnings += [sentence for run in finished if (sentence := run.misnamed())]
    finished = by_place(finished)
    warnings += [NOTE] if finished[0].places else []
    usual = _usual_steps(finished, baseline)
    data = _datasets(finished)
    if len(several := sorted(set(data.values()))) > 1:
        warnings.append(
            f"**Runs of {len(several)} datasets or versions of one** ({', '.join(several)}): the "
            "labels tell them apart, and scores of one say nothing about those of another."
        )
    networks = {_network(run) for run in finished}
    members: dict[str, dict[int, Run]] = {}
    for run in sorted(finished, key=lambda run: run.attempt):
        names = [data[run.path]] if len(several) > 1 else []
        names += [run.model] if len(networks) > 1 else []
        label = run.loss + _budget(run.steps, usual) + (f" ({', '.join(names)})" if names else "")
        seeds = members.setdefault(label, {})
        if run.seed in seeds:
            warnings.append(
                f"seed {run.seed} of {label} was run more than once; {run.name} counts"
                + _though(run, seeds[run.seed])
            )
        seeds[run.seed] = run
    warnings += [note for label, seeds in members.items() for note in _drop_uncounted(label, seeds)]
    methods = []
    for label, seeds in members.items():
        of_label = tuple(seeds[seed] for seed in sorted(seeds))
        run = of_label[0]
        steps = run.steps if _budget(run.steps, usual) else usual
        methods.append(Method(label, run.loss, data[run.path], run.model, steps, of_label))
    # of classifiers the others are compared with `plain`, which has one head and one loss
    methods.sort(key=lambda m: (m.loss != baseline, m.model != "plain", m.steps != usual, m.label))
    of_baseline = {usual, *(method.steps for method in methods if method.loss == baseline)}
    warnings += [
        f"**{method.label} was trained for {plural(method.steps, 'step')}**, the usual number is "
        f"{usual}, and no {baseline} has as many"
        for method in methods
        if not any(same_length(method.steps, steps) for steps in of_baseline)
    ]
    return methods, warnings


def changes_training(option: str) -> bool:
    """Whether an option of the configuration may change what is learned."""
    return not _OF_LOGGING.match(option)


def config_differences(methods: Sequence[Method]) -> dict[str, dict[str, list[str]]]:
    """Find options in which runs differ although only loss and seed should.

    The result has, by option, the labels of the methods by value.

    The length of training is left out where the labels tell methods of several lengths apart.
    """
    configs = [(method.label, run.config) for method in methods for run in method.runs]
    configs = [(label, config) for label, config in configs if config]
    several_lengths = len({method.steps for method in methods}) > 1
    found = {}
    for option in sorted({option for _, config in configs for option in config}):
        if several_lengths and _OF_LENGTH.match(option):
            continue
        values: dict[str, dict[str, None]] = {}  # each label once, in order
        for label, config in configs:
            values.setdefault(config.get(option, "not set"), {})[label] = None
        if len(values) > 1:
            found[option] = {value: list(labels) for value, labels in values.items()}
    return found


def _though(run: Run, other: Run) -> str:
    """The options in which a run differs from the one that it replaces."""
    options = sorted(
        key for key in {*run.config, *other.config} if run.config.get(key) != other.config.get(key)
    )
    return f", which differs in {', '.join(options[:3])}" if options else ""


def _drop_uncounted(label: str, seeds: dict[int, Run]) -> list[str]:
    """Remove seeds without counts per image where other seeds have them, and say which."""
    without = [seed for seed, run in seeds.items() if not (run.path / VAL_IMAGES).is_file()]
    if len(without) == len(seeds):
        return []
    return [
        f"**seed {seed} of {label} is left out:** no {VAL_IMAGES} in {seeds.pop(seed).name}, the "
        "other seeds have it"
        for seed in without
    ]


def _usual_steps(runs: Sequence[Run], baseline: str) -> int:
    """The number of steps that most losses have, among those of the baseline if it has runs.

    If two numbers are equally frequent, the smaller one is taken.
    """
    losses = Counter(steps for steps, _ in {(run.steps, run.loss) for run in runs})
    of_baseline = {run.steps for run in runs if run.loss == baseline} or set(losses)
    return min(of_baseline, key=lambda steps: (-losses[steps], steps))


def _budget(steps: int, usual: int) -> str:
    """The end of a label that tells a number of steps; empty for (nearly) the usual number."""
    ratio = steps / max(1, usual)
    if same_length(steps, usual):
        return ""
    return f", {ratio:.0f}x" if abs(ratio - round(ratio)) < 0.02 else f", {ratio:.2g}x"


def _network(run: Run) -> str:
    options = [run.config.get(f"model.{key}", "None") for key in ("architecture", "encoder")]
    return "/".join(each for each in options if each != "None") or run.model


def _datasets(runs: Sequence[Run]) -> dict[Path, str]:
    """The name of the dataset of each run, by its folder.

    A run has the name that its path or configuration gives. Several names can stand for budgets, as
    ``camvid`` and ``camvid_x3`` do: ``dataset.csv`` and the options of the data are equal, and no
    number of steps occurs with both. Then all these runs get the name of the shorter ones.
    """
    _refuse_other_data(runs)
    steps: dict[Hashable, dict[str, set[int]]] = {}
    for run in runs:
        steps.setdefault(_same_data(run), {}).setdefault(run.data, set()).add(run.steps)
    return {run.path: _shared_name(run.data, steps[_same_data(run)]) for run in runs}


def _refuse_other_data(runs: Sequence[Run]) -> None:
    first, unit = runs[0], "images" if "model.rule" in runs[0].config else "pixels"
    for run in runs:
        if list(run.scores.classes) != list(first.scores.classes):
            raise RunError(
                f"{run.name} has other classes than {first.name}; compare runs of one dataset"
            )
        wanted = first.scores.column("train_pixels")
        ours = run.scores.column("train_pixels")
        for name, number, other in zip(run.scores.classes, ours, wanted, strict=True):
            if number != other:
                raise RunError(
                    f"{run.name} was trained on other data than {first.name}: {name} has "
                    f"{number:.0f} training {unit} and {other:.0f}; compare runs of one dataset"
                )


def _same_data(run: Run) -> Hashable:
    """A key that is equal for runs on the same data: its options without its place.

    A run whose options are not known has the name of its data as the key.
    """
    if "data.class_path" not in run.config or not (run.path / DATASET).is_file():
        return run.data
    return frozenset(item for item in run.config.items() if item[0].startswith("data."))


def _shared_name(name: str, steps: Mapping[str, set[int]]) -> str:
    """The common name of datasets, given the numbers of steps that each name has.

    It is ``name`` itself if two names have a number of steps in common.
    """
    for one, other in combinations(steps.values(), 2):
        if any(same_length(a, b) for a, b in product(one, other)):
            return name
    return min(steps, key=lambda each: (min(steps[each]), each))
