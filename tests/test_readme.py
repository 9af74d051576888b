"""What the README shows of Python runs."""

import re
from pathlib import Path

import torch

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_loss_in_ones_own_loop() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    target = torch.randint(0, 3, (2, 4, 5))
    names = {"pixels_per_class": [60, 30, 10], "logits": logits, "target": target}
    exec(block, names)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_every_loss_is_named() -> None:
    (section,) = re.findall(r"## Losses\n(.*?)\n## ", README, re.DOTALL)
    named = set(re.findall(r"`(\w+)`", section.split("`.venv")[0]))
    files = (Path(__file__).parent.parent / "experiments" / "loss").glob("*.yaml")
    assert named - {"LOSS"} == {path.stem for path in files}
