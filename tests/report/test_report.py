"""The files of a report: complete, the same every time, without anything from outside."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from lit_seg.analysis.comparison import compare
from lit_seg.cli.commands.report import main
from lit_seg.report import write
from lit_seg.report.blocks import Cell, Choice, Figure, Legend, Panel, Report, Section, Table, Text
from lit_seg.report.html import inline, to_html
from lit_seg.report.images import draw_panel, with_inset
from lit_seg.report.markdown import to_markdown
from lit_seg.report.sections import build
from tests.analysis.fabricated import CLASSES, LOSSES, write_run


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
    assert all("alt" in a for a in parsed.all("img"))
    assert all(a.get("scope") for a in parsed.all("th"))
    assert [tag for tag, _ in parsed.tags].count("main") == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_the_first_screen_recommends_and_shows_why(page: str) -> None:
    """Figure and table come before any notes; methods and runs are folded."""
    first = page[page.index('<section id="decision"') : page.index('<section id="tradeoff"')]
    places = [
        first.index(part) for part in ('class="lead"', "<figure>", "<table", 'class="note">Plots')
    ]
    assert places == sorted(places)
    made = page[page.index('<section id="made"') :]
    assert made.count("<details>") == made.count("<summary>") == 3
    folded = "".join(re.findall(r"<details>.*?</details>", made, re.DOTALL))
    assert "recall/seed1" in folded
    assert "Student" in folded
    assert "<table" not in re.sub(r"<details>.*?</details>", "", made, flags=re.DOTALL)


def test_a_cell_tells_its_column_where_a_row_is_too_wide_for_the_screen(page: str) -> None:
    cells = _Page(page).all("td")
    assert len(cells) > 100
    assert all(cell["data-column"] for cell in cells)
    assert "content: attr(data-column)" in page


def test_a_plot_is_the_same_every_time_and_twice_as_sharp_as_its_place() -> None:
    plots = [
        draw_panel("a $x_{$", lambda axes: axes.plot([0, 1 / 3], [0, 1]) and None, 200, 100)
        for _ in range(2)
    ]
    assert plots[0].image.tobytes() == plots[1].image.tobytes()
    assert plots[0].image.size == (400, 2 * (100 + 24))  # with the title


def test_an_inset_keeps_class_colours() -> None:
    label = Image.new("P", (20, 10))
    label.putpalette([0, 0, 0, 255, 0, 0])
    label.paste(1, (5, 2, 9, 6))
    found = with_inset(label, (4, 1, 10, 7), 40).convert("RGB")
    assert found.size == (40, 39)
    colours = {colour for _, colour in found.getcolors() or []}
    assert colours == {(0, 0, 0), (255, 0, 0), (255, 255, 255)}
    assert found.getpixel((20, 30)) == (255, 0, 0)


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


def test_the_decision_says_what_was_put_in(out: Path) -> None:
    text = (out / "report.md").read_text()
    assert "Choose **recall**" in text
    assert re.search(r"\| recall<br>3 seeds \| ▲ [\d.]+ ± [\d.]+<br>better \+", text)
    assert re.search(r"\| ce \| bicyclist \|", text)
    assert "wce/seed0 is not finished" in text
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
    assert "LOSS=ce" in text
    assert "1 to 1 per loss" in text
    _Page(to_html(report))


def test_runs_without_their_other_files_give_a_page(tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        folder = write_run(tmp_path, loss, 0, images=3, logged=4, validations=2, pictures=False)
        for name in ("val_images.csv", "dataset.csv", "cost.csv", "classes.csv", "config.yaml"):
            (folder / name).unlink()
    report = build(compare([tmp_path], draws=50))
    text, _ = to_markdown(report)
    assert "no val_images.csv" in text
    assert {section.anchor for section in report.sections} == {
        *("decision", "tradeoff", "classes", "learning", "made")
    }
    _Page(to_html(report))


HOSTILE = "<script>alert(1)</script> ![x](y) [l](javascript:z) a|b \"' onload=q **b** `c`"


def test_no_name_is_markup_in_any_block() -> None:
    panel = Panel(HOSTILE, Image.new("P", (4, 4)), [HOSTILE])
    figure = Figure("f", HOSTILE, HOSTILE, [panel])
    cell = Cell(HOSTILE, HOSTILE, "better", 1.0)
    table = Table(HOSTILE, [HOSTILE, HOSTILE], [[cell, cell]], foot=[[cell, cell]])
    blocks = [
        Text(HOSTILE), Text(HOSTILE, "warning"), table, figure,
        Legend(HOSTILE, [("#fff", HOSTILE)]),
        Choice(HOSTILE, [(HOSTILE, table), (HOSTILE, figure)]),
    ]  # fmt: skip
    report = Report(HOSTILE, HOSTILE, [Section("s", HOSTILE, blocks)])
    page, (text, _) = to_html(report), to_markdown(report)
    parsed = _Page(page)
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert all("onload" not in attrs for _, attrs in parsed.tags)
    assert all(attrs["src"].startswith("data:") for attrs in parsed.all("img"))  # type: ignore[union-attr]
    assert {str(attrs["href"])[0] for attrs in parsed.all("a")} == {"#"}
    assert "<script" not in text
    assert re.findall(r"(?<!\\)\]\((.*?)\)", text) == ["f.png", "f.png"]
    rows = re.findall(r"^\|.*$", text, re.MULTILINE)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_text_is_escaped() -> None:
    assert inline("a < b & **c** `<d>`") == (
        "a &lt; b &amp; <strong>c</strong> <code>&lt;d&gt;</code>"
    )
    table = Table("t", ["a|b", "<x>"], [[Cell("p|q"), Cell("<y>", "<n>", "better", 1.0)]])
    page = to_html(Report("<t>", "", [Section("s", "S", [table])]))
    assert "&lt;y&gt;" in page
    assert 'data-value="1"' in page


def test_only_the_script_of_the_page_may_run(page: str) -> None:
    script = page[page.index("<script>") + len("<script>") : page.index("</script>")]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    (policy,) = [a["content"] for a in _Page(page).all("meta") if "http-equiv" in a]
    assert str(policy).startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in str(policy)


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'none'}: ")
    assert "give a run or a folder of runs" in error
    assert error.count("\n") == 1
    run = write_run(tmp_path / "runs", "ce", 0, classes=2, images=2, logged=2, validations=1)
    (run / "classes.csv").unlink()
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "file" / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "give another folder" in error


def test_drafts_are_of_one_file_and_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts: list[Path] = []
    monkeypatch.setattr(Path, "replace", lambda draft, path: drafts.append(draft))
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
