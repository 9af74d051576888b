"""What several tests share: few and small streets, and one run made by the command line."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the same tests with and without a GPU
# On tensors as small as these, threads only wait for each other; before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# It costs seconds per run; the fixture `run` is the one that logs.
os.environ["WANDB_MODE"] = "disabled"

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def layers(loss: str = "recall", data: str = "streets", model: str = "unet_resnet18") -> list[str]:
    """The configuration files that `make train` layers."""
    files = ("base", f"data/{data}", f"model/{model}", f"loss/{loss}")
    return [arg for file in files for arg in ("--config", str(EXPERIMENTS / f"{file}.yaml"))]


TINY = [
    *("--data.init_args.height", "64", "--data.init_args.width", "96"),
    *("--data.init_args.batch_size", "4", "--trainer.precision", "32-true"),
    *("--trainer.enable_progress_bar", "false", "--trainer.num_sanity_val_steps", "0"),
    # half a million weights in place of 12: a checkpoint is written in no time
    *("--model.encoder", "timm-mobilenetv3_small_minimal_100"),
    *("--model.options", "{decoder_channels: [8, 8, 8, 8, 8]}"),
    *("--class_dynamics.every_n_steps", "1", "--trainer.log_every_n_steps", "1"),
]


@pytest.fixture(scope="session", autouse=True)
def _counts_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Counts of classes are kept elsewhere than the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIT_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def few_streets() -> Iterator[None]:
    """16 training scenes and 6 others, in place of hundreds."""
    from lit_seg.data.datasets import streets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streets, "_SPLITS", {"train": (0, 16), "val": (1, 6), "test": (2, 6)})
        yield


@pytest.fixture(scope="session")
def run(few_streets: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs with recall loss, as `make train` makes it."""
    from lit_seg.cli.main import main

    folder = tmp_path_factory.mktemp("runs") / "streets" / "unet_resnet18" / "recall" / "seed0"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_MODE", "WANDB_API_KEY"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # no key to be found there
        args = ["fit", *layers(), *TINY, "--run_dir", str(folder), "--trainer.max_epochs", "2"]
        assert main(args) == 0
    return folder
