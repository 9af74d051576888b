"""Private names of other libraries stand in one module each, and still mean what they did."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
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
from lit_seg.distributed.torch_private import closed_form_rates, cpu_has_amx

PACKAGE = Path(lit_seg.__file__).parent
FENCE = {
    "checkpoints/lightning_private.py",
    "cli/wandb_private.py",
    "config/jsonargparse_private.py",
    "distributed/torch_private.py",
}
DOCUMENTED = {("os", "_exit"), ("rule", "_asdict")}
"""Names of Python that begin with an underscore and are public."""
OVERRIDDEN = {
    ("lit_seg.metrics.full_precision", "FullPrecision", "_apply"),
    ("lit_seg.cli.lightning_cli", "LitSegCLI", "_parse_ckpt_path"),
}
"""Private methods of other libraries that a class of ours replaces."""
NOT_FOREIGN = ("lit_seg", "builtins", "abc", "enum", "typing")


def private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__")


def private_names(tree: ast.AST) -> set[tuple[str, str]]:
    """What a module takes from objects or modules that are not its own: (where, name)."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "super()"):
                found.add((owner, node.attr))
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("lit_seg"):
            parts = (node.module or "").split(".")
            found |= {(node.module or "", name) for name in parts if private(name)}
            found |= {
                (node.module or "", alias.name) for alias in node.names if private(alias.name)
            }
        elif isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
            found |= {("import", part) for part in parts if private(part)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "getattr",
            "setattr",
            "hasattr",
        ):
            name = node.args[1]
            if isinstance(name, ast.Constant) and private(name.value):
                found.add((ast.unparse(node.args[0]), name.value))
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            key = node.slice.value
            found |= {(ast.unparse(node.value), key)} if private(key) else set()
    return found


def test_private_names_stand_inside_the_fence() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), *name)
        for path in PACKAGE.rglob("*.py")
        for name in private_names(ast.parse(path.read_text(encoding="utf-8")))
        if name not in DOCUMENTED
    }
    assert {name for name in found if name[0] not in FENCE} == set()
    assert {name[0] for name in found} == FENCE  # each module of it is still needed


@pytest.mark.parametrize(
    "line",
    [
        "trainer._x",
        "from torch._x import y",
        "from torch import _x",
        "import torch._x",
        "getattr(a, '_x')",
        "state['_x']",
    ],
)
def test_the_search_finds_a_private_name(line: str) -> None:
    assert {name for _, name in private_names(ast.parse(line))} == {"_x"}


def test_a_module_may_use_its_own_private_names() -> None:
    own = "self._x; super()._x; _x; from lit_seg.a import _x; a.__dict__; row['x']"
    assert private_names(ast.parse(own.replace("; ", "\n"))) == set()


def test_no_class_replaces_a_private_name_of_its_library_by_accident() -> None:
    replaced = set()
    for module in pkgutil.walk_packages([str(PACKAGE)], "lit_seg."):
        if module.name.endswith("__main__"):
            continue
        for cls in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(cls) or cls.__module__ != module.name:
                continue
            foreign = [b for b in cls.__mro__ if b.__module__.split(".")[0] not in NOT_FOREIGN]
            names = {name for base in foreign for name in vars(base).keys() & vars(cls).keys()}
            names.discard("_abc_impl")  # every abstract class has one
            replaced |= {(module.name, cls.__name__, name) for name in names if private(name)}
    assert replaced == OVERRIDDEN


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


def test_torch_tells_whether_there_is_amx() -> None:
    assert cpu_has_amx() == torch.cpu.get_capabilities().get("amx_tile", False)


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
