"""Runs as a user starts them, with all callbacks and files, on the GPU."""

from pathlib import Path

import pytest
import torch

from lit_seg.cli.commands import predict
from lit_seg.cli.main import main
from tests.conftest import TINY, layers
from tests.same import differences

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("few_streets")]


def fit(device: torch.device, folder: Path, epochs: int) -> Path:
    """A deterministic run of so many epochs, whose learning rate does not depend on its length."""
    options = ["--trainer.deterministic", "true", "--model.lr_scheduler", "null"]
    options += ["--trainer.accelerator", "gpu" if device.type == "cuda" else "cpu"]
    options += ["--trainer.precision", "bf16-mixed", "--trainer.max_epochs", str(epochs)]
    assert main(["fit", *layers(), *TINY, *options, "--run_dir", str(folder)]) == 0
    return folder


def test_runs_repeat_and_resume_to_the_bit(
    device: torch.device, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Weights, states, statistics of the classes, scores, counts of images and pictures."""
    one, other = (fit(device, tmp_path / name, 2) for name in ("one", "other"))
    assert differences(one, other) == []
    resumed = fit(device, tmp_path / "resumed", 1)
    assert main(["fit", "--resume", str(resumed), "--trainer.max_epochs", "2"]) == 0
    assert differences(one, resumed) == []
    # and the same weights are scored and predicted from on this device and on a CPU
    cuda = device.type == "cuda"
    for accelerator in ("cpu", *(["gpu"] if cuda else [])):
        on = ["--trainer.accelerator", accelerator, "--trainer.precision", "32-true"]
        assert main(["validate", "--ckpt_path", str(one), *on]) == 0
        name = "cpu" if accelerator == "cpu" else "cuda"
        assert predict.main([str(one), "--device", name]) == 0
    assert len(list((one / "predictions" / "labels").glob("*.png"))) == 6
    assert "Traceback" not in capfd.readouterr().err
