"""torch.compile on the GPU. Last of all: the first compilation takes half a minute."""

from pathlib import Path

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss, RecallLoss, SegLoss
from tests.gpu.training import fit
from tests.losses.problems import draw, value_and_grad

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("cls", [CrossEntropyLoss, RecallLoss])
def test_a_compiled_loss(cls: type[SegLoss], cuda: torch.device) -> None:
    logits, target = (each.to(cuda) for each in draw(0, (2, 12, 48, 64)))
    loss, compiled = (cls([1] * 12).to(cuda) for _ in range(2))
    compiled.compile()
    for got, want in zip(
        value_and_grad(compiled, logits, target),
        value_and_grad(loss, logits, target),
        strict=True,
    ):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-7)


def test_a_compiled_network(cuda: torch.device, few_streets: None, tmp_path: Path) -> None:
    """A training of two steps, with the option that a user would give."""
    values = []
    for backend in (None, "inductor"):
        _, trainer = fit(cuda, tmp_path / str(backend), 2, model={"compile": backend}, saves=False)
        values.append(trainer.callback_metrics["train/loss"])
    torch.testing.assert_close(values[1], values[0], rtol=1e-2, atol=1e-3)
