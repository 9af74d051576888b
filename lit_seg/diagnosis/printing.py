"""The diagnosis as tables and text, and as the content of a JSON file."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lit_seg.diagnosis.advice import Advice
from lit_seg.diagnosis.compare_runs import Comparison
from lit_seg.diagnosis.evidence import Evidence, Scores
from lit_seg.diagnosis.rules import RULES
from lit_seg.diagnosis.run_record import RunRecord
from lit_seg.diagnosis.sizes import Sizes
from lit_seg.diagnosis.verdict import HEADLINES, Verdict
from lit_seg.files.escape import one_line, terminal
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS

_SHOWN = 12  # classes at each end of a long list
_DERIVED = ("accuracy_gap", "tail_gap", "never_found", "flooded")


def show(
    console: Console,
    run: RunRecord,
    evidence: Evidence,
    verdict: Verdict,
    comparison: Comparison | None,
    watched: Sequence[str] = (),
) -> None:
    """Print tables, verdict, reasons and what to do next.

    Of many classes the table shows the most and the least frequent ones, and those ``watched``.
    """

    def line(text: str, style: str = "") -> None:
        for part in text.split("\n"):
            # prose is broken between words; a command stays whole, so that it can be pasted
            whole = not console.is_terminal or part.startswith("         ")
            console.print(Text(one_line(part), style), highlight=False, soft_wrap=whole)

    line(f"{run.folder}, LOSS={run.origin.loss}" if run.origin.loss else str(run.folder))
    for note in run.notes:
        line(f"note: {note}")
    console.print(_class_table(evidence, watched))
    line(
        f"{run.words.overall} {_cell(evidence.overall)}   mean accuracy {_cell(evidence.mean)}   "
        f"gap {_cell(evidence.accuracy_gap)}   mean precision {_cell(evidence.mean_precision)}   "
        f"mIoU {_cell(evidence.mean_iou)}"
    )
    if evidence.sizes is not None:
        console.print(_size_table(evidence.sizes))
    if comparison is not None:
        console.print(_change_table(comparison, run.words.stats))
        line(f"against {comparison.loss or 'the baseline'}: {comparison.text}")
        line(comparison.limit)
        for note in comparison.notes:
            line(f"note: {note}")
    line(f"\nIs imbalance the bottleneck? {HEADLINES[verdict.kind]}", style="bold")
    for reason in verdict.reasons:
        line(f"  - {reason}")
    if verdict.rising:
        line(f"note     {verdict.rising}")
    line(_advice_text(run, "next", verdict.advice))
    if verdict.advice.instead is not None:
        line(_advice_text(run, "or, within the same budget,", verdict.advice.instead))
    if comparison is None and not run.origin.plain and run.origin.loss:
        line(f"note     {_needs_baseline(run)}")


def _advice_text(run: RunRecord, title: str, advice: Advice) -> str:
    lines = [f"{title:8} {f'LOSS={advice.loss}: ' if advice.loss else ''}{advice.why}"]
    if advice.command:
        lines.append(f"         {advice.command}")
    if advice.command.startswith("make train LOSS") and run.origin.args is None:
        unknown = "" if "DATA" in run.origin.variables else "DATA and "
        lines.append(f"         with the {unknown}ARGS of this run, if any")
    if advice.command.startswith("make train LOSS"):
        lines.append("         over three seeds")
    return "\n".join([*lines, f"watch    {advice.watch}"])


def as_json(
    run: RunRecord, evidence: Evidence, verdict: Verdict, comparison: Comparison | None
) -> dict[str, Any]:
    """The diagnosis as plain values; None where a number is undefined."""
    content = {
        "run": str(run.folder),
        "loss": run.origin.loss,
        "notes": run.notes,
        "verdict": {
            "kind": verdict.kind,
            "text": HEADLINES[verdict.kind],
            "reasons": verdict.reasons,
            "rising": verdict.rising or None,
            "as_it_stands": verdict.otherwise,
            "as_it_stands_text": HEADLINES[verdict.otherwise] if verdict.otherwise else None,
        },
        "next": asdict(verdict.advice),
        "evidence": asdict(evidence) | {name: getattr(evidence, name) for name in _DERIVED},
        "size_bins": MASK_SIZE_BINS,
        "against": asdict(comparison) if comparison else None,
        "only_against": None if comparison or run.origin.plain else _needs_baseline(run),
        "rules": {name: rule._asdict() for name, rule in RULES.items()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(content), parse_constant=lambda name: None)
    return plain


def _needs_baseline(run: RunRecord) -> str:
    return (
        f"only cross-entropy on the same images tells what {run.origin.loss or 'the loss'} "
        f"changed: {run.origin.train('ce')}, then --against its folder"
    )


def _cell(value: float, sign: str = "") -> str:
    return "n/a" if value != value else f"{100 * value:{sign}.1f}"


def _cells(scores: Scores) -> list[str]:
    return [_cell(value) for value in (scores.recall, scores.precision, scores.iou)]


def _table(title: str, *columns: str, left: tuple[int, ...] = (0,)) -> Table:
    table = Table(title=terminal(title))
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i in left else "right", no_wrap=not i)
    return table


def _class_table(of: Evidence, watched: Sequence[str]) -> Table:
    columns = ("class", "group", "recall", "precision", "IoU", "images", "")
    table = _table("last validation, in %", *columns, left=(0, 1, 6))
    names = list(of.per_class)
    if len(names) > 2 * _SHOWN + 1:
        between = [name for name in names[_SHOWN:-_SHOWN] if name in watched]
        more = len(names) - 2 * _SHOWN - len(between)
        names[_SHOWN:-_SHOWN] = [*between, f"... {more} more"]
    remarks = dict.fromkeys(of.never_found, "never found")
    remarks |= dict.fromkeys(of.flooded, "mostly false positives")
    last_group = ""
    for name in names:
        if name not in of.per_class:
            table.add_row(name)
            continue
        group = of.group_of.get(name, "")
        if group != last_group:
            table.add_section()
        last_group = group
        images = str(of.labelled[name][0]) if name in of.labelled else "?"
        scores = _cells(of.per_class[name])
        table.add_row(terminal(name), group, *scores, images, remarks.get(name, ""))
    table.add_section()
    sizes = Counter(of.group_of.values())
    for group, mean in of.groups.items():
        table.add_row(f"{group} ({sizes[group]})", "mean", *_cells(mean))
    return table


def _size_table(sizes: Sizes) -> Table:
    title = "recall of masks in %, mean over masks (number of masks)"
    table = _table(title, "share of the image", *sizes.masks)
    for i, name in enumerate(MASK_SIZE_BINS):
        cells = [f"{_cell(sizes.recall[g][i])} ({sizes.masks[g][i]})" for g in sizes.masks]
        table.add_row(name, *cells)
    return table


def _change_table(comparison: Comparison, stats: Mapping[str, str]) -> Table:
    table = _table(
        f"against {comparison.baseline}, in %; interval over images, of one seed",
        *("score", "baseline", "this run", "change", "95 % interval"),
    )
    for stat, of in comparison.changes.items():
        change, low, high = (_cell(v, "+") for v in (of.run - of.baseline, of.low, of.high))
        interval = low if low == "n/a" else f"{low} to {high}"
        table.add_row(stats[stat], _cell(of.baseline), _cell(of.run), change, interval)
    return table
