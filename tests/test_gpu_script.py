"""`make gpu`: its sections keep their time boxes, and what they measured is never lost."""

import json
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from experiments.gpu import right
from experiments.gpu.__main__ import SECTIONS, main, run_all
from experiments.gpu.section import Section

CODE = {
    "fine": "section.row('t', value=1.5, name='a|b')",
    "raises": "section.row('t', value=1)\nraise ValueError('a dull reason')",
    "dies": "section.row('t', value=2)\nos._exit(3)",
    "tries": (
        "for n in range(3):\n"
        "    with section.attempt('t', n=n):\n"
        "        assert n != 1, 'not one'\n"
        "        section.row('t', n=n)"
    ),
    # a machine on which nothing ends in time, with a child that ignores the polite signal
    "slow": (
        "child = 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)'\n"
        "process = subprocess.Popen([sys.executable, '-c', child])\n"
        "section.row('t', pid=process.pid)\n"
        "time.sleep(60)"
    ),
}


@pytest.fixture
def sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modules of sections, and the folder of their results."""
    code = tmp_path / "code" / "made_sections"
    code.mkdir(parents=True)
    for name, body in CODE.items():
        head = f"import os, subprocess, sys, time\nTITLE = 'Of {name}'\nSECONDS = 2.5\n"
        body = textwrap.indent(body, "    ")
        (code / f"{name}.py").write_text(f"{head}\ndef run(section):\n{body}\n")
    monkeypatch.syspath_prepend(code.parent)
    return tmp_path / "out"


def test_boxes_are_kept_and_results_whole(sections: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.gpu.section.GRACE", 0.5)
    begun = time.monotonic()
    modules = [f"made_sections.{name}" for name in ("slow", "raises", "dies", "tries", "fine")]
    assert run_all(modules, sections, minutes=1, scale=1, smoke=False) == 1
    assert time.monotonic() - begun < 25
    found = {name: json.loads((sections / f"{name}.json").read_text()) for name in CODE}
    assert {name: f["status"].split()[0] for name, f in found.items()} == {
        **{"slow": "stopped", "raises": "failed:", "dies": "failed:"},
        **{"tries": "done", "fine": "done"},
    }
    assert "a dull reason" in found["raises"]["status"]
    assert "3" in found["dies"]["status"]
    rows = {name: f["tables"]["t"] for name, f in found.items()}
    assert rows["raises"] == [{"value": 1}]
    assert rows["dies"] == [{"value": 2}]
    assert rows["tries"] == [{"n": 0}, {"n": 1, "error": "AssertionError: not one"}, {"n": 2}]
    left = rows["slow"][0]["pid"]
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == "zombie"
    page = (sections / "gpu.md").read_text()
    assert page.count("## Of ") == 5
    assert "a\\|b" in page


def test_no_section_begins_after_the_end_of_all(sections: Path) -> None:
    assert run_all(["made_sections.fine"], sections, minutes=0.01, scale=1, smoke=False) == 1
    assert not list(sections.glob("fine.json"))
    # results of an earlier call stay
    assert run_all(["made_sections.fine"], sections, minutes=1, scale=1, smoke=False) == 0
    assert run_all(["made_sections.tries"], sections, minutes=1, scale=1, smoke=False) == 0
    found = json.loads((sections / "gpu.json").read_text())
    assert [each["name"] for each in found] == ["fine", "tries"]


LONG = ("right", "evidence")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([name for name in SECTIONS if name not in LONG], id="short"),
        pytest.param(LONG, id="long", marks=pytest.mark.slow),
    ],
)
def test_everything_but_the_gpu_is_tried(
    names: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the device is new to the script when there is one."""
    monkeypatch.setattr("experiments.gpu.__main__.SMOKE_SECONDS", 120)  # of a machine that is busy
    modules = [f"experiments.gpu.{name}" for name in names]
    assert run_all(modules, tmp_path, minutes=9, scale=1, smoke=True) == 0
    for name in names:
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert found["tables"], name
        errors = [row for rows in found["tables"].values() for row in rows if "error" in row]
        assert not errors, name


def test_a_section_that_cannot_be_imported(sections: Path) -> None:
    """Such as without pytest: the others go on, and no result of an earlier call stands for it."""
    (sections.parent / "code/made_sections/lacking.py").write_text("import a_package_of_nobody")
    sections.mkdir()
    old = {"name": "lacking", "title": "", "status": "done", "box": 1.0, "seconds": 1.0}
    (sections / "lacking.json").write_text(json.dumps({**old, "tables": {}, "notes": []}))
    modules = ["made_sections.lacking", "made_sections.fine"]
    assert run_all(modules, sections, minutes=1, scale=1, smoke=False) == 1
    lacking, fine = (json.loads((sections / f"{n}.json").read_text()) for n in ("lacking", "fine"))
    assert "a_package_of_nobody" in lacking["status"]
    assert fine["status"] == "done"


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file"), "--quick"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_failed_test_is_a_failed_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_wrong.py").write_text(
        "import pytest\n@pytest.mark.gpu\ndef test_wrong():\n    assert 0\n"
    )
    for name in ("LIT_SEG_TEST_DEVICE", right.END, right.SMOKE):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(right, "FOLDERS", (str(tmp_path),))
    section = Section("right", "Right", tmp_path, 30, smoke=True)
    with pytest.raises(RuntimeError, match="1 tests failed"):
        right.run(section)
