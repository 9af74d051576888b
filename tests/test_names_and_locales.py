"""Names in any bytes, and systems whose encoding is not UTF-8, change no text and end no run."""

import ast
import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lit_seg.cli.main import main
from lit_seg.data import Folder
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.unicode import printable
from lit_seg.loggers.csv_log import CSVLog
from tests.conftest import TINY, layers
from tests.data.layout_of_folder import write_folder

ROOT = Path(__file__).parent.parent
FOREIGN = os.fsdecode(b"caf\xe9 \xff")  # of a disk of Latin-1
SHOWN = "caf\\udce9 \\udcff"
CLASSES = ["Straße", "道路", "yes"]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def renamed(root: Path, old: str, new: str) -> Path:
    """A folder of images and masks of which one pair has another name."""
    for folder in ("images", "masks"):
        (path,) = (root / folder).glob(f"{old}.*")
        path.rename(path.with_name(f"{new}{path.suffix}"))
    return root


def options(root: Path) -> dict[str, object]:
    sizes = {"height": 64, "width": 96, "num_workers": 0, "batch_size": 2}
    return {"root": str(root), "ids": CLASSES, "splits": {"train": 0.5, "val": 0.5}, **sizes}


def test_a_name_is_shown_as_text_and_stays_what_it_is_otherwise() -> None:
    assert printable(FOREIGN) == SHOWN
    for name in ("", "scene_0001", "a/b c", "Straße/道路", "cafe\u0301", "\U0001f6b2"):
        assert printable(name) == name


def test_a_file_of_any_name_has_a_name_that_can_be_written(tmp_path: Path) -> None:
    root = renamed(write_folder(tmp_path / "own"), "a", FOREIGN)
    data = Folder(**options(root))
    names = [
        split.name(i) for split in map(data.split, ("train", "val")) for i in range(len(split))
    ]
    assert f"images/{SHOWN}" in names
    assert len(set(names)) == len(names) == 10
    for name in names:
        assert name.encode()


def test_what_is_written_can_hold_any_name(tmp_path: Path) -> None:
    replace_text(tmp_path / "a.csv", f"{FOREIGN},道路\n")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == f"{SHOWN},道路\n"
    log = CSVLog(tmp_path)
    log.log_metrics({f"class/iou/{name}": 1.0 for name in CLASSES}, 0)
    log.keep_before(1)
    rows = list(csv.DictReader((tmp_path / "classes.csv").open(encoding="utf-8", newline="")))
    assert [row["class"] for row in rows] == CLASSES


def test_a_run_with_any_names_is_trained_resumed_and_reported(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    for path in sorted((root / "images").iterdir()):
        renamed(root, path.stem, f"{FOREIGN} 道路 {path.stem}")
    config = tmp_path / "own.yaml"
    data = {"class_path": "Folder", "init_args": options(root)}
    config.write_text(yaml.safe_dump({"data": data}, allow_unicode=True), encoding="utf-8")
    run = tmp_path / "run"
    pictures = ("--validation_report.num_images", "9", "--trainer.max_epochs", "1")
    args = [*layers("ce"), *TINY[6:], "--config", str(config), "--run_dir", str(run), *pictures]
    assert main(["fit", *args]) == 0
    assert main(["fit", "--resume", str(run), "--trainer.max_epochs", "2"]) == 0
    rows = list(csv.DictReader((run / "val_images.csv").open(encoding="utf-8", newline="")))
    assert len({row["image"] for row in rows}) == 5
    assert all(row["image"].startswith(f"images/{SHOWN} 道路 ") for row in rows)
    assert list(run.glob(f"pictures/images/{SHOWN} 道路 *_truth.png".replace("\\", "[\\]")))
    assert (run / "dataset.csv").read_text(encoding="utf-8").splitlines()[1].startswith("Straße,")


def command(*args: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "lit_seg", *args],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.slow  # each module that opens text is read below
def test_another_encoding_of_the_system_changes_nothing(tmp_path: Path) -> None:
    """Classes in a file, and images whose names are not ASCII, one of them not even UTF-8."""
    root = renamed(renamed(write_folder(tmp_path / "own"), "a", "道路"), "b", FOREIGN)
    config = tmp_path / "Straße.yaml"
    data = {"class_path": "Folder", "init_args": options(root)}
    config.write_text(yaml.safe_dump({"data": data}, allow_unicode=True), encoding="utf-8")
    (root / "masks" / f"{FOREIGN}.png").write_bytes(b"damaged")
    done = command("data", "check", str(config), **ASCII)
    said = done.stdout.decode("utf-8")
    assert f"masks/{SHOWN}.png: cannot be read as an image" in said
    assert said.endswith("1 problem\n")
    assert done.returncode == 1


def unspecified(tree: ast.AST) -> list[str]:
    """Calls that open text without its encoding."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg for keyword in node.keywords}
        words = {arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)}
        binary = any(isinstance(word, str) and "b" in word for word in words)
        opens = name == "open" or name.endswith((".open", ".read_text", ".write_text"))
        elsewhere = name.startswith(("Image.", "tarfile.", "build_opener", "os."))
        opens_text = opens and not binary and not elsewhere
        locale_text = name.startswith("subprocess.") and given & {"text", "universal_newlines"}
        if (opens_text and "encoding" not in given) or locale_text:
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("folder", ["lit_seg", "experiments"])
def test_every_text_is_opened_as_utf8(folder: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix(): calls
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (calls := unspecified(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {}
