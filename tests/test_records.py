"""What the pages print can be computed again from the records in the repository."""

from pathlib import Path

import pytest

from experiments import compare_two, records, summarise
from tests.conftest import EXPERIMENTS


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streets")
    records.unpack(records.ARCHIVES[-1], folder)
    return folder / "streets/unet_resnet18"


def test_tables_of_streets_are_those_of_the_records(
    streets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (EXPERIMENTS / "README.md").read_text()
    shown = rows(text[text.index("## Streets") : text.index("## Every loss")])
    summarise.main(streets)
    compare_two.main(streets / "ce/seed0", streets / "recall/seed0")
    assert shown == rows(capsys.readouterr().out)
