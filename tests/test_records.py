"""What the pages print can be computed again from the records in the repository."""

import json
import re
from pathlib import Path

import pytest

from experiments import compare_two, records, summarise
from experiments.gpu import page as gpu_page
from experiments.paper import check_camvid
from lit_seg.cli.commands import report
from tests.conftest import EXPERIMENTS

PAPER = EXPERIMENTS / "paper"


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    for archive in records.ARCHIVES:
        records.unpack(archive, folder)
    return folder


def test_tables_of_streets_are_those_of_the_records(
    unpacked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streets = unpacked / "streets/unet_resnet18"
    text = (EXPERIMENTS / "README.md").read_text()
    shown = rows(text[text.index("## Streets") : text.index("## Every loss")])
    summarise.main(streets)
    compare_two.main(streets / "ce/seed0", streets / "recall/seed0")
    assert shown == rows(capsys.readouterr().out)


def test_the_table_of_every_loss_is_that_of_the_records(
    unpacked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (EXPERIMENTS / "README.md").read_text()
    shown = rows(text[text.index("## Every loss") : text.index("## How a network")])
    summarise.main(unpacked / "every_loss/camvid/unet_resnet18")
    assert shown == rows(capsys.readouterr().out)


def test_a_table_of_intervals_is_that_of_the_records(unpacked: Path) -> None:
    """As below, of the runs that are few and small."""
    lines = list(check_camvid.differences([unpacked / "streets"], draws=10_000))
    assert check_camvid.shown_in(PAPER / "camvid.md")["streets"] == lines


@pytest.mark.slow
def test_tables_of_the_pages_are_those_of_the_records(unpacked: Path) -> None:
    found = check_camvid.tables(unpacked, draws=10_000)
    assert found
    for (page, name), lines in found.items():
        assert check_camvid.shown_in(PAPER / f"{page}.md")[name] == lines, page


@pytest.mark.parametrize(
    "page", [p for p in sorted(PAPER.glob("*.md")) if check_camvid.shown_in(p)], ids=str
)
def test_the_prose_between_tables_has_no_number_of_its_own(page: Path) -> None:
    """What is measured stands in a table, which the records give."""
    text = page.read_text()
    start = text.find("**Run here.**" if "**Run here.**" in text else "## What came out")
    part = text[start : text.find("**Verdict.**") if "**Verdict.**" in text else None]
    part = re.sub(r"```.*?```|\]\([^)]*\)", "", part, flags=re.DOTALL)
    numbers = re.compile(r"\d*\.\d+")
    tables = "\n".join(line for line in part.splitlines() if line.startswith("|"))
    part = re.sub(r"<!-- table: .*?<!-- end -->", "", part, flags=re.DOTALL)
    prose = "\n".join(line for line in part.splitlines() if not line.startswith("|"))
    known = {float(number) for number in numbers.findall(tables)}
    assert [n for n in numbers.findall(prose) if float(n) not in known] == []


@pytest.mark.slow
def test_the_report_is_that_of_the_records(unpacked: Path, tmp_path: Path) -> None:
    runs = [str(unpacked / "camvid-recall_camvid"), str(unpacked / "x3")]
    assert report.main([*runs, "--out", str(tmp_path)]) == 0
    shown = EXPERIMENTS.parent / "docs/camvid"
    made = (tmp_path / "report.md").read_text()
    assert numbers_of(made) == numbers_of((shown / "report.md").read_text())


def numbers_of(text: str) -> list[str]:
    """Of a report, but for the command and the folders at its end."""
    return re.findall(r"\d+(?:\.\d+)?", text.partition("## How this was made")[0])


def test_the_page_on_gpus_shows_the_record() -> None:
    found = json.loads((gpu_page.DOCS / "records/gpu.json").read_text())
    text = (gpu_page.DOCS / "gpu.md").read_text()
    assert text.partition(gpu_page.MARK)[2] == "\n" + gpu_page.as_text(found)
