"""What the README shows of Python runs."""

import re
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from lit_seg.cli.main import main
from tests.conftest import TINY, layers

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_loss_in_ones_own_loop() -> None:
    block, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    target = torch.randint(0, 3, (2, 4, 5))
    names = {"pixels_per_class": [60, 30, 10], "logits": logits, "target": target}
    exec(block, names)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_ones_own_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_streets: None) -> None:
    _, block = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "my_losses.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    steps = ["--trainer.max_epochs", "-1", "--trainer.max_steps", "2"]
    mine = ["--model.loss", "my_losses.SmoothLoss", "--model.loss.smoothing", "0.2"]
    run = ["--run_dir", str(tmp_path / "run")]
    assert main(["fit", *layers("ce"), *TINY, *steps, *mine, *run]) == 0

    from my_losses import SmoothLoss  # type: ignore[import-not-found]

    logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
    want = cross_entropy(logits, target, label_smoothing=0.2)
    torch.testing.assert_close(SmoothLoss([1, 1, 1], smoothing=0.2)(logits, target), want)
    assert SmoothLoss([1, 1, 1])(logits, torch.full_like(target, 255)) == 0


def test_every_loss_is_named() -> None:
    (section,) = re.findall(r"## Losses\n(.*?)\n## ", README, re.DOTALL)
    named = set(re.findall(r"`(\w+)`", section.split("`.venv")[0]))
    files = (Path(__file__).parent.parent / "experiments" / "loss").glob("*.yaml")
    assert named - {"LOSS"} == {path.stem for path in files}
