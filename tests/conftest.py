"""What several tests share: few and small streets, and runs made by the command line."""

import functools
import gc
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the same tests with and without a GPU
# On tensors as small as these, threads only wait for each other; before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# It costs seconds per run; the fixture `run` is the one that logs.
os.environ["WANDB_MODE"] = "disabled"
# `make test ARGS=...` must not reach the makes that tests call.
for name in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"):
    os.environ.pop(name, None)

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def layers(loss: str = "recall", data: str = "streets", model: str = "unet_resnet18") -> list[str]:
    """The configuration files that `make train` layers."""
    files = ("base", f"data/{data}", f"model/{model}", f"loss/{loss}")
    return [arg for file in files for arg in ("--config", str(EXPERIMENTS / f"{file}.yaml"))]


TINY = [
    *("--data.init_args.height", "64", "--data.init_args.width", "96"),
    *("--data.init_args.batch_size", "4", "--trainer.precision", "32-true"),
    *("--trainer.enable_progress_bar", "false", "--trainer.num_sanity_val_steps", "0"),
    # 42 thousand weights in place of 12 million: a step and a checkpoint cost next to nothing
    *("--model.encoder", "tu-test_byobnet"),
    *("--model.options", "{encoder_depth: 3, decoder_channels: [8, 8, 8]}"),
    *("--class_dynamics.every_n_steps", "1", "--trainer.log_every_n_steps", "1"),
    *("--validation_report.num_images", "1"),
]


def pytest_collection_finish() -> None:
    """Python looks for garbage among what the tests make, not in all that was imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # a run makes many objects and keeps few


@pytest.fixture(scope="session", autouse=True)
def _counts_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Counts of classes are kept elsewhere than the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIT_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Files are left to the system: no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True)
def _environment_of_each_test() -> Iterator[None]:
    """The mode of W&B and the place of ranks, which runs set, do not reach the next test."""
    mode = os.environ.get("WANDB_MODE")
    yield
    if mode is not None:
        os.environ["WANDB_MODE"] = mode
    for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def few_streets() -> Iterator[None]:
    """16 training scenes and 6 others, in place of hundreds, rendered once per process."""
    from lit_seg.data.datasets.streets import streets

    sizes = {"train": (0, 16), "val": (1, 6), "test": (2, 6)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streets, "_SPLITS", sizes)
        render = functools.cache(streets.RenderedSplit)
        split = streets.Streets.split

        def rendered_once(self: streets.Streets, name: str) -> streets.RenderedSplit:
            if streets._SPLITS is not sizes:  # a test has sizes of its own
                return split(self, name)
            return render(*sizes[name], *self.native_size)

        patch.setattr(streets.Streets, "split", rendered_once)
        yield


def make_once(folder: Path, make: Callable[[], None]) -> None:
    """The first process of the test session that asks for ``folder`` makes it; others wait."""
    done, lock = folder.with_name(f"{folder.name}.done"), folder.with_name(f"{folder.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 120
    while not done.exists():
        try:
            lock.mkdir()
        except FileExistsError:
            assert time.monotonic() < end, f"the process that makes {folder} does not end"
            time.sleep(0.05)
            continue
        try:
            make()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            lock.rmdir()
            raise
        done.touch()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of one test session share."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"


@pytest.fixture(scope="session")
def run(few_streets: None, shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs with recall loss, as `make train` makes it.

    It is trained once per test session; each process has a copy, into which tests may write.
    """
    import wandb

    from lit_seg.cli.main import main

    name = Path("streets/unet_resnet18/recall/seed0")
    original = shared_folder / "runs" / name

    def train() -> None:
        with pytest.MonkeyPatch.context() as patch:
            for variable in ("WANDB_MODE", "WANDB_API_KEY"):
                patch.delenv(variable, raising=False)
            patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # it holds no key
            args = ["fit", *layers(), *TINY, "--run_dir", str(original)]
            more = ["--trainer.max_epochs", "2", "--validation_report.num_images", "4"]
            assert main([*args, *more]) == 0
            wandb.teardown()  # its service writes the end of its file after the run

    make_once(original, train)
    folder = tmp_path_factory.mktemp("runs") / name
    shutil.copytree(original, folder, symlinks=True)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(str(original), str(folder)))
    return folder


@pytest.fixture(scope="session")
def uninterrupted(few_streets: None, shared_folder: Path) -> Callable[..., Path]:
    """``uninterrupted(*options)`` is a run that nothing interrupted, to read only.

    It is trained once per test session for each set of options.
    """
    from lit_seg.cli.main import main

    def trained(*options: str, loss: str = "recall") -> Path:
        digest = hashlib.sha256(repr((loss, options)).encode()).hexdigest()[:16]
        folder = shared_folder / "uninterrupted" / digest / "seed0"
        args = ["fit", *layers(loss), *TINY, "--run_dir", str(folder), *options]
        make_once(folder, lambda: check(main(args)))
        return folder

    def check(code: int) -> None:
        assert code == 0

    return trained
