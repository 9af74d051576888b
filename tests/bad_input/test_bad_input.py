"""Every kind of bad input in docs/bad_input.md is provoked and says what the table says."""

import re
from pathlib import Path

import pytest

from lit_seg.data import DATASETS
from lit_seg.errors import LitSegError
from tests.bad_input import (
    of_analysis,
    of_classification,
    of_classifiers,
    of_configuration,
    of_data,
    of_datasets,
    of_machine,
    of_prediction,
    of_runs,
)
from tests.bad_input.case import Case, SaidError, World
from tests.conftest import TINY, layers
from tests.data import layouts

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad_input.md"
_KINDS = (
    *(of_data, of_datasets, of_configuration, of_runs, of_machine, of_analysis, of_prediction),
    of_classification,
    of_classifiers,
)
CASES = [case for kinds in _KINDS for case in kinds.CASES]


def table() -> dict[str, str]:
    """The message of each kind, as documented."""
    rows = re.findall(r"^\| `([\w-]+)` \| .+? \| ``? (.+) ``? \|$", DOCUMENT.read_text(), re.M)
    assert len(rows) == len({kind for kind, _ in rows}), "a kind twice"
    return dict(rows)


@pytest.fixture(scope="module")
def made(few_streets, tmp_path_factory):
    """The datasets and the stopped run."""
    from lit_seg.cli.main import main

    folder = tmp_path_factory.mktemp("bad_input")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("camvid", "cityscapes"):
            patch.setattr(DATASETS[name], "native_size", layouts.SIZES[name])
        layouts.camvid(folder / "camvid")
        layouts.cityscapes(folder / "cityscapes")
        args = ["fit", *layers(), *TINY, "--run_dir", str(folder / "run")]
        assert main([*args, "--trainer.max_epochs", "1"]) == 0
        yield folder


@pytest.fixture
def world(made, tmp_path, monkeypatch):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    return World(tmp_path, monkeypatch, made / "camvid", made / "cityscapes", made / "run")


def test_the_table_and_the_cases_are_the_same_kinds():
    assert [case.id for case in CASES] == list(table())
    assert len(CASES) >= 45


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_says_what_the_table_says(case: Case, world: World, capsys):
    try:
        code = case.provoke(world)
    except (LitSegError, ValueError, SaidError) as error:
        message = str(error)
    else:
        shown = capsys.readouterr().err
        assert code == 2
        assert "Traceback" not in shown
        assert shown.count("error: ") == 1
        message = shown[shown.index("error: ") :].removeprefix("error: ").rstrip("\n")
    assert "\n" not in message, "one error is one line"
    documented = table()[case.id].replace("\\|", "|")
    assert len(documented.replace("…", "")) > 20
    pattern = re.escape(documented).replace("…", ".*")
    assert re.fullmatch(pattern, message), f"{message!r} is not {documented!r}"
    assert [name for name in case.names if name not in message] == []
