"""A configuration or checkpoint from elsewhere runs no code without being asked to."""

import functools
import os
import threading
import uuid
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from pickle import UnpicklingError

import fsspec
import pytest
import torch
import yaml
from jsonargparse._common import parsing_settings

from lit_seg.cli.main import main
from lit_seg.config.trust import VARIABLE, only_trusted, take_trusted
from lit_seg.errors import RunError
from lit_seg.tasks import LitSegmenter
from tests.conftest import TINY, layers

CODE = """
import os, pathlib
from pytorch_lightning import Callback
from torch.optim import SGD
from lit_seg.losses import CrossEntropyLoss
pathlib.Path(__file__).with_name("it ran").write_text(os.environ.get("LIT_SEG_TRUST", ""))
class Loss(CrossEntropyLoss): pass
class Mine(Callback): pass
def optimizer(params) -> SGD: return SGD(params, 0.1)
"""


class Theirs:
    """A module of somebody else that can be imported, and a file that is made if it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"their_code_{uuid.uuid4().hex}"  # a module is imported once per process
        (folder / f"{self.name}.py").write_text(CODE)

    @property
    def ran(self) -> bool:
        return (self.folder / "it ran").exists()

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text.replace("THEIRS", self.name).replace("FOLDER", str(self.folder)))
        return str(path)


@pytest.fixture
def theirs(few_streets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Theirs:
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = tmp_path / "theirs"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return Theirs(folder)


def fit(folder: Path, *more: str) -> int:
    return main(
        ["fit", *layers(), *TINY, "--run_dir", str(folder), "--trainer.max_steps", "1", *more]
    )


PLACES = [
    "model: {loss: {class_path: THEIRS.Loss}}",
    "model: {loss: THEIRS.Loss}",
    "model.loss: THEIRS.Loss",
    "model: {optimizer: {class_path: THEIRS.optimizer}}",
    "model: {lr_scheduler: THEIRS.optimizer}",
    "data: {class_path: THEIRS.Data}",
    "trainer: {callbacks: [{class_path: THEIRS.Mine}]}",
    "trainer: {logger: {class_path: THEIRS.Mine}}",
    "trainer: {strategy: THEIRS.Mine}",
    "trainer: {accelerator: THEIRS.Mine}",
    "trainer: {profiler: {class_path: THEIRS.Mine}}",
    "trainer: {plugins: [THEIRS.Mine]}",
    "model: {loss: {class_path: RecallLoss, dict_kwargs: {x: {class_path: THEIRS.Mine}}}}",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_class_of_theirs_is_refused_with_file_and_way_out(
    place: str, theirs: Theirs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = theirs.write("evil.yaml", place)
    assert fit(tmp_path / "run", "--config", file) == 2
    assert not theirs.ran
    error = capsys.readouterr().err
    assert f"error: {file} names {theirs.name}." in error
    assert f"add `--trust {theirs.name}`" in error


HIDDEN = [
    """model: '{"loss": {"class_path": "THEIRS.Loss"}}'""",
    "model: {loss: FOLDER/more.yaml}",
    "model: {loss: 'file://FOLDER/more.yaml'}",
    "trainer: {callbacks: FOLDER/more.yaml}",
    "config: FOLDER/whole.yaml",
    "model: {options: {x: {class_path: THEIRS.Loss}}}",
    "model: {lr_scheduler: {class_path: torch.optim.lr_scheduler.LambdaLR,"
    " init_args: {lr_lambda: THEIRS.optimizer}}}",
]


@pytest.mark.parametrize("place", HIDDEN)
def test_it_is_refused_where_no_reader_of_the_file_would_find_it(
    place: str, theirs: Theirs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs.write("more.yaml", "{class_path: THEIRS.Loss}")
    theirs.write("whole.yaml", "model: {loss: {class_path: THEIRS.Loss}}")
    file = theirs.write("evil.yaml", place)
    assert fit(tmp_path / "run", "--config", file) == 2
    assert not theirs.ran
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "function",
    [
        *("os.mkdir", "builtins.exec", "subprocess.Popen", "functools.partial"),
        *("torch.load", "torch.optim.optimizer.torch.load", "torch.optim.lr_scheduler.wraps"),
        "lit_seg.data.resumable.os.mkdir",
        "pytorch_lightning.strategies.launchers.subprocess_script.subprocess.Popen",
    ],
)
def test_a_function_that_does_other_things_is_refused(
    function: str, theirs: Theirs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = theirs.write("evil.yaml", f"model: {{optimizer: {function}}}")
    assert fit(tmp_path / "run", "--config", file) == 2
    assert "runs only if you ask for it" in capsys.readouterr().err


def test_the_configuration_of_a_run_is_no_better(theirs: Theirs, tmp_path: Path) -> None:
    assert fit(tmp_path / "run") == 0
    path = tmp_path / "run" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["trainer"]["callbacks"] = [{"class_path": f"{theirs.name}.Mine"}]
    path.write_text(yaml.safe_dump(config))
    run = str(tmp_path / "run")
    for command in (["fit", "--resume", run], ["validate", "--ckpt_path", run]):
        assert main(command) == 2
        assert not theirs.ran
    assert main(["validate", "--ckpt_path", run, f"--trust={theirs.name}"]) == 0
    assert theirs.ran


def test_trust_is_asked_for_each_time_and_reaches_other_processes(
    theirs: Theirs, tmp_path: Path
) -> None:
    file = theirs.write("mine.yaml", "model: {loss: {class_path: THEIRS.Loss}}")
    settings = dict(parsing_settings)
    assert fit(tmp_path / "run", "--config", file, "--trust", theirs.name) == 0
    # DDP starts its other processes with this environment
    assert (theirs.folder / "it ran").read_text() == theirs.name
    assert VARIABLE not in os.environ
    assert parsing_settings == settings
    assert "trust" not in yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert fit(tmp_path / "again", "--config", file) == 2


def test_the_environment_must_name_packages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIT_SEG_TRUST", "my_losses,../x")
    with pytest.raises(RunError, match=r"LIT_SEG_TRUST needs a package.*'\.\./x'"):
        take_trusted([])


def test_other_processes_are_told_by_the_environment(
    theirs: Theirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"other,{theirs.name}")
    file = theirs.write("mine.yaml", "model: {loss: {class_path: THEIRS.Loss}}")
    assert fit(tmp_path / "run", "--config", file) == 0
    assert os.environ[VARIABLE] == f"other,{theirs.name}"


@pytest.mark.parametrize(
    "typed",
    [
        ("--model.loss", "THEIRS.Loss"),
        ("--model.optimizer=THEIRS.optimizer",),
        ("--trainer.callbacks+", "THEIRS.Mine"),
        ("--model", "{loss: {class_path: THEIRS.Loss}}"),
    ],
)
def test_what_is_typed_is_asked_for(typed: tuple[str, ...], theirs: Theirs, tmp_path: Path) -> None:
    args = [word.replace("THEIRS", theirs.name) for word in typed]
    assert fit(tmp_path / "run", *args) == 0
    assert theirs.ran


def test_a_configuration_is_not_read_from_an_address(theirs: Theirs, tmp_path: Path) -> None:
    text = "{class_path: lit_seg.losses.CrossEntropyLoss}"
    theirs.write("more.yaml", text)
    fsspec.filesystem("memory").pipe("/more.yaml", text.encode())  # like s3:// and https://
    for address, code in (("FOLDER/more.yaml", 0), ("memory://more.yaml", 2)):
        file = theirs.write("evil.yaml", f"model: {{loss: '{address}'}}")
        assert fit(tmp_path / "run", "--config", file) == code


def test_options_are_not_taken_from_the_environment(
    theirs: Theirs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = theirs.write("evil.yaml", "model: {loss: {class_path: THEIRS.Loss}}")
    for name in ("PL_CONFIG", "PL_FIT__CONFIG", "FIT__CONFIG", "CONFIG"):
        monkeypatch.setenv(name, file)
    assert fit(tmp_path / "run") == 0
    assert not theirs.ran


def test_looking_at_a_configuration_is_no_way_in(theirs: Theirs, tmp_path: Path) -> None:
    file = theirs.write("evil.yaml", "model: {loss: {class_path: THEIRS.Loss}}")
    assert fit(tmp_path / "run", "--config", file, "--print_config") == 2
    assert main(["fit", "--config", file, "--help"]) == 2
    assert not theirs.ran


class Payload:
    """Unpickled, it makes a folder."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *((command, "--ckpt_path") for command in ("fit", "validate", "test")),
        ("fit", "--model.init"),
    ],
)
def test_no_way_to_give_a_checkpoint_unpickles_code(
    command: str, option: str, theirs: Theirs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, proof = tmp_path / "evil.ckpt", tmp_path / "proof"
    torch.save({"state_dict": {"x": Payload(proof)}}, path)
    args = [*layers(), *TINY, "--run_dir", str(tmp_path / "run"), option, str(path)]
    assert main([command, *args]) == 2
    assert not proof.exists()
    assert "no code of a checkpoint is run" in capsys.readouterr().err
    torch.load(path, weights_only=False)  # it would have been run
    assert proof.exists()


def test_what_a_checkpoint_names_is_not_imported(theirs: Theirs, run: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["loss"] = {"class_path": f"{theirs.name}.Loss"}
    del checkpoint["state_dict"]["loss.state.value"]
    torch.save(checkpoint, tmp_path / "theirs.ckpt")
    with pytest.raises(RunError, match=f"code of the package {theirs.name} runs only if you ask"):
        LitSegmenter.load_from_checkpoint(tmp_path / "theirs.ckpt")
    assert not theirs.ran
    with only_trusted(packages=[theirs.name]):
        loss = LitSegmenter.load_from_checkpoint(tmp_path / "theirs.ckpt").loss
    assert theirs.ran
    assert type(loss).__name__ == "Loss"


def test_a_checkpoint_from_the_web_runs_no_code(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    torch.save({"state_dict": {"x": Payload(proof)}}, tmp_path / f"{uuid.uuid4().hex}.ckpt")
    (file,) = tmp_path.glob("*.ckpt")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UnpicklingError):
            LitSegmenter.load_from_checkpoint(f"http://127.0.0.1:{server.server_port}/{file.name}")
        server.shutdown()
    assert not proof.exists()
