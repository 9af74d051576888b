"""The files of a report: complete, the same every time, without anything from outside."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.axes import Axes
from PIL import Image

from lit_seg.analysis.comparison import compare
from lit_seg.analysis.style import INK
from lit_seg.cli.commands.report import main
from lit_seg.report import write
from lit_seg.report.blocks import Cell, Panel, Report, Section, Table, Text
from lit_seg.report.figure_files import panel_svg
from lit_seg.report.html import inline, to_html
from lit_seg.report.markdown import to_markdown
from lit_seg.report.sections import build, verdict
from tests.analysis.fabricated import CLASSES, LOSSES, make_older, write_run


class _Page(HTMLParser):
    """What is in a page: tags with their attributes, and the text of each table row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for loss in ("ce", "recall"):
        for seed in (0, 1, 2):
            write_run(root, loss, seed, never=["bicyclist"] if loss == "ce" else [])
    longer = write_run(root, "recall", 0, data="camvid_x3", steps=1620)
    (longer / "classes.csv").unlink()  # saves plots
    write_run(root, "wce", 0, finished=False)
    return root


@pytest.fixture(scope="module")
def out(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    assert main([str(runs), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def page(out: Path) -> str:
    return (out / "report.html").read_text()


def test_the_page_loads_nothing(page: str) -> None:
    parsed = _Page(page)
    links = [v for _, a in parsed.tags for k, v in a.items() if k in ("src", "href")]
    assert links
    assert all(str(link).startswith(("data:", "#")) for link in links)
    assert not re.search(r"url\((?!#)|@import|https?://", page)


def test_ids_are_unique_and_every_link_has_its_target(page: str) -> None:
    parsed = _Page(page)
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {a["href"] for _, a in parsed.tags if str(a.get("href", "")).startswith("#")}
    named = {a[k] for _, a in parsed.tags for k in ("aria-labelledby", "aria-controls") if k in a}
    clips = set(re.findall(r"url\(#([^)]+)\)", page))
    assert {str(target)[1:] for target in targets} | named | clips <= set(ids)


def test_everything_has_a_name(page: str) -> None:
    parsed = _Page(page)
    assert all(a.get("aria-label") for a in parsed.all("svg"))
    assert all("alt" in a for a in parsed.all("img"))
    assert all(a.get("scope") for a in parsed.all("th"))
    assert [tag for tag, _ in parsed.tags].count("main") == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_plots_are_shortened_but_not_their_words() -> None:
    def draw(axes: Axes) -> None:
        axes.plot([0, 1 / 3], [0, 1], color=INK)
        axes.set_title("3.14159 < 4")

    svg = panel_svg(Panel("", draw), "p7", "what & why")
    assert "3.14159 &lt; 4</text>" in svg
    assert not re.search(r"\d\.\d\d", svg.replace("3.14159", ""))
    assert 'aria-label="what &amp; why"' in svg
    assert "var(--ink)" in svg
    assert INK not in svg
    assert "DejaVu" not in svg
    assert all(name.startswith("p7") for name in re.findall(r' id="([^"]+)"', svg))


def test_nothing_of_the_place_or_the_day_is_in_it(out: Path, runs: Path) -> None:
    for name in ("report.html", "report.md"):
        text = (out / name).read_text()
        assert str(runs) not in text
        assert str(out) not in text
        assert not re.search(r"20\d\d-\d\d-\d\d", text)


def test_markdown_has_the_same_numbers_and_its_pictures(out: Path, page: str) -> None:
    text = (out / "report.md").read_text()
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert sorted(pictures) == sorted(path.name for path in out.glob("*.png"))
    for name in pictures:
        with Image.open(out / name) as image:
            assert min(image.size) > 100
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    numbers = re.findall(r"\d+\.\d ± \d+\.\d", text)
    assert len(numbers) > 100
    shown = re.sub(r"<[^>]+>", " ", page)
    assert sorted(numbers) == sorted(re.findall(r"\d+\.\d ± \d+\.\d", shown))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_verdict_says_what_was_put_in(out: Path) -> None:
    text = (out / "report.md").read_text()
    assert "Pick **recall**" in text
    assert "ce never predicts bicyclist" in text
    assert "ce finds less than 1 % of bicyclist" in text
    assert "wce/seed0 is not finished" in text
    assert "3 seeds" in text
    assert "recall, 3x" in text


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        run = write_run(tmp_path, loss, 0, classes=3, images=6, logged=6, validations=1)
        (run / "classes.csv").unlink()
    first, second = (
        (to_html(report), to_markdown(report))
        for report in (build(compare([tmp_path], draws=50)) for _ in range(2))
    )
    assert first == second


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(out: Path, runs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lit_seg", "report", str(runs), "--out", str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (out, tmp_path)
    )
    assert first == second


@pytest.mark.slow
def test_nine_losses_and_three_seeds_fit(tmp_path: Path) -> None:
    for loss in LOSSES:
        for seed in (0, 1, 2):
            write_run(tmp_path, loss, seed)
    page = to_html(build(compare([tmp_path], draws=50)))
    assert len(page.encode()) < 2_000_000
    assert all(loss in page for loss in LOSSES)


def test_one_run_alone_gives_a_page(tmp_path: Path) -> None:
    run = write_run(tmp_path, "recall", 4, classes=2, images=3, logged=3, validations=1)
    (run / "classes.csv").unlink()
    report = build(compare([tmp_path], draws=50))
    text, _ = to_markdown(report)
    assert "no finished run of a baseline" in text
    assert "One seed" in text
    _Page(to_html(report))


def test_a_run_of_an_older_version_gives_a_page(tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        folder = write_run(tmp_path, loss, 0, images=3, logged=4, validations=2, pictures=False)
        for name in ("val_images.csv", "dataset.csv", "cost.csv", "classes.csv", "config.yaml"):
            (folder / name).unlink()
        make_older(folder)
    report = build(compare([tmp_path], draws=50))
    text, _ = to_markdown(report)
    assert "no val_images.csv" in text
    assert "no dataset.csv" in text
    assert {section.anchor for section in report.sections} == {
        *("verdict", "tradeoff", "classes", "learning", "made")
    }
    _Page(to_html(report))


def test_runs_that_differ_in_more_than_the_loss_are_said_loudly(tmp_path: Path) -> None:
    write_run(tmp_path, "ce", 0, images=3, logged=3, pictures=False)
    write_run(tmp_path, "recall", 0, images=3, logged=3, height=180, pictures=False)
    section = build(compare([tmp_path], draws=50)).sections[0]
    first = section.blocks[0]
    assert getattr(first, "kind", "") == "warning"
    assert "`data.init_args.height` is 120 (ce) or 180 (recall)" in first.items[0]


def test_text_is_escaped() -> None:
    assert inline("a < b & **c** `<d>`") == (
        "a &lt; b &amp; <strong>c</strong> <code>&lt;d&gt;</code>"
    )
    table = Table("t", ["a|b", "<x>"], [[Cell("p|q"), Cell("<y>", "<n>", "better", 1.0)]])
    report = Report("<t>", "", [Section("s", "S", [Text("x <script> y"), table])])
    page, (text, _) = to_html(report), to_markdown(report)
    assert "<script> y" not in page
    assert "&lt;y&gt;" in page
    assert "p\\|q" in text
    assert 'data-value="1"' in page


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'none'}: there is no such folder; give a run or a folder of runs\n"
    )
    run = write_run(tmp_path / "runs", "ce", 0, classes=2, images=2, logged=2, validations=1)
    (run / "classes.csv").unlink()
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "file" / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "another folder by --out" in error


def test_drafts_are_of_one_file_and_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts: list[Path] = []
    monkeypatch.setattr(write, "replace_file", lambda path, _, draft: drafts.append(draft))
    for process in (7, 8):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        for name in ("report.html", "report.md"):
            write._write(tmp_path / name, b"")
    assert len(set(drafts)) == 4
    assert {draft.parent for draft in drafts} == {tmp_path}


def test_classes_are_marked_by_rarity_and_by_the_paper(out: Path) -> None:
    text = (out / "report.md").read_text()
    rows = [
        line.split("|")[1:4]
        for line in text.splitlines()
        if re.match(r"\| \w+†? \| (head|medium|tail) \|", line)
    ]
    first = [[cell.strip() for cell in row] for row in rows[: len(CLASSES)]]
    assert [row[1] for row in first] == ["head"] * 4 + ["medium"] * 4 + ["tail"] * 3
    assert first[0][0] == "road"
    assert first[-1] == ["bicyclist†", "tail", "0.3"]


def test_a_gain_on_the_tail_without_a_price_is_what_to_pick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signs = {
        "ce": {},
        "wce": {"tail_recall": 1, "pixel_acc": -1},
        "recall": {"tail_recall": 1},
        "pat": {"tail_iou": 1, "macc": 1},
        "focal": {"macc": 1},
    }
    usual: Any = [SimpleNamespace(label=label) for label in signs]
    asked: list[list[str]] = []
    monkeypatch.setattr(verdict, "sign", lambda _, label, stat: signs[label].get(stat, 0))
    monkeypatch.setattr(
        verdict, "best", lambda _, arms, __: asked.append([arm.label for arm in arms])
    )
    verdict._free(SimpleNamespace(), usual)  # type: ignore[arg-type]
    assert asked == [["recall", "pat"]]
