"""Names with any characters, in each format that shows them."""

import io
import re

import numpy as np
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from lit_seg.callbacks.run_summary import _rich_table
from lit_seg.cli.commands.report import show
from lit_seg.data.imbalance import imbalance_line
from lit_seg.files.escape import file_name, markdown, markdown_prose, one_line
from lit_seg.metrics.labels import ClassCounts
from lit_seg.report.blocks import Cell, Legend, Report, Section, Table
from lit_seg.report.html import to_html
from lit_seg.report.markdown import to_markdown
from lit_seg.runs.score_table import markdown_table
from lit_seg.runs.summary import run_scores

NAMES = [
    *(
        "a|b",
        "|",
        "c\\|d",
        "\\",
        "e\\\\|",
        "x\ny",
        "p\r\nq",
        "<b>",
        "a<b>c",
        "<!-- x",
        "&amp;",
        "&lt",
    ),
    *("[bold]x[/bold]", "[l](u)", "![i](u)", "[x]", ":car:", "`code`", "a`b|c`d", "*em*", "**s**"),
    *("_u_", "__init__", "traffic_light", "~~s~~", '"q"', "it's", "\x1b[31mred", "a\tb", "路|面"),
]


def cells_of(text: str) -> list[list[str]]:
    """The text of each cell of the tables in Markdown, as a reader sees it."""
    found: list[list[str]] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        if token.type == "tr_open":
            found.append([])
        if token.type == "inline" and found:
            kinds = {child.type for child in token.children or ()}
            assert kinds <= {"text", "text_special"}, (token.content, kinds)
            found[-1].append("".join(child.content for child in token.children or ()))
    return found


def shown(name: str) -> str:
    return " ".join(one_line(name).split(" ")).strip()


def scores(names: list[str]):
    values = np.full(len(names), 0.5)
    return run_scores(names, [1] * len(names), [values] * 3, 0.5)


def test_a_table_in_markdown_holds_every_name() -> None:
    rows = cells_of(markdown_table(scores(NAMES)).rpartition("\n\n")[0])
    assert {len(row) for row in rows} == {5}
    assert [row[0] for row in rows[1 : 1 + len(NAMES)]] == list(map(shown, NAMES))


def test_a_report_holds_every_name() -> None:
    table = Table("names", ["class", *NAMES], [[Cell(n), *map(Cell, NAMES)] for n in NAMES])
    legend = Legend("classes", [("#000000", name) for name in NAMES])
    report = Report("x", "", [Section("s", "S", [table, legend])])
    rows = cells_of(to_markdown(report)[0].rpartition("\n\nclasses: ")[0])
    assert rows[0][1:] == list(map(shown, NAMES))
    assert [row[0] for row in rows[1:]] == list(map(shown, NAMES))
    page = to_html(report)
    assert re.findall(r"<th scope=\"row\"[^>]*>(.*?)</th>", page, re.DOTALL)[0] == "a|b"
    assert "<!-- x" not in page
    assert "<b>" not in page
    out = io.StringIO()
    show(report, Console(file=out, width=1000))
    assert all(one_line(name) in out.getvalue() for name in NAMES)


def test_a_terminal_shows_every_name() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system=None)
    counts = ClassCounts([1] * len(NAMES))
    console.print(_rich_table(scores(NAMES), "a [red] title"))
    assert "\x1b[31m" not in out.getvalue()
    lines = out.getvalue().splitlines()
    for name in NAMES:
        assert any(line.startswith(f"│ {one_line(name)} ") for line in lines), name
    assert "\n" not in imbalance_line(counts, NAMES)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        *(("a/b", "a_b"), ("a|b", "a_b"), ("x\ny", "x_y"), ("my data", "my_data"), ("..", "_")),
        *(("R&D (1)", "R&D_(1)"), ('a"b', "a_b"), ("路面", "路面"), ("<b>", "_b_")),
    ],
)
def test_a_file_can_have_the_name(name: str, file: str) -> None:
    assert file_name(name) == file


def test_prose_keeps_its_own_marks() -> None:
    assert markdown_prose("**a** `b|c` <d>\n") == "**a** `b\\|c` &lt;d> "
    assert markdown("traffic_light") == "traffic_light"


def test_the_result_fits_into_80_columns() -> None:
    names = ["loss", "mean IoU", "mean accuracy", "tail recall", "tail precision", "pixel accuracy"]
    scores = [
        Cell(f"{value} ± 2.5", "", "better", 1.0) for value in ("63.5", "7.0", "99.9", "0.0", "1.0")
    ]
    table = Table("t", names, [[Cell("recall, 1620 steps"), *scores]])
    out = io.StringIO()
    show(Report("x", "", [Section("s", "S", [table])]), Console(file=out, width=80))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    assert all(f"▲ {cell.text}" in out.getvalue() for cell in scores)
    assert "…" not in out.getvalue()
