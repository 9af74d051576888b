"""A module imports only from rooms that lie below its own, and its name stands once."""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lit_seg"

ROOMS = [
    *(
        "errors",
        "models",
        "files",
        "ops",
        "metrics",
        "losses",
        "images",
        "config",
        "runs",
        "loggers",
        "data",
        "distributed",
        "inference",
        "export",
    ),
    *("tasks", "checkpoints", "callbacks", "analysis", "report", "diagnosis", "dashboard", "cli"),
    "classification",
]
"""From the lowest to the highest: a room may import from those before it."""

AFTER_TRAINING = {
    "analysis": {"errors", "files", "metrics", "runs"},
    "report": {"errors", "files", "metrics", "images", "runs", "analysis"},
    # what a loss needs is on its card
    "diagnosis": {"errors", "files", "metrics", "losses", "runs", "analysis"},
    "dashboard": {"errors", "files", "metrics", "runs", "loggers", "analysis"},
}
"""These read what runs have left: they need neither datasets nor networks."""

LOOSE = {"__init__.py", "__main__.py", "errors.py"}

SAME_NAME = {
    "base.py": "the base class of a room, which every room may have",
    "__main__.py": "what Python runs of a package",
}
"""Names that several modules may have, and why."""

NAMED_BY_THE_SHELL = "cli/commands"
"""A command's module has its name in the shell, also where a room has a module of that name."""


@functools.cache
def modules() -> list[tuple[Path, ast.Module]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE), ast.parse(path.read_text())) for path in paths]


def room_of(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else path.stem


def imported(path: Path, tree: ast.Module) -> Iterator[str]:
    """The names of this package that a module has: imported, of attributes and in texts."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value.rstrip(".")]  # also the beginning of an f-string
        # a name of no room too, such as what the package would import for all
        known = r"lit_seg(\.(?!__(?:init|file)__)\w+)+"
        yield from (name for name in names if re.fullmatch(known, name))


@pytest.mark.parametrize(
    "line",
    [
        "import lit_seg.x",
        "from lit_seg import x",
        "import_module('lit_seg.x')",
        "import_module(f'lit_seg.x.{name}')",
        "import lit_seg; lit_seg.x",
    ],
)
def test_a_room_that_is_named_is_seen(line: str) -> None:
    assert set(imported(Path("m.py"), ast.parse(line))) == {"lit_seg.x"}


@pytest.mark.parametrize(
    "line", ["from lit_seg import X", "from lit_seg.__main__ import main", "import lit_seg._x"]
)
def test_a_name_that_is_of_no_room_is_seen(line: str) -> None:
    (name,) = imported(Path("m.py"), ast.parse(line))
    assert name.split(".")[1] not in ROOMS


@functools.cache
def arrows() -> list[tuple[Path, str, str, str]]:
    """Module, its room, what it imports and the room of that, where the rooms differ."""
    named = [(path, name) for path, tree in modules() for name in imported(path, tree)]
    found = [(path, room_of(path), name, name.split(".")[1]) for path, name in named]
    return [each for each in found if each[1] not in (each[3], "__main__", "__init__")]


def test_the_rooms_are_those_of_the_table() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders | {"errors"} == set(ROOMS)
    assert {path.name for path in PACKAGE.glob("*.py")} == LOOSE


def test_training_does_not_need_wandb() -> None:
    """It is imported where it is used: a machine without network may lack it."""
    top = [(path, node) for path, tree in modules() for node in tree.body]
    names = {
        path.as_posix()
        for path, node in top
        if isinstance(node, ast.Import) and any(alias.name == "wandb" for alias in node.names)
    }
    assert not names


def test_a_network_needs_no_trainer() -> None:
    """It stands low among the rooms, so that it needs no loss and no data either."""
    assert ROOMS.index("models") == 1
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if room_of(path) == "models" and isinstance(node, ast.Import | ast.ImportFrom)
        if "lightning" in ast.unparse(node)
    ]
    assert wrong == []


def test_a_room_imports_from_lower_rooms_only() -> None:
    """So that there is no circle between rooms either."""
    found = arrows()
    assert len(found) > 200
    wrong = [
        f"{path} imports {name}"
        for path, room, name, other in found
        if other not in ROOMS[: ROOMS.index(room)]
    ]
    assert wrong == []


def test_only_the_command_line_may_choose_a_room_at_run_time() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and "lit_seg.{" in ast.unparse(node)
    ]
    assert {each.split("/")[0] for each in wrong} == {"cli"}


def test_what_looks_at_runs_needs_no_training() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, room, name, other in arrows()
        if room in AFTER_TRAINING and other not in AFTER_TRAINING[room]
    ]
    assert wrong == []


def behind(*rooms: str) -> dict[str, ast.Module]:
    """The modules of rooms and all that they import of this package, by name."""
    known = {name_of(path): tree for path, tree in modules()}
    todo = [name for name in known if name.startswith(rooms)]
    found: dict[str, ast.Module] = {}
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = known[name]
            needed = (module_of(each, known) for each in imported(Path(name), known[name]))
            todo += [each for each in needed if each in known]
    return found


def packages(tree: ast.Module) -> set[str]:
    """The packages of others that are imported with a module, not later by a function of it."""
    return {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }


def test_reports_and_diagnoses_do_not_import_lightning() -> None:
    """Nor does anything that they import: it would take seconds."""
    found = behind("lit_seg.report", "lit_seg.diagnosis")
    assert found.keys() >= {"lit_seg.report.write", "lit_seg.images.overlays"}
    assert [name for name in found if "pytorch_lightning" in ast.unparse(found[name])] == []


def test_losses_need_torch_and_torchmetrics_only() -> None:
    """Also by a process that has nothing else, in the slow tests."""
    found = behind("lit_seg.losses")
    assert found.keys() >= {"lit_seg.ops.class_nll", "lit_seg.metrics.class_recall"}
    of_others = set().union(*map(packages, found.values())) - sys.stdlib_module_names
    assert of_others == {"lit_seg", "torch", "torchmetrics", "triton"}  # that comes with torch


def test_a_trained_network_needs_no_trainer() -> None:
    """As the slow tests see by the modules of a process."""
    found = behind("lit_seg.inference.trained")
    assert found.keys() >= {"lit_seg.models.build"}
    of_others = set().union(*map(packages, found.values()))
    assert not of_others & {"pytorch_lightning", "albumentations", "jsonargparse"}


def test_modules_import_each_other_without_a_circle() -> None:
    known = {name_of(path): tree for path, tree in modules()}
    needs = {
        name: {module_of(each, known) for each in imported(Path(name), tree)} - {name}
        for name, tree in known.items()
    }
    # what needs nothing that is left, or is needed by nothing that is left, is in no circle
    while ends := [
        name
        for name, others in needs.items()
        if not others & needs.keys() or not any(name in each for each in needs.values())
    ]:
        for name in ends:
            del needs[name]
    assert sorted(needs) == []


def name_of(path: Path) -> str:
    return ".".join(("lit_seg", *path.with_suffix("").parts)).removesuffix(".__init__")


def module_of(name: str, known: dict[str, ast.Module]) -> str:
    """The module that an imported name is, or stands in."""
    return name if name in known else name.rpartition(".")[0]


def test_no_two_modules_have_one_name() -> None:
    found: dict[str, list[str]] = {}
    for path, _ in modules():
        place = path.parent.as_posix()
        if path.name not in SAME_NAME and not place.startswith(NAMED_BY_THE_SHELL):
            found.setdefault(path.name, []).append(place)
    twice = {name: places for name, places in found.items() if len(places) > 1}
    del twice["__init__.py"]
    assert twice == {}


def test_exceptions_are_needed() -> None:
    for name in SAME_NAME:
        assert len(list(PACKAGE.rglob(name))) > 1, name
    assert (PACKAGE / NAMED_BY_THE_SHELL).is_dir()


def test_the_readme_lists_the_rooms_in_their_order() -> None:
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^lit_seg/(\w+)/ +\w", readme, re.MULTILINE) == ROOMS[1:]
