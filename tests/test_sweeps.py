"""W&B sweeps: every command line an agent would run trains, and is the run that W&B announced."""

import itertools
import multiprocessing
import shlex
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml
from wandb import wandb_agent

from lit_seg.cli import main as cli
from lit_seg.loggers.run_loggers import run_loggers, started
from lit_seg.loggers.wandb_log import WandbLog
from tests.conftest import EXPERIMENTS
from tests.test_makefile import make

SWEEPS = sorted((EXPERIMENTS / "sweep").glob("*.yaml"))
AGENT = {"WANDB_SWEEP_ID": "s1weep", "WANDB_RUN_ID": "r1un"}


def grid(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of each run, as the server hands them out."""
    choices = [
        [(name, value) for value in given.get("values", [given.get("value")])]
        for name, given in sweep["parameters"].items()
    ]
    return [dict(chosen) for chosen in itertools.product(*choices)]


def commands(
    sweep: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[list[str]]:
    """What W&B's own agent starts for the runs of a sweep."""
    started: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **options: Any) -> None:
            started.append(command)

    monkeypatch.setattr(wandb_agent, "AgentProcess", Process)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))  # it writes the parameters there
    for name, value in AGENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", "")  # the agent sets it
    agent = wandb_agent.Agent(None, multiprocessing.Queue(), sweep_id="s1weep")
    for number, chosen in enumerate(grid(sweep)):
        agent._sweep_command = list(sweep["command"])
        args = {name: {"value": value} for name, value in chosen.items()}
        answer = agent._process_command(
            {"type": "run", "run_id": f"r{number}", "program": sweep["program"], "args": args}
        )
        assert "exception" not in answer, answer
    return started


@pytest.fixture(scope="module")
def parser() -> Any:
    """That of `python -m lit_seg fit`, which takes a while to make."""
    made: list[Any] = []

    class OnlyParses(cli.LitSegCLI):
        def before_instantiate_classes(self) -> None:
            made.append(self.parser)

        def instantiate_classes(self) -> None:
            """Nothing."""

        def _run_subcommand(self, subcommand: str) -> None:
            """Nothing."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "LitSegCLI", OnlyParses)
        assert cli.main(["fit", "--config", *configs("ce")]) == 0
    return made[0]


def configs(loss: str) -> list[str]:
    files = ("base", "data/camvid", "model/unet_resnet18", f"loss/{loss}")
    return " --config ".join(str(EXPERIMENTS / f"{file}.yaml") for file in files).split()


@pytest.mark.parametrize("file", SWEEPS, ids=lambda path: path.stem)
def test_every_command_of_a_sweep_is_a_training(
    file: Path, parser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = yaml.safe_load(file.read_text())
    runs = grid(sweep)
    monkeypatch.chdir(EXPERIMENTS.parent)
    lines = []
    for chosen, command in zip(runs, commands(sweep, tmp_path, monkeypatch), strict=True):
        assert command[:2] == ["make", "train"]
        done = make(*command[1:])
        assert done.returncode == 0, done.stderr
        lines.append(shlex.split(done.stdout.replace("\\\n", " ")))
        assert lines[-1][1:4] == ["-m", "lit_seg", "fit"]
        if chosen["SEED"] == runs[0]["SEED"]:  # parsing takes a while; the others differ in seeds
            check(parser.parse_args(lines[-1][3:]).fit, chosen)
    seeds = [run["SEED"] for run in runs]
    assert [line[line.index("--seed_everything") + 1] for line in lines] == list(map(str, seeds))
    folders = [[word for word in line if word.startswith("runs/")][-1] for line in lines]
    assert [folder.rsplit("/", 1)[1] for folder in folders] == [f"seed{seed}" for seed in seeds]
    assert len(set(folders)) == len(runs)


def check(config: Any, chosen: dict[str, Any]) -> None:
    """The parsed command line is what the sweep chose."""
    assert config.seed_everything == chosen["SEED"]
    assert config.data.class_path.endswith(".CamVid")
    data, _, loss, seed = Path(config.run_dir).parts[1:]
    expected = f"pat_T{chosen['T']}" if "T" in chosen else chosen["LOSS"]
    assert (data, loss, seed) == (chosen["DATA"], expected, f"seed{chosen['SEED']}")
    given = yaml.safe_load((EXPERIMENTS / f"loss/{chosen['LOSS']}.yaml").read_text())
    assert config.model.loss.class_path == given["model"]["loss"]["class_path"]
    if "T" in chosen:
        assert config.model.loss.init_args.temperature == chosen["T"]


def test_the_sweeps_are_those_of_the_papers() -> None:
    sweeps = {file.stem: grid(yaml.safe_load(file.read_text())) for file in SWEEPS}
    assert len(sweeps["compare"]) == 9 * 3
    assert {run["T"] for run in sweeps["pat_temperature"]} == {5, 10, 20, 50}
    assert len(sweeps["pat_temperature"]) == 4 * 3


def test_a_run_of_an_agent_is_the_one_that_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs" / "camvid" / "unet_resnet18" / "pat_T5" / "seed2-3"
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("wandb_version: 1\nLOSS: {value: pat}\nSEED: {value: 2}\n")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(parameters))
    for name, value in AGENT.items():
        monkeypatch.setenv(name, value)
    wandb.teardown()  # what W&B read of the environment before
    logger = run_loggers(folder)[1]
    assert isinstance(logger, WandbLog)
    try:
        run = logger.experiment
        assert (run.id, run.sweep_id) == ("r1un", "s1weep")
        assert run.name == "camvid/unet_resnet18/pat_T5/seed2-3"
        assert run.group == "camvid/unet_resnet18/pat_T5"
        assert run.tags == ("camvid", "unet_resnet18", "pat_T5")
        config = dict(run.config)
        assert (config["loss_name"], config["seed"], config["LOSS"]) == ("pat_T5", 2, "pat")
        assert list(folder.glob("wandb/offline-run-*-r1un"))
    finally:
        wandb.finish()
        wandb.teardown()
    # resumed outside the sweep it goes on in the same run; a new one does not
    for name in AGENT:
        monkeypatch.delenv(name)
    assert started(run_loggers(folder, resumed=True))[1].version == "r1un"
    assert run_loggers(folder)[1].version != "r1un"


@pytest.mark.parametrize("left", ["WANDB_RUN_ID", "WANDB_SWEEP_ID"])
def test_half_of_an_agents_environment_is_none(
    left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run id alone would give all runs of a shell the same one."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in AGENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(left, AGENT[left])
    assert run_loggers(tmp_path / "seed0")[1].version not in AGENT.values()


def test_a_folder_of_another_form_has_no_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = run_loggers(tmp_path / "mine")[1]
    assert isinstance(logger, WandbLog)
    assert logger._wandb_init["config"] == {}
    assert logger._wandb_init["tags"] == []
    long = tmp_path / ("d" * 90) / "unet" / "ce" / "seed0"
    logger = run_loggers(long)[1]
    assert isinstance(logger, WandbLog)
    assert logger._wandb_init["tags"] == ["d" * 64, "unet", "ce"]  # more W&B refuses
