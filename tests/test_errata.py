"""docs/errata.md: every block runs and prints what it says, and every erratum has a block."""

import doctest
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "errata.md"
TEXT = PAGE.read_text()
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
ITEMS = {
    item.split("\n", 1)[0]: BLOCK.findall(item)
    for item in re.split(r"^## .*\n|^### ", TEXT, flags=re.MULTILINE)[1:]
    if item.strip()
}
HEADINGS = re.findall(r"^### (.*)", TEXT, re.MULTILINE)
OPEN = re.findall(r"^### (.*)", TEXT.split("## Left open")[1], re.MULTILINE)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.split("\n## ")[0].splitlines()
    if line.startswith("| ")
][1:]


def parse(block: str, name: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(block, {}, name, str(PAGE), 0)


def run(block: str, name: str, names: dict[str, object]) -> dict[str, object]:
    """The names that the block leaves; fails with the difference where it prints something else."""
    test = parse(block, name)
    test.globs.update(names)
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append, clear_globs=False)
    assert result.attempted, "holds no statement"
    assert not result.failed, "".join(report)
    return test.globs


@pytest.fixture(scope="module")
def prelude() -> dict[str, object]:
    return run(BLOCK.findall(TEXT)[0], "prelude", {})


@pytest.mark.parametrize("heading", HEADINGS)
def test_block_prints_what_the_page_says(heading: str, prelude: dict[str, object]) -> None:
    assert len(ITEMS[heading]) == 1
    run(ITEMS[heading][0], heading, prelude)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_table_has_the_numbers_of_the_block(row: list[str]) -> None:
    printed = " ".join(example.want for example in parse(ITEMS[row[0]][0], row[0]).examples)
    for value in re.findall(r"`(.*?)`", " ".join(row[1:])):
        assert re.search(rf"(?<![\w.+-]){re.escape(value)}(?![\w.])", printed), value


def test_table_lists_every_erratum() -> None:
    assert [row[0] for row in ROWS] == [name for name in HEADINGS if name not in OPEN]


def test_every_block_is_run() -> None:
    assert len(BLOCK.findall(TEXT)) == 1 + len(HEADINGS) == 1 + len(ROWS) + len(OPEN)
