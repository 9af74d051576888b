"""The diagnosis on the screen, and as what JSON holds."""

import math
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lit_seg.diagnosis.advice import Advice
from lit_seg.diagnosis.compare_runs import SHOWN, Comparison
from lit_seg.diagnosis.evidence import Evidence
from lit_seg.diagnosis.reading import RunFiles
from lit_seg.diagnosis.rules import RULES
from lit_seg.diagnosis.sizes import BINS, Sizes
from lit_seg.diagnosis.verdict import HEADLINES, Verdict

_SHOWN = 12  # classes of each end of a long list


def show(
    console: Console,
    run: RunFiles,
    evidence: Evidence,
    verdict: Verdict,
    comparison: Comparison | None,
) -> None:
    """Print tables, verdict, reasons and what to do next."""
    loss = f", LOSS={run.origin.loss}" if run.origin.loss else ""
    _line(console, f"{run.folder}{loss}")
    for note in run.notes:
        _line(console, f"note: {note}")
    console.print(_class_table(evidence))
    _line(
        console,
        f"overall accuracy {_cell(evidence.overall)}   mean accuracy {_cell(evidence.mean)}   "
        f"gap {_cell(evidence.accuracy_gap)}   mean precision {_cell(evidence.mean_precision)}   "
        f"mIoU {_cell(evidence.mean_iou)}",
    )
    if evidence.sizes is not None:
        console.print(_size_table(evidence.sizes))
    if comparison is not None:
        console.print(_change_table(comparison))
        _line(console, f"against {comparison.loss or 'the baseline'}: {comparison.text}")
        _line(console, comparison.limit)
        for note in comparison.notes:
            _line(console, f"note: {note}")
    console.print()
    console.print(
        f"[bold]Is imbalance the bottleneck? {escape(verdict.headline)}",
        highlight=False,
        soft_wrap=True,
    )
    for reason in verdict.reasons:
        _line(console, f"  - {reason}")
    if verdict.rising:
        _line(console, f"note     {verdict.rising}")
    _show_advice(console, run, verdict.advice, "next")
    if verdict.advice.instead is not None:
        _show_advice(console, run, verdict.advice.instead, "or, within the same budget,")
    if comparison is None and not run.origin.plain and run.origin.loss:
        _line(console, f"note     {_only_against(run)}")


def _show_advice(console: Console, run: RunFiles, advice: Advice, title: str) -> None:
    name = f"LOSS={advice.loss}: " if advice.loss else ""
    _line(console, f"{title:8} {name}{advice.why}")
    if advice.command:
        _line(console, f"         {advice.command}")
    if advice.command.startswith("make train LOSS"):
        lacks = "" if "DATA" in run.origin.variables else "DATA and "
        _line(console, f"         with the {lacks}ARGS of this run, if any; over three seeds")
    _line(console, f"watch    {advice.watch}")


def as_json(
    run: RunFiles, evidence: Evidence, verdict: Verdict, comparison: Comparison | None
) -> dict[str, Any]:
    """The same as plain values; what is undefined is None."""
    content = {
        "run": str(run.folder),
        "loss": run.origin.loss,
        "notes": list(run.notes),
        "verdict": {
            "kind": verdict.kind,
            "text": verdict.headline,
            "reasons": list(verdict.reasons),
            "rising": verdict.rising or None,
            "as_it_stands": verdict.otherwise,
            "as_it_stands_text": HEADLINES[verdict.otherwise] if verdict.otherwise else None,
        },
        "next": asdict(verdict.advice),
        "evidence": {
            **asdict(evidence),
            "accuracy_gap": evidence.accuracy_gap,
            "tail_gap": evidence.tail_gap,
            "never_found": evidence.never_found,
            "flooded": evidence.flooded,
        },
        "size_bins": list(BINS),
        "against": asdict(comparison) if comparison else None,
        "only_against": None if comparison or run.origin.plain else _only_against(run),
        "rules": {name: rule._asdict() for name, rule in RULES.items()},
    }
    plain: dict[str, Any] = _without_nan(content)
    return plain


def _only_against(run: RunFiles) -> str:
    return (
        f"what {run.origin.loss or 'the loss'} changed is known only against cross-entropy on the "
        f"same images: {run.origin.train('ce')}, then --against its folder"
    )


def _line(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _cell(value: float) -> str:
    return "n/a" if value != value else f"{100 * value:.1f}"


def _signed(value: float) -> str:
    return "n/a" if value != value else f"{100 * value:+.1f}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", no_wrap=not i)
    return table


def _class_table(of: Evidence) -> Table:
    table = _table(
        "last validation, in %", "class", "group", "recall", "precision", "IoU", "images", ""
    )
    table.columns[1].justify = table.columns[-1].justify = "left"
    rows = list(of.per_class.items())
    cut = len(rows) > 2 * _SHOWN + 1
    for i, (name, scores) in enumerate(rows):
        if cut and _SHOWN <= i < len(rows) - _SHOWN:
            if i == _SHOWN:
                table.add_row(f"... {len(rows) - 2 * _SHOWN} more")
            continue
        group, then = (of.group_of.get(rows[k][0], "") for k in (i, min(i + 1, len(rows) - 1)))
        flag = "never found" if name in of.never_found else ""
        flag = "mostly false positives" if name in of.flooded else flag
        images = str(of.labelled[name][0]) if name in of.labelled else "?"
        values = [_cell(value) for value in (scores.recall, scores.precision, scores.iou)]
        end = group != then or i == len(rows) - 1
        table.add_row(escape(name), group, *values, images, flag, end_section=end)
    for group, scores in of.groups.items():
        number = sum(other == group for other in of.group_of.values())
        values = [_cell(value) for value in (scores.recall, scores.precision, scores.iou)]
        table.add_row(f"{group} ({number})", "mean", *values)
    return table


def _size_table(sizes: Sizes) -> Table:
    table = _table(
        "% of a mask that is found, mean over masks (number)",
        "mask of its image",
        *sizes.masks,
    )
    for i, name in enumerate(BINS):
        cells = [f"{_cell(sizes.recall[g][i])} ({sizes.masks[g][i]})" for g in sizes.masks]
        table.add_row(name, *cells)
    return table


def _change_table(comparison: Comparison) -> Table:
    table = _table(
        f"against {escape(comparison.baseline)}, in %; interval over images, of one seed",
        *("score", "baseline", "this run", "change", "95 % interval"),
    )
    for key, change in comparison.changes.items():
        table.add_row(
            SHOWN[key],
            _cell(change.baseline),
            _cell(change.run),
            _signed(change.run - change.baseline),
            f"{_signed(change.low)} to {_signed(change.high)}"
            if change.low == change.low
            else "n/a",
        )
    return table


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
