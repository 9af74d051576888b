"""Private names of other libraries stand in one module each, and still mean what they did."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import jsonargparse
import pytest
import pytorch_lightning
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop

import lit_seg
from lit_seg.checkpoints.checkpoint_io import AtomicCheckpointIO
from lit_seg.checkpoints.lightning_private import LOGGED_STEP, save_on_this_rank, set_logged_step
from lit_seg.config.jsonargparse_private import temporary_parsing_settings
from lit_seg.distributed.torch_private import (
    COMPILED,
    LAST_RATES,
    PHASES,
    STEP_COUNT,
    closed_form_rates,
    copy_all,
    cpu_multiplies_bfloat16,
    scheduler_states,
)
from lit_seg.loggers.wandb_log import WandbLog
from lit_seg.metrics import ClassRecall

PACKAGE = Path(lit_seg.__file__).parent
FENCE = {
    "lit_seg/checkpoints/lightning_private.py",
    "lit_seg/cli/wandb_private.py",
    "lit_seg/config/jsonargparse_private.py",
    "lit_seg/distributed/barrier_private.py",
    "lit_seg/distributed/torch_private.py",
    "lit_seg/export/torch_export_private.py",
}
DOCUMENTED = {
    ("os", "_exit"),
    ("text", "_netrc"),  # the name of that file on Windows
    ("text", "_paper"),  # the end of the names of folders of ours
    ("text", "_ratio"),  # and of a statistic
    ("text", "_reconstruct"),  # what the pickles of CIFAR ask for, of numpy
}
"""Names that begin with an underscore and are public, or are ours and stand in a text."""
OF_NAMED_TUPLES = {"_asdict", "_replace"}
MEASURED = {("torch", "_dynamo"), ("torch.cuda", "_sleep")}
"""What only the timing of kernels uses, in ``experiments/gpu``: a fresh compiler, a busy GPU."""
OVERRIDDEN = {
    ("lit_seg.metrics.full_precision", "FullPrecision", "_apply"),
    ("lit_seg.cli.lightning_cli", "LitSegCLI", "_parse_ckpt_path"),
}
"""Private methods of other libraries that a class of ours replaces."""
NOT_FOREIGN = ("lit_seg", "builtins", "abc", "enum", "typing")


def private(name: object) -> bool:
    return isinstance(name, str) and re.match(r"_[A-Za-z]", name) is not None


def names_a_private_thing(text: object) -> bool:
    """Whether a string is a private name, or a path of modules with one."""
    if not isinstance(text, str) or not all(part.isidentifier() for part in text.split(".")):
        return False
    first, *rest = text.split(".")
    return any(map(private, rest)) or (private(first) and not rest)


def private_names(tree: ast.AST) -> set[tuple[str, str]]:
    """What a module takes from objects or modules that are not its own: (where, name)."""
    found = set()
    within_text = {
        part for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            found.add((ast.unparse(node.value), node.attr))
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("lit_seg"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            found |= {("import", name) for name in names if private(name)}
        elif isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
            found |= {("import", part) for part in parts if private(part)}
        elif isinstance(node, ast.keyword) and private(node.arg):
            found.add(("argument", node.arg))
        elif isinstance(node, ast.MatchClass):
            found |= {("pattern", name) for name in node.kwd_attrs if private(name)}
        elif isinstance(node, ast.Constant) and names_a_private_thing(node.value):
            found |= set() if node in within_text else {("text", node.value)}
    return found


def own_names(trees: Iterable[ast.AST]) -> set[str]:
    """Private names that the project gives to its own functions, classes and attributes."""
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return set(filter(private, found))


def own_classes() -> Iterator[type]:
    """The classes that the package defines."""
    for found in pkgutil.walk_packages([str(PACKAGE)], "lit_seg."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            classes = filter(inspect.isclass, vars(module).values())
            yield from (cls for cls in classes if cls.__module__ == found.name)


def names_of_others(cls: type) -> set[str]:
    """Private names that the foreign bases of a class define, also while they run."""
    bases = [b for b in cls.__mro__ if b.__module__.split(".")[0] not in NOT_FOREIGN]
    return {name for base in bases for name in names_of_class(base)}


@cache
def names_of_class(cls: type) -> set[str]:
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):  # it is written in C
        source = ""
    names = own_names([ast.parse(dedent(source))]) | set(filter(private, vars(cls)))
    return names - {"_abc_impl"}  # every abstract class has one


@cache
def sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE.parent).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("lit_seg", "experiments")
        for path in (PACKAGE.parent / folder).rglob("*.py")
    }


@cache
def own() -> set[str]:
    return own_names(sources().values())


def is_own(where: str, name: str) -> bool:
    """Whether a private name is one of the project's, or of Python and documented."""
    ours = where in ("self", "cls", "super()") and name in own()
    return ours or (where, name) in DOCUMENTED or name in OF_NAMED_TUPLES


def test_private_names_stand_inside_the_fence() -> None:
    found = {
        (path, *each)
        for path, tree in sources().items()
        for each in private_names(tree)
        if not is_own(*each) and not (path.startswith("experiments/gpu/") and each in MEASURED)
    }
    replaced = {(_path_of(module), "super()", name) for module, _, name in OVERRIDDEN}
    assert {each for each in found - replaced if each[0] not in FENCE} == set()
    assert {each[0] for each in found} >= FENCE  # each module of it is still needed


def _path_of(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


@pytest.mark.parametrize(
    "line",
    [
        "trainer._x",
        "self._x",
        "super()._x()",
        "from torch._x import y",
        "from torch import _x",
        "import torch._x",
        "import_module('torch._x')",
        "getattr(a, '_x')",
        "state['_x']",
        "state.get('_x')",
        "{'_x'}",
        "f(_x=1)",
        "match a:\n    case B(_x=c):\n        pass",
    ],
)
def test_the_search_finds_a_private_name(line: str) -> None:
    found = private_names(ast.parse(line))
    assert {name.rpartition(".")[2] for _, name in found} == {"_x"}
    assert not any(is_own(*each) for each in found)


def test_a_module_may_use_its_own_private_names() -> None:
    lines = "_x; from lit_seg.a import _x; a.__dict__; row['x']; '_x.png'; f'{a}_x'"
    assert private_names(ast.parse(lines.replace("; ", "\n"))) == set()
    assert {name for name in own() if is_own("self", name)} == own()


def test_a_class_of_ours_uses_no_private_name_of_its_bases() -> None:
    """Neither ``self._x`` that a base sets, nor an ``_x`` of ours that a base has too."""
    found = set()
    for cls in own_classes():
        if foreign := names_of_others(cls):
            taken = private_names(ast.parse(dedent(inspect.getsource(cls))))
            used = {name for where, name in taken if where in ("self", "cls", "super()")}
            # torch itself writes this one into each `autograd.Function`
            used |= set(filter(private, vars(cls))) - {"_backward_cls"}
            found |= {(cls.__module__, cls.__name__, name) for name in used & foreign}
    # which torch makes for each function with a gradient of its own
    assert {each for each in found if each[2] != "_backward_cls"} == OVERRIDDEN


def test_the_names_that_a_base_sets_are_seen() -> None:
    assert names_of_others(WandbLog) >= {"_experiment", "_wandb_init"}
    assert names_of_others(ClassRecall) >= {"_computed", "_update_count", "_apply"}


def test_lightning_is_the_minor_release_that_is_tested() -> None:
    pins = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    major, minor = map(int, pytorch_lightning.__version__.split(".")[:2])
    assert f'"pytorch-lightning>={major}.{minor},<{major}.{minor + 1}"' in pins


def test_lightning_logs_at_the_step_that_is_set() -> None:
    trainer = Trainer(logger=False, accelerator="cpu", enable_checkpointing=False)
    loop = trainer.fit_loop.epoch_loop
    assert isinstance(loop, _TrainingEpochLoop)
    assert loop.on_save_checkpoint() == {LOGGED_STEP: 0}
    set_logged_step(trainer, 7)
    assert loop.on_save_checkpoint() == {LOGGED_STEP: 7}
    loop.on_load_checkpoint({LOGGED_STEP: 5})
    assert loop.on_save_checkpoint() == {LOGGED_STEP: 5}
    assert "_parse_ckpt_path" in vars(LightningCLI)


def test_lightning_gives_a_checkpoint_without_a_barrier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Model(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

    trainer = Trainer(
        logger=False, accelerator="cpu", plugins=[AtomicCheckpointIO()], enable_checkpointing=False
    )
    trainer.strategy.connect(Model())
    monkeypatch.setattr(trainer.strategy, "barrier", None)  # a call would fail
    save_on_this_rank(trainer, tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["state_dict"]["weight"].tolist() == [1, 1]


def test_torch_tells_the_rates_of_a_schedule() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    linear = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4)
    for expected in (1, 0.75, 0.5):
        assert closed_form_rates(linear) == pytest.approx([expected])
        optimizer.step()
        linear.step()
    assert closed_form_rates(SimpleNamespace()) is None


def test_torch_keeps_the_state_of_a_scheduler_by_these_names() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=4)
    assert {PHASES, STEP_COUNT, LAST_RATES} <= cycle.state_dict().keys()
    halves = [torch.optim.lr_scheduler.ConstantLR(optimizer, factor) for factor in (0.5, 1)]
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, halves, milestones=[2])
    assert scheduler_states(both.state_dict())[1:] == [each.state_dict() for each in halves]


def test_torch_names_the_tensors_of_a_compiled_module() -> None:
    compiled = torch.compile(torch.nn.Linear(1, 1), backend="eager")
    assert set(compiled.state_dict()) == {f"{COMPILED}.weight", f"{COMPILED}.bias"}


def test_torch_tells_whether_there_is_amx() -> None:
    known = torch.cpu.get_capabilities()
    has = known.get("amx_tile", False) or known.get("avx512_bf16", False)
    assert cpu_multiplies_bfloat16() == has


def test_a_module_of_torch_moves_by_the_method_that_full_precision_replaces() -> None:
    calls = []

    class Part(torch.nn.Module):
        def _apply(self, *args, **kwargs):
            calls.append(args)
            return super()._apply(*args, **kwargs)

    torch.nn.Sequential(Part()).to(torch.float64)
    assert len(calls) == 1


def test_jsonargparse_forgets_the_settings_of_a_context() -> None:
    def imports(path: str) -> bool:
        parser = jsonargparse.ArgumentParser(exit_on_error=False)
        parser.add_argument("--of", type=type[torch.optim.Optimizer])
        try:
            parser.parse_args([f"--of={path}"])
        except jsonargparse.ArgumentError:
            return False
        return True

    assert imports("torch.optim.SGD")
    with temporary_parsing_settings(import_path_denylist=["*"], import_path_allowlist=["nothing"]):
        assert not imports("torch.optim.SGD")
    assert imports("torch.optim.SGD")


def test_wandb_workspaces_tells_what_it_would_send() -> None:
    pytest.importorskip("wandb_workspaces")
    from lit_seg.cli.wandb_private import spec_of
    from lit_seg.dashboard.pages import build_report, build_workspace

    spec = spec_of(
        build_workspace("me", "losses", "streets"), build_report("me", "losses", "streets")
    )
    assert spec["workspace"]["spec"]["section"]
    assert spec["report"]["spec"]["blocks"]


def test_several_tensors_are_copied_at_once() -> None:
    values = [torch.arange(3.0), torch.ones(2, 2)]
    copies = [torch.zeros(3), torch.zeros(2, 2)]
    copy_all(copies, values)
    assert all(torch.equal(a, b) and a is not b for a, b in zip(copies, values, strict=True))
