"""The claims of Fig. 4 of the recall paper on runs: `python -m experiments.paper.check_fig4 runs/`.

Numbers are taken from every logged training step of ``classes.csv``, first one included. The rarest
class stands for the paper's bike (``--rarest`` names another); large and small classes are the head
and the tail third by training pixels.

| claim | number, per run | claimed |
|---|---|---|
| focal share of the rarest class rises | rank correlation of `class/focal_norm` with step | > 0 |
| recall share of the rarest class falls | the same of `class/miss_norm` | < 0 |
| large classes: ratio mostly above 1 | share of steps with ratio > 1, less .5 | > 0 |
| large classes: ratio increases | rank correlation with step, mean over classes | > 0 |
| small classes: ratio below 1 | share of steps with ratio < 1, less .5 | > 0 |
| small classes: ratio is constant | rise of its least-squares line over its mean | within ± .2 |

The ratio is ``class/recall_focal_ratio``, and its numbers are means over the classes of the third;
rank correlation is Spearman's. Runs of one dataset, network, loss and length make a row, with a
sample per seed: several runs of a seed count by their mean.

The rule. The 95 % interval is Student's, over seeds. A claim is *held* if the whole interval is
where the paper has it, *not held* if none of it is, *not shown* otherwise. With one seed there is
no interval, and the verdict is *one seed*. The paper says the first claim of focal loss, the second
of recall loss, and does not say whose the ratio is: these rows are marked, all others are extra.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from scipy.stats import t as student

from lit_seg.analysis import load_dataset, load_runs, run_folders
from lit_seg.errors import RunError
from lit_seg.metrics.frequency_groups import frequency_groups

DRIFT = 0.2
RATIO = "class/recall_focal_ratio"

Curve: TypeAlias = pd.Series
"""Values of a statistic of one class, by step."""


class Claim(NamedTuple):
    """What the paper says: of which classes and statistic, and where the number should lie."""

    text: str
    group: str
    stat: str
    number: Callable[[Curve], float]
    low: float
    high: float
    losses: tuple[str, ...]


def trend(curve: Curve) -> float:
    """Spearman's rank correlation with the step; 0 for a constant, NaN below three steps."""
    if len(curve) < 3:
        return math.nan
    if curve.nunique() == 1:
        return 0.0
    return float(spearmanr(curve.index, curve).statistic)


def drift(curve: Curve) -> float:
    """Rise of the least-squares line from first to last step, in units of the mean."""
    if len(curve) < 3 or not curve.mean():
        return math.nan
    slope = np.polyfit(curve.index, curve, 1)[0]
    return float(slope * (curve.index[-1] - curve.index[0]) / curve.mean())


def above(curve: Curve) -> float:
    """Share of steps with a ratio above 1, less a half."""
    return float((curve > 1).mean()) - 0.5


def below(curve: Curve) -> float:
    """Share of steps with a ratio below 1, less a half."""
    return float((curve < 1).mean()) - 0.5


BOTH = ("focal", "recall")
CLAIMS = (
    Claim("focal share of {0} rises", "rarest", "class/focal_norm", trend, 0, inf, ("focal",)),
    Claim("recall share of {0} falls", "rarest", "class/miss_norm", trend, -inf, 0, ("recall",)),
    Claim("large classes: ratio mostly above 1", "head", RATIO, above, 0, inf, BOTH),
    Claim("large classes: ratio increases", "head", RATIO, trend, 0, inf, BOTH),
    Claim("small classes: ratio below 1", "tail", RATIO, below, 0, inf, BOTH),
    Claim("small classes: ratio is constant", "tail", RATIO, drift, -DRIFT, DRIFT, BOTH),
)


def numbers(rows: pd.DataFrame, groups: dict[str, list[str]]) -> dict[str, float]:
    """The number of each claim in one run: its rows, and the classes of each group."""
    found = {}
    for claim in CLAIMS:
        table = rows[(rows["stat"] == claim.stat) & rows["class"].isin(groups[claim.group])]
        values = [
            claim.number(curve.set_index("step")["value"].dropna().sort_index())
            for _, curve in table.groupby("class")
        ]
        values = [value for value in values if not math.isnan(value)]
        found[claim.text] = statistics.mean(values) if values else math.nan
    return found


def class_groups(run: str, pixels: pd.DataFrame, rarest: str | None) -> dict[str, list[str]]:
    """The classes of ``head``, ``tail`` and ``rarest``, of those with training pixels."""
    seen = pixels[pixels["train_pixels"] > 0]
    names, counts = seen["class"].tolist(), seen["train_pixels"].tolist()
    parts = frequency_groups(counts)
    if rarest is not None and rarest not in names:
        raise RunError(f"--rarest: {run} has no class {rarest!r}; it has {', '.join(names)}")
    least = names[min(range(len(counts)), key=counts.__getitem__)]
    return {
        "rarest": [rarest or least],
        **{part: [names[c] for c in parts[part]] for part in ("head", "tail")},
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean; NaN below two values."""
    if len(values) < 2:
        return math.nan, math.nan
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values)
    half /= math.sqrt(len(values))
    return statistics.mean(values) - half, statistics.mean(values) + half


def verdict(values: Sequence[float], low: float, high: float) -> str:
    """By the rule; the paper has the number between ``low`` and ``high``."""
    if len(values) < 2:
        return "one seed"
    least, most = interval(values)
    if low < least and most < high:
        return "held"
    return "not held" if most <= low or least >= high else "not shown"


def check(folder: str, rarest: str | None = None) -> pd.DataFrame:
    """A row per claim and group of runs, those the paper speaks of first in each.

    Raises:
        RunError: if there are no runs, or one lacks what is needed.
    """
    folders = run_folders(folder)
    rows = load_runs(folder)
    samples = []
    for run, part in rows.groupby("run", sort=False):
        first = part.iloc[0]
        groups = class_groups(str(run), load_dataset(folders[str(run)]), rarest)
        steps = int(part["step"].max() + 1)  # counted from 0
        for text, value in numbers(part, groups).items():
            samples.append(
                {
                    **{key: first[key] for key in ("data", "model", "loss", "seed")},
                    "steps": steps,
                    "claim": text,
                    "rarest": groups["rarest"][0],
                    "value": value,
                }
            )
    table = pd.DataFrame(samples).dropna(subset="value")
    result = []
    order = {claim.text: i for i, claim in enumerate(CLAIMS)}
    for key, part in table.groupby(["data", "model", "steps", "loss", "claim"], sort=False):
        data, model, steps, loss, text = key
        claim = CLAIMS[order[text]]
        seeds = part.groupby("seed")["value"].mean()
        result.append(
            {
                "order": order[text],
                "extra": loss not in claim.losses,
                "claim": text.format(part["rarest"].iloc[0]),
                "runs": f"{data} {model}, {steps} steps",
                "loss": loss,
                "seeds": seeds.tolist(),
                "interval": interval(seeds.tolist()),
                "verdict": verdict(seeds.tolist(), claim.low, claim.high),
            }
        )
    return pd.DataFrame(result).sort_values(["runs", "order", "extra", "loss"], ignore_index=True)


def lines(folder: str, rarest: str | None = None, *, extra: bool = True) -> Iterator[str]:
    """A Markdown table for each group of runs, with or without what the paper does not speak of.

    Raises:
        RunError: as ``check``.
    """
    for runs, part in check(folder, rarest).groupby("runs", sort=False):
        yield from ["", str(runs), ""]
        yield "| claim | loss | seeds | mean | 95 % over seeds | verdict |"
        yield "|---|---|---|---:|---|---|"
        for row in part.to_dict("records"):
            if row["extra"] and not extra:
                continue
            low, high = row["interval"]
            spread = "" if math.isnan(low) else f"{low:+.2f} to {high:+.2f}"
            each = " ".join(f"{value:+.2f}" for value in row["seeds"])
            said = f"{row['verdict']} (extra)" if row["extra"] else f"**{row['verdict']}**"
            mean = statistics.mean(row["seeds"])
            yield f"| {row['claim']} | {row['loss']} | {each} | {mean:+.2f} | {spread} | {said} |"


def main(args: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0], allow_abbrev=False
    )
    parser.add_argument("runs", help="a run, or a folder of runs")
    parser.add_argument("--rarest", help="the class that stands for the bike")
    given = parser.parse_args(args)
    try:
        print("\n".join(lines(given.runs, given.rarest)))
    except RunError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
