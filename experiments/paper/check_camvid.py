"""The tables of the pages on CamVid: `python -m experiments.paper.check_camvid`.

Computes, page by page, each criterion with its number, its interval and the verdict by the rule of
``camvid.md``: *held* if the whole interval is where the paper has it, *not held* if none of it is,
*not shown* otherwise, and *one seed* where nothing is known about seeds. Intervals are those of
``lit_seg report``: Student's t over pairs of seeds, with a bootstrap over images. Fig. 4 of the
recall paper is judged in ``check_fig4.py``.

It reads the records in the repository, or a folder of runs; ``--write`` puts the tables into the
pages, between the comments that name them.
"""

import argparse
import math
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from math import inf, nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from experiments import records
from experiments.paper import check_fig4
from lit_seg.analysis import Comparison, compare
from lit_seg.analysis.bootstrap import Difference, bootstrap_pairs, quantile
from lit_seg.analysis.comparison import paired
from lit_seg.diagnosis.evidence import weigh
from lit_seg.diagnosis.run_record import read_run
from lit_seg.diagnosis.verdict import HEADLINES, judge
from lit_seg.errors import RunError
from lit_seg.metrics.scores import (
    HITS,
    LABELLED,
    PREDICTED,
    STAT_NAMES,
    STATS,
    class_scores,
    overall_scores,
    pixel_accuracy,
)

Array: TypeAlias = npt.NDArray[np.float64]

PAGES = Path(__file__).parent
LEAST_MIOU = 0.3  # of cross-entropy: below it the comparison says nothing
MINORITY_IOU = 0.8
BOTH = "1x - 3x"
"""Stands for a budget: the difference at 1x less that at 3x."""
AS_1X = "minority at 1x:"
SHOWN = {
    "0016E5_07977": "bicyclist",
    "0016E5_08061": "pedestrian",
    "0016E5_08097": "pole",
    "0016E5_08131": "fence",
}
"""The images that ``lit_seg report`` shows of these runs, and the class it looks at in each."""


class Claim(NamedTuple):
    """A difference of a score between two losses, and where the paper has it."""

    number: str
    ours: str
    against: str
    score: str
    low: float = 0
    high: float = inf
    budget: str = "1x"
    extra: str = ""
    """Why it counts for no criterion."""
    late: bool = False
    """Whether its rule was made after results were known: it is *not shown* then."""


def above(number: str, pair: str, score: str, low: float = 0, **more: str) -> Claim:
    """A claim that the difference of a pair, ``recall - ce``, is above ``low``."""
    ours, against = pair.split(" - ")
    return Claim(number, ours, against, score, low, inf, **more)


def below(number: str, pair: str, score: str) -> Claim:
    """A claim that the difference of a pair is below zero."""
    ours, against = pair.split(" - ")
    return Claim(number, ours, against, score, -inf, 0)


FIG2 = (
    above("1", "recall - ce", "mean accuracy"),
    above("2", "recall - ce", "mean IoU", -0.01),
    above("3", "wce - ce", "mean accuracy"),
    below("4", "wce - ce", "mean IoU"),
)
CLAIMS = {
    "pat_fig4": (
        above("1", "pat - focal", "head recall"),
        above("2", "pat - focal", "head IoU"),
    ),
    "pat_table3": (
        above("1", "pat - ce", "mean IoU"),
        above("2", "pat - focal", "mean IoU"),
        above("3", "pat - ce", "pixel accuracy"),
        above("4", "pat - ce", "mean accuracy"),
    ),
    "pat_table6": (above("1", "pat - ce", "head IoU"), above("2", "pat - ce", "tail IoU")),
    "recall_fig1": (
        above("1", "recall - ce", "tail recall"),
        below("2", "wce - recall", "tail precision")._replace(late=True),
        above("3", "wce - recall", "log false per labelled, tail"),
        above("3", "wce - recall", "log false per labelled, mean of tail", extra="other reading"),
    ),
    "recall_fig2": (
        *FIG2,
        Claim("5", "focal", "ce", "mean accuracy", -0.02, 0.02),
        Claim("5", "focal", "ce", "mean IoU", -0.02, 0.02),
        above("6", "wce - recall", "mean accuracy"),
        below("6", "wce - recall", "mean IoU"),
    ),
    "recall_fig3": (
        *(claim._replace(number=f"Fig. 2, {claim.number}") for claim in FIG2),
        above("1", "recall - ce", "mean accuracy", budget="3x"),
        above("2", "recall - ce", "mean IoU", -0.01, budget="3x"),
        above("3", "recall - ce", "mean accuracy", budget=BOTH),
    ),
    "recall_section4_6": (
        above("gain", "recall - ce", "mean accuracy"),
        above("reverse", "recall - ce", "mean accuracy", budget=BOTH),
    ),
    "recall_table2": (
        above("1", "recall - ce", "minority accuracy"),
        above("2", "recall - ce", "minority IoU"),
        above("3", "wce - recall", "minority accuracy"),
        below("4", "wce - recall", "minority IoU"),
        above("5", "recall - focal", "minority IoU"),
        above("6", "recall - ce", "IoU of the rarest"),
    ),
    "recall_table3": (
        above("1, 1x", "recall - ce", "minority accuracy"),
        above("1, 3x", "recall - ce", "minority accuracy", budget="3x"),
        above("1, 3x", "recall - ce", f"{AS_1X} accuracy", budget="3x", extra="other reading"),
        above("2, 1x", "recall - ce", "minority IoU", -0.02),
        above("2, 3x", "recall - ce", "minority IoU", -0.02, budget="3x"),
        above("2, 3x", "recall - ce", f"{AS_1X} IoU", -0.02, budget="3x", extra="other reading"),
        below("3", "wce - ce", "minority IoU"),
        above("4", "recall - focal", "minority accuracy"),
    ),
}
SCORES = (
    *("mean IoU", "mean accuracy", "mean precision", "pixel accuracy"),
    *("tail recall", "tail precision", "tail IoU", "head recall", "head IoU"),
    *("minority accuracy", "minority IoU", f"{AS_1X} accuracy", f"{AS_1X} IoU"),
    "IoU of the rarest",
    *("log false per labelled, tail", "log false per labelled, mean of tail"),
)


class Classes(NamedTuple):
    """Class ids that scores are means over."""

    head: list[int]
    tail: list[int]
    minority: list[int]
    """Those of the budget."""
    as_1x: list[int]
    rarest: int


def scores(counts: npt.NDArray[np.number], classes: Classes) -> Array:
    """Those named in ``SCORES``, of counts ``(..., C, 3)``, as ``(..., K)``."""
    iou, recall, _ = class_scores(counts)
    tail = np.asarray(counts, np.float64)[..., classes.tail, :]
    false, labelled = tail[..., PREDICTED] - tail[..., HITS], tail[..., LABELLED]
    head, minority = classes.head, classes.minority
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.log(false.sum(-1) / labelled.sum(-1))
        each = np.log((false / labelled).mean(-1))
    more = (
        *(recall[..., head].mean(-1), iou[..., head].mean(-1)),
        *(recall[..., minority].mean(-1), iou[..., minority].mean(-1)),
        *(recall[..., classes.as_1x].mean(-1), iou[..., classes.as_1x].mean(-1)),
        *(iou[..., classes.rarest], pooled, each),
    )
    found = np.stack(more, axis=-1)
    found[~np.isfinite(found)] = nan
    return np.concatenate([overall_scores(counts, classes.tail), found], axis=-1)


def gain(counts: npt.NDArray[np.number], classes: Classes) -> Array:
    """Differences of ``SCORES`` between two runs whose counts lie after one another in ``C``.

    None of precision, which is compared over common classes, and no claim is of its gain.
    """
    ours, against = np.split(counts, 2, axis=-2)
    found: Array = scores(ours, classes) - scores(against, classes)
    found[..., [place for place, name in enumerate(SCORES) if "precision" in name]] = nan
    return found


def verdict(of: Difference, claim: Claim, seeds: int) -> str:
    """By the rule; nothing is said of one seed, or without an interval."""
    if seeds == 1:
        return "one seed"
    if math.isnan(of.low):
        return "no interval"
    if claim.low < of.low and of.high < claim.high:
        return "held"
    return "not held" if of.high <= claim.low or of.low >= claim.high else "not shown"


def together(verdicts: Sequence[str]) -> str:
    """Of a criterion with several parts."""
    if all(said == "held" for said in verdicts):
        return "held"
    return "not held" if "not held" in verdicts else "not shown"


def label(loss: str, budget: str) -> str:
    """As a comparison names it."""
    return loss if budget == "1x" else f"{loss}, {budget}"


class Checks:
    """The differences of a comparison, each pair of losses resampled once."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.labels = [method.label for method in comparison.methods]
        self._found: dict[tuple[str, str, str], list[Difference]] = {}

    @cached_property
    def rarest(self) -> int:
        """The class with the fewest training pixels."""
        return self.comparison.by_frequency()[-1]

    def minority(self, budget: str) -> list[int]:
        """Classes whose IoU with cross-entropy of this budget is below 80, mean over seeds."""
        rows = self.comparison.class_scores
        rows = rows[(rows["method"] == label("ce", budget)) & (rows["stat"] == "iou")]
        mean = rows.groupby("class")["value"].mean()
        names = self.comparison.classes
        return [c for c in range(len(names)) if mean.get(names[c], nan) < MINORITY_IOU]

    def classes(self, budget: str) -> Classes:
        """What scores at a budget are over."""
        groups = self.comparison.groups
        minority, as_1x = self.minority(budget), self.minority("1x")
        return Classes(groups["head"], groups["tail"], minority, as_1x, self.rarest)

    def seeds(self, *labels: str) -> list[int]:
        """Common to the runs of these labels."""
        sets = [{s for name, s in self.comparison.counts if name == each} for each in labels]
        return sorted(set.intersection(*sets))

    def stacked(self, name: str, seeds: Sequence[int]) -> npt.NDArray[np.int64]:
        """Counts ``(S, I, C, 3)``."""
        return np.stack([self.comparison.counts[name, seed] for seed in seeds])

    def differences(self, ours: str, against: str, budget: str) -> list[Difference]:
        """Of ``SCORES``; none without runs."""
        key = (ours, against, budget)
        if key not in self._found:
            self._found[key] = self._bootstrap(*key)
        return self._found[key]

    def _bootstrap(self, ours: str, against: str, budget: str) -> list[Difference]:
        budgets = ["1x", "3x"] if budget == BOTH else [budget]
        names = [label(loss, each) for each in budgets for loss in (ours, against)]
        if not (seeds := self.seeds(*names)):
            return []
        parts = [self.stacked(name, seeds) for name in names]
        if budget == BOTH:
            parts = [np.concatenate(parts[:2], axis=-2), np.concatenate(parts[2:], axis=-2)]
            of = partial(gain, classes=self.classes("1x"))
        else:
            of = partial(scores, classes=self.classes(budget))
        found = bootstrap_pairs(
            parts[0], parts[1], lambda a, b: of(a) - of(b), self.comparison.draws
        )
        if budget == BOTH:
            return found
        means = of(parts[1].sum(axis=1)).mean(axis=0)  # all scores but logarithms are shares
        found = [
            each if name.startswith("log ") else each.possible(mean)
            for name, each, mean in zip(SCORES, found, means, strict=True)
        ]
        ours_method, against_method = (self.comparison.method(name) for name in names)
        return [*paired(self.comparison, ours_method, against_method)[0], *found[len(STATS) :]]

    def result(self, claim: Claim) -> tuple[Difference, str]:
        """The difference that a claim is about, and the verdict."""
        found = self.differences(claim.ours, claim.against, claim.budget)
        if not found:
            return Difference(nan, nan, nan, nan), "no runs"
        difference = found[SCORES.index(claim.score)]
        return difference, verdict(difference, claim, difference.seeds)


def signed(value: float) -> str:
    """``+.123``."""
    return f"{value:+.3f}".replace("0.", ".", 1)


def shown(of: Difference, score: str) -> tuple[str, str]:
    """Value and interval; of logarithms as factors."""
    log = score.startswith("log ")
    texts = [f"x {math.exp(v):.2f}" if log else signed(v) for v in (of.value, of.low, of.high)]
    if math.isnan(of.value):
        return "", ""
    return texts[0], "none" if math.isnan(of.low) else f"{texts[1]} to {texts[2]}"


def needed(claim: Claim, score: str) -> str:
    """Where the interval has to lie."""
    if score.startswith("log "):
        return "above x 1"
    if math.isinf(claim.low):
        return f"below {signed(claim.high) if claim.high else 0}"
    if math.isinf(claim.high):
        return f"above {signed(claim.low) if claim.low else 0}"
    return f"within {signed(claim.low)} to {signed(claim.high)}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of Markdown, the first column left and the others right if they begin with ``>``."""
    yield f"| {' | '.join(head.lstrip('>') for head in heads)} |"
    yield f"|{'|'.join('---:' if head.startswith('>') else '---' for head in heads)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def criteria(checks: Checks, claims: Sequence[Claim]) -> Iterator[str]:
    """The table of a page."""
    rows = []
    for number in dict.fromkeys(claim.number for claim in claims):
        parts = [claim for claim in claims if claim.number == number]
        counted = []
        for claim in parts:
            of, said = checks.result(claim)
            value, spread = shown(of, claim.score)
            budget = "" if claim.budget == "1x" else f", {claim.budget}"
            what = f"{claim.ours} - {claim.against}{budget}: {claim.score.removeprefix('log ')}"
            what = what.replace(" - ", " over ", 1) if value.startswith("x") else what
            counted += [] if claim.extra else [said]
            note = f"{said} ({claim.extra})" if claim.extra else f"**{said}**"
            if claim.late:
                note = f"**not shown** ({said} by a rule that was made after earlier results)"
            if 1 < of.seeds < 3:
                note += f", {of.seeds} seeds"
            rows.append([number, what, needed(claim, claim.score), value, spread, note])
        if len(counted) > 1:
            rows.append([number, "all parts", "", "", "", f"**{together(counted)}**"])
    heads = ["criterion", "quantity", "claimed", ">value", "95 %", "verdict"]
    return table(heads, rows)


def baseline(checks: Checks) -> Iterator[str]:
    """Scores of all losses, and the minority classes."""
    comparison = checks.comparison
    heads = {
        "miou": "mean IoU",
        "macc": "mean accuracy",
        "pixel_acc": "pixel accuracy",
        "tail_recall": "tail recall",
        "tail_precision": "tail precision",
        "tail_iou": "tail IoU",
    }
    assert set(heads) <= set(STATS)
    rows = []
    for method in comparison.methods:
        cells: list[str] = []
        for stat in heads:
            mean, sd, number = comparison.mean_sd(stat).loc[method.label, ["mean", "std", "count"]]
            cells.append(f"{mean:.3f}" + ("" if math.isnan(sd) else f" ± {sd:.3f}"))
            if number < len(method.seeds):
                cells[-1] += f" ({number:.0f} of {len(method.seeds)} seeds)"
        rows.append([method.label, str(len(method.seeds)), *(c.replace("0.", ".") for c in cells)])
    yield from table(["loss", ">seeds", *(f">{head}" for head in heads.values())], rows)
    yield ""
    miou = float(comparison.mean_sd("miou").loc["ce", "mean"])
    said = "reached" if miou >= LEAST_MIOU else "not reached: the comparison says nothing"
    yield f"Cross-entropy has a mean IoU of {100 * miou:.1f} %: {100 * LEAST_MIOU:.0f} are {said}."
    for budget in ("1x", "3x"):
        if label("ce", budget) in checks.labels:
            ids = checks.minority(budget)
            names = ", ".join(comparison.classes[c] for c in comparison.by_frequency() if c in ids)
            yield f"Minority classes at {budget}: {len(ids)}, {names}."


def pictures(checks: Checks, losses: Sequence[str]) -> Iterator[str]:
    """Errors of the first seed in the images that ``lit_seg report`` shows."""
    comparison = checks.comparison
    seed = min(checks.seeds(*losses))
    rows = []
    for image, looked_at in SHOWN.items():
        for loss in losses:
            cube = np.asarray(comparison.counts[loss, seed])
            counts = cube[comparison.images.index(image)]
            labelled, _, hits = counts.sum(axis=0)
            wrong = 100 * (1 - pixel_accuracy(counts))
            head = 100 * pixel_accuracy(counts[comparison.groups["head"]])
            of = counts[comparison.classes.index(looked_at)]
            rows.append(
                [
                    *(image, loss, f"{labelled - hits:,} ({wrong:.1f} %)"),
                    f"{head:.1f} %",
                    f"{looked_at}: {of[HITS]} of {of[LABELLED]}, {of[PREDICTED] - of[HITS]} false",
                ]
            )
    yield f"Seed {seed}."
    yield ""
    heads = ["image", "loss", ">wrong pixels", ">head pixels found", "looked at"]
    yield from table(heads, rows)


def gains(checks: Checks) -> Iterator[str]:
    """In how many classes PAT has the higher IoU, mean over seeds."""
    rows = checks.comparison.class_scores
    mean = rows[rows["stat"] == "iou"].groupby(["class", "method"])["value"].mean().unstack()
    if not {"pat", "ce"} <= set(mean.columns):
        return
    names = checks.comparison.classes
    each = mean["pat"] - mean["ce"]
    better = [names[c] for c in checks.comparison.by_frequency() if each[names[c]] > 0]
    yield f"{len(better)} of {len(names)} classes: {', '.join(better)}."
    yield ""
    rows_of = [[names[c], signed(each[names[c]])] for c in checks.comparison.by_frequency()]
    yield from table(["class, from the most frequent", ">IoU, pat - ce"], rows_of)


def costs(checks: Checks) -> Iterator[str]:
    """Processor seconds per step of PAT over those of cross-entropy, medians over epochs."""
    seconds: dict[str, dict[int, float]] = {}
    for loss in ("pat", "ce"):
        if loss not in checks.labels:
            return
        for run in checks.comparison.method(loss).runs:
            cost = run.summary.cost if run.summary else {}
            if "cpu_seconds" not in cost:
                return
            seconds.setdefault(loss, {})[run.seed] = cost["cpu_seconds"]
    seeds = sorted(set(seconds["pat"]) & set(seconds["ce"]))
    ratios = [seconds["pat"][seed] / seconds["ce"][seed] for seed in seeds]
    if not ratios:
        return
    low = high = nan
    if len(ratios) > 1:
        half = quantile(len(ratios) - 1) * statistics.stdev(ratios)
        half /= math.sqrt(len(ratios))
        low, high = statistics.mean(ratios) - half, statistics.mean(ratios) + half
    said = "held" if high < 1.05 else "not held" if low >= 1.05 else "not shown"
    each = ", ".join(
        f"{seconds['pat'][s]:.3f} / {seconds['ce'][s]:.3f} = {r:.3f}"
        for s, r in zip(seeds, ratios, strict=True)
    )
    yield from table(
        ["criterion", "quantity", "seeds", ">mean", "95 % (Student's)", "verdict"],
        [
            [
                "time",
                "pat over ce, processor seconds per step, below 1.05",
                each,
                f"{statistics.mean(ratios):.3f}",
                f"{low:.3f} to {high:.3f}",
                f"**{'one seed' if len(ratios) < 2 else said}**",
            ]
        ],
    )


def diagnoses(checks: Checks) -> Iterator[str]:
    """What `lit_seg diagnose` says of the cross-entropy runs."""
    rows = []
    for method in checks.comparison.methods:
        if method.loss != "ce":
            continue
        for of in method.runs:
            run = read_run(of.path)
            evidence = weigh(run)
            said = judge(run, evidence)
            numbers = (f"{100 * v:.1f} %" for v in (evidence.overall, evidence.mean))
            rows.append([f"{method.label}, seed {of.seed}", *numbers, HEADLINES[said.kind]])
    heads = ["run", ">pixel accuracy", ">mean accuracy", "verdict"]
    yield from table(heads, rows)


def results(of: dict[str, Checks]) -> Iterator[str]:
    """The table of the project's README, in percent."""
    stats = ("miou", "macc", "pixel_acc", "tail_recall", "tail_iou")
    rows = []
    for paper, checks in of.items():
        for method in checks.comparison.methods:
            steps = "1620" if method.label.endswith(", 3x") else "540"
            cells = []
            for stat in stats:
                mean, sd = checks.comparison.mean_sd(stat).loc[method.label, ["mean", "std"]]
                cells.append(f"{100 * mean:.1f} ± {100 * sd:.1f}")
            rows.append([paper, method.label.removesuffix(", 3x"), steps, *cells])
    heads = ["options of", "loss", ">steps", *(f">{STAT_NAMES[stat]}" for stat in stats)]
    yield from table(heads, rows)


ON_GPU = ("recall_fig1", "recall_fig2", "recall_table2", "recall_table3")
"""Pages whose claims at one budget the runs on a GPU can be asked for, too."""


def at_full_size(checks: Checks) -> Iterator[str]:
    """The claims of the recall paper at one budget, page by page."""
    rows: list[list[str]] = []
    for page in ON_GPU:
        claims = [c for c in CLAIMS[page] if c.budget == "1x" and not c.extra]
        lines = [line for line in criteria(checks, claims) if line.startswith("|")][2:]
        rows += [[f"[{page}]({page}.md)", *line.strip("| ").split(" | ")] for line in lines]
    heads = ["page", "criterion", "quantity", "claimed", ">value", "95 %", "verdict"]
    yield from table(heads, [row for row in rows if "all parts" not in row])


def differences(runs: Sequence[Path], draws: int) -> Iterator[str]:
    """Each loss less cross-entropy, where all that is asked is which is ahead."""
    comparison = compare(runs, draws=draws)
    rows = []
    for label in (m.label for m in comparison.methods if m.label.partition(",")[0] != "ce"):
        for stat in ("miou", "macc", "pixel_acc", "tail_recall", "tail_iou"):
            found = comparison.difference(label, stat)
            assert found is not None
            low, high = signed(found["low"]), signed(found["high"])
            rows.append([label, STAT_NAMES[stat], signed(found["value"]), f"{low} to {high}"])
    yield from table(["loss", "less that of ce", ">difference", "95 %"], rows)


Tables: TypeAlias = dict[tuple[str, str], list[str]]
"""Lines by page and name of a table."""


def tables(runs: Path, draws: int) -> Tables:
    """All tables of the pages, from a folder that holds the runs of both recipes.

    Raises:
        RunError: if there are none.
    """
    found: Tables = {}
    for name in ("streets", "camvid-180x240"):
        found["camvid", name] = list(differences([runs / name], draws))
    at_180x240 = Checks(compare([runs / "camvid-180x240"], draws=draws))
    found["camvid", "camvid-180x240 baseline"] = list(baseline(at_180x240))
    full = Checks(compare([runs / "camvid-360x480"], draws=draws))
    found["camvid", "camvid-360x480 baseline"] = list(baseline(full))
    found["camvid", "camvid-360x480 claims"] = list(at_full_size(full))
    both: dict[str, Checks] = {}
    for paper in ("recall", "pat"):
        name = f"camvid-{paper}_camvid"
        folders = sorted(path for path in runs.rglob(name) if path.is_dir())
        if not folders:
            raise RunError(f"{runs}: holds no folder {name}; `make compare` of camvid.md makes it")
        comparison = compare(folders, draws=draws)
        for note in comparison.warnings:
            sys.stderr.write(f"note: {note}\n")
        both[paper] = checks = Checks(comparison)
        found["camvid", f"{paper} baseline"] = list(baseline(checks))
        for page, claims in CLAIMS.items():
            if page.startswith(paper):
                found[page, "criteria"] = list(criteria(checks, claims))
        if paper == "pat":
            found["pat_fig4", "pictures"] = list(pictures(checks, ["ce", "focal", "pat"]))
            found["pat_table6", "gains"] = list(gains(checks))
            found["pat_fig5", "costs"] = list(costs(checks))
        else:
            found["recall_fig1", "pictures"] = list(pictures(checks, ["ce", "wce", "recall"]))
            found["recall_section4_6", "diagnoses"] = list(diagnoses(checks))
            for budget, folder in zip(("1x", "3x"), folders, strict=False):
                found["recall_fig4", budget] = list(check_fig4.lines(str(folder), extra=False))[1:]
    found["../../README", "camvid"] = list(results(both))
    return found


_TABLE = re.compile(r"<!-- table: (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)


def shown_in(page: Path) -> dict[str, list[str]]:
    """The lines of each named table of a page."""
    found = _TABLE.findall(page.read_text(encoding="utf-8"))
    return {name: text.splitlines() for name, text in found}


def write(page: Path, name: str, lines: Sequence[str]) -> None:
    """Put a table where the page names it."""
    body = "\n".join(lines)
    text, number = re.subn(
        rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{body}\n{found[2]}",
        page.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if number != 1:
        raise RunError(f"{page}: has {number} places for the table {name!r}, not 1")
    page.write_text(text, encoding="utf-8")


def main(args: Sequence[str] | None = None) -> int:
    """Print or write all tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0], allow_abbrev=False
    )
    parser.add_argument("runs", nargs="?", type=Path, help="runs in place of the records")
    parser.add_argument("--draws", type=int, default=10_000, help="resamples of the bootstrap")
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    given = parser.parse_args(args)
    try:
        with TemporaryDirectory() as folder:
            if given.runs is None:
                for archive in records.ARCHIVES:
                    records.unpack(archive, Path(folder))
            found = tables(given.runs or Path(folder), given.draws)
        for (page, name), lines in found.items():
            if given.write:
                write(PAGES / f"{page}.md", name, lines)
            else:
                print("\n".join([f"## {page}: {name}", "", *lines, ""]))
    except RunError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
