"""What a known class of a configuration is told does not take it beyond the run."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace
from pytorch_lightning.accelerators import Accelerator
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.plugins import Precision
from pytorch_lightning.profilers import Profiler
from pytorch_lightning.strategies import Strategy

from lit_seg.cli.lightning_cli import CALLBACKS, LitSegCLI
from lit_seg.cli.main import main
from lit_seg.cli.option_checks import check_options
from lit_seg.cli.reach import OWN, TEXT, check_reach
from lit_seg.config.trust import KNOWN, VARIABLE, only_trusted
from lit_seg.errors import RunError
from lit_seg.models.build import build_network
from lit_seg.runs.layout import LOCK
from tests.conftest import TINY, layers
from tests.dashboard.server import wandb_server


@pytest.fixture(scope="module")
def parser(few_streets: None, tmp_path_factory: pytest.TempPathFactory) -> LightningArgumentParser:
    """The one of the command line; making it costs more than all that it parses here."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitSegCLI, "instantiate_classes", lambda self: made.append(self.parser))
        patch.setattr(LitSegCLI, "_run_subcommand", lambda self, name: None)
        assert fit(tmp_path_factory.mktemp("none"), "{}") == 0
    return made[0]


def fit(folder: Path, theirs: str, *more: str) -> int:
    return main(options(folder, theirs, *more))


def options(folder: Path, theirs: str, *more: str) -> list[str]:
    path, run = folder / "theirs.yaml", str(folder / "run")
    path.write_text(theirs.replace("RUN", run))
    return ["fit", *layers(), *TINY, "--run_dir", run, "--config", str(path), *more]


def check(parser: LightningArgumentParser, folder: Path, theirs: str, *more: str) -> None:
    args = options(folder, theirs, *more)
    with only_trusted(args, own=OWN):
        check_reach(parser.parse_args(args).fit, folder / "run", args, CALLBACKS)


def one(kind: str, name: str, told: str = "", part: str = "init_args") -> str:
    """A file that names a class of Lightning and what it is told."""
    package = "strategies" if kind == "strategy" else f"{kind}s"
    spec = f"{{class_path: pytorch_lightning.{package}.{name}, {part}: {{{told}}}}}"
    return (
        f"trainer: {{callbacks: [{spec}]}}"
        if kind == "callback"
        else f"trainer: {{{kind}: {spec}}}"
    )


BEYOND = [
    (one("logger", "WandbLogger", "settings: {base_url: 'http://elsewhere'}"), "settings"),
    (one("logger", "WandbLogger", "entity: somebody"), "entity"),
    (one("logger", "WandbLogger", "log_model: all"), "log_model"),
    (one("logger", "WandbLogger", "log_model: true"), "log_model"),
    (one("logger", "WandbLogger", "save_code: true"), "save_code"),
    (one("logger", "WandbLogger", "save_dir: /tmp"), "save_dir"),
    (one("logger", "WandbLogger", "config: /etc/passwd"), "config"),
    (one("logger", "CometLogger"), "CometLogger"),
    (one("logger", "MLFlowLogger", "tracking_uri: 'http://elsewhere'"), "MLFlowLogger"),
    (one("logger", "CSVLogger", "save_dir: /tmp"), "save_dir"),
    (one("logger", "CSVLogger", "save_dir: RUN, name: ../.."), "name"),
    (one("callback", "ModelCheckpoint", "dirpath: /tmp/theirs"), "dirpath"),
    (one("callback", "ModelCheckpoint", "dirpath: RUN/../.."), "dirpath"),
    (one("callback", "ModelCheckpoint", "dirpath: 's3://bucket/x'"), "dirpath"),
    (one("callback", "ModelCheckpoint", "filename: ../../x"), "filename"),
    (one("callback", "ModelCheckpoint", "filename: '{epoch:999999999d}'"), "filename"),
    (one("callback", "ModelCheckpoint", "filename: '{epoch.__class__}'"), "filename"),
    (one("callback", "OnExceptionCheckpoint", "dirpath: /tmp"), "dirpath"),
    (one("callback", "SpikeDetection", "exclude_batches_path: /tmp/x"), "exclude_batches_path"),
    (one("callback", "LambdaCallback"), "LambdaCallback"),
    (one("callback", "RichProgressBar", "console_kwargs: {file: x}"), "console_kwargs"),
    (one("profiler", "SimpleProfiler", "dirpath: /tmp, filename: x"), "dirpath"),
    (one("profiler", "AdvancedProfiler", "filename: /tmp/x"), "filename"),
    (
        one("strategy", "DDPStrategy", "init_method: 'tcp://elsewhere:1'", "dict_kwargs"),
        "init_meth",
    ),
    (
        "trainer: {callbacks: [{class_path: lit_seg.checkpoints.best_and_last.LastCheckpoint, "
        "init_args: {dirpath: /tmp/theirs}}]}",
        "dirpath",
    ),
]


@pytest.mark.parametrize(("given", "named"), BEYOND, ids=str)
def test_it_is_refused_until_it_is_trusted(
    given: str, named: str, parser: LightningArgumentParser, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=f"{named}.*; if you trust it, add `--trust [a-z_.]+`"):
        check(parser, tmp_path, given)


@pytest.mark.parametrize(
    ("cls", "told"),
    [
        (ModelCheckpoint, {"dirpath": "s3://bucket/x"}),
        (ModelCheckpoint, {"dirpath": "file:///x"}),
        (ModelCheckpoint, {"dirpath": "simplecache::s3://bucket/x"}),
        (ModelCheckpoint, {"dirpath": "data:,x"}),
        (ModelCheckpoint, {"dirpath": "~/x"}),
        (CSVLogger, {"save_dir": "", "name": "s3://bucket"}),
        (TensorBoardLogger, {"save_dir": "$HOME/x"}),
    ],
)
def test_an_address_is_beyond_the_run_that_lies_in_the_working_directory(
    cls: type, told: dict[str, str]
) -> None:
    """As a path, each of them would lie in it."""
    config = Namespace(
        given=Namespace(class_path=f"{cls.__module__}.{cls.__name__}", init_args=Namespace(**told))
    )
    name, value = [*told.items()][-1]
    with pytest.raises(RunError, match=rf"`given.{name}`.*{re.escape(value)}.*--trust"):
        check_reach(config, Path(), [], {})


HARMLESS = [
    one("logger", "WandbLogger", "project: mine, offline: true, tags: [a]"),
    one("logger", "CSVLogger", "save_dir: RUN/more"),
    one("callback", "EarlyStopping", "monitor: val/miou, mode: max, patience: 2"),
    one("callback", "ModelCheckpoint", "dirpath: RUN/more, filename: '{epoch:02d}'"),
    one("callback", "StochasticWeightAveraging", "swa_lrs: [0.1]"),
    one("callback", "EMAWeightAveraging"),
    one("callback", "BackboneFinetuning"),
    one("callback", "LearningRateMonitor", "logging_interval: step"),
    one("callback", "GradientAccumulationScheduler", "scheduling: {0: 2}"),
    one("callback", "Timer", "duration: 00:00:01:00"),
    one("callback", "RichProgressBar", "leave: true"),
    one("callback", "ModelSummary", "max_depth: 2"),
    one("profiler", "SimpleProfiler", "filename: times"),
]


@pytest.mark.parametrize("given", HARMLESS, ids=str)
def test_what_stays_within_the_run_is_not_asked_for(
    given: str, parser: LightningArgumentParser, tmp_path: Path
) -> None:
    check(parser, tmp_path, given)


def test_what_is_typed_is_asked_for_and_so_is_what_is_trusted(
    parser: LightningArgumentParser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = one("callback", "ModelCheckpoint", f"dirpath: {tmp_path}/theirs")
    typed = ("--trainer.callbacks+", "ModelCheckpoint", "--trainer.callbacks.dirpath")
    check(parser, tmp_path, "{}", *typed, f"{tmp_path}/mine")
    spelt = f"{{class_path: ModelCheckpoint, init_args: {{dirpath: {tmp_path}/mine}}}}"
    check(parser, tmp_path, "{}", "--trainer.callbacks", f"[{spelt}]")
    check(parser, tmp_path, "{}", "--config", f"{{trainer: {{callbacks: [{spelt}]}}}}")
    other = ("--trainer.profiler", "SimpleProfiler", "--trainer.profiler.dirpath")
    with pytest.raises(RunError, match=r"`trainer\.callbacks\.dirpath`"):
        check(parser, tmp_path, theirs, *other, f"{tmp_path}/theirs")
    with pytest.raises(RunError, match="/theirs"):
        check(parser, tmp_path, theirs, *typed, f"{tmp_path}/mine")
    monkeypatch.setenv(VARIABLE, "pytorch_lightning.callbacks.model_checkpoint")
    check(parser, tmp_path, theirs)


def test_no_key_arrives_at_a_server_that_a_file_names(
    few_streets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    told: list[Any] = []

    def start(self: LitSegCLI, name: str) -> None:
        told.append(self.trainer.loggers[-1]._wandb_init["settings"])

    arrived: list[str] = []
    with wandb_server(headers=arrived) as (address, _):
        theirs = one("logger", "WandbLogger", f"settings: {{base_url: '{address}'}}, save_dir: RUN")
        assert fit(tmp_path, theirs, "--trainer.max_steps", "1") == 2
        assert arrived == []
        monkeypatch.setattr(LitSegCLI, "_run_subcommand", start)
        assert fit(tmp_path, theirs, "--trust", "pytorch_lightning.loggers.wandb") == 0
        assert told == [{"base_url": address}]


def test_every_class_is_looked_through() -> None:
    """A class or an argument that is new in Lightning is asked for until it is listed."""
    bases = (Accelerator, Callback, Logger, Precision, Profiler, Strategy)
    found = set()
    for package in (name for name in KNOWN if name.startswith("pytorch_lightning.")):
        module = importlib.import_module(package)
        for part in [module, *pkgutil.walk_packages(module.__path__, f"{package}.")]:
            content = vars(importlib.import_module(part.name if part is not module else package))
            found |= {c for c in content.values() if isinstance(c, type) and issubclass(c, bases)}
    listed = {cls for cls in found if cls.__name__ in TEXT}
    assert {"WandbLogger", "ModelCheckpoint", "DDPStrategy"} <= {cls.__name__ for cls in listed}
    for cls in listed:
        takes = inspect.signature(cls).parameters.values()
        if all(each.kind is not each.VAR_KEYWORD for each in takes):
            assert set(TEXT[cls.__name__].split()) <= {each.name for each in takes}, cls


@pytest.mark.parametrize(
    "options",
    [{"checkpoint_path": "/x"}, {"pretrained_cfg": {"url": "http://x"}}, {"cache_dir": "/x"}],
)
def test_no_option_of_an_encoder_names_a_file(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"`options`: .* numbers only, got .*`init` starts"):
        build_network("unet", "tu-test_byobnet", 2, {"encoder_depth": 3, **options})


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ("trainer: {model_registry: somebody/model}", "model_registry"),
        ("trainer: {profiler: XLA}", "`trainer.profiler` cannot be xla"),
        ("run_dir: 's3://bucket/x'", "'s3://bucket/x'"),
        ("run_dir: 'file:/x'", "'file:/x'"),
    ],
)
def test_no_option_that_is_a_text_reaches_out(
    theirs: str, said: str, parser: LightningArgumentParser, tmp_path: Path
) -> None:
    args = [word for word in options(tmp_path, theirs) if word != "--run_dir"]
    args.remove(str(tmp_path / "run"))
    with pytest.raises(RunError, match=said):
        check_options(parser.parse_args(args).fit, {"data", "model", "trainer", *CALLBACKS})


@pytest.mark.parametrize("name", ["a::b", "pay$day", "{a}%s$HOME", "data:x"])
def test_the_folder_of_the_run_may_have_any_name(name: str, tmp_path: Path) -> None:
    for folder in (tmp_path / name, Path(name)):
        config = Namespace(best_checkpoint=Namespace(dirpath=str(folder / "checkpoints")))
        check_reach(config, folder, [], CALLBACKS)
        config.best_checkpoint.dirpath = str(folder / "$HOME")
        with pytest.raises(RunError, match=r"best_checkpoint\.dirpath.*\$HOME"):
            check_reach(config, folder, [], CALLBACKS)


def test_a_run_in_the_home_is_there_with_all_its_files(
    few_streets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: LitSegCLI, name: str) -> None:
        assert self.trainer.default_root_dir == str(tmp_path / "a")
        assert (tmp_path / "a" / LOCK).exists()

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(LitSegCLI, "_run_subcommand", start)
    assert fit(tmp_path, "{}", "--run_dir", "~/a") == 0
