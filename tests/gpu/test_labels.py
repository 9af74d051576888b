"""A label that is no class is named in one line, and the GPU can go on afterwards."""

from pathlib import Path

import pytest
import torch

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.losses import CrossEntropyLoss, RecallLoss, SegLoss
from lit_seg.metrics import ClassRecall, ConfusionMatrix
from tests.gpu.training import Step, fit
from tests.losses.problems import draw

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("label", [-1, 4, 200])
def test_losses_and_metrics_by_themselves(label: int, device: torch.device) -> None:
    """On a GPU a loss does not wait for its labels and is NaN; a metric waits anyway."""
    logits, target = (each.to(device) for each in draw(0))
    target[0, 1, 2] = label
    losses: list[SegLoss] = [CrossEntropyLoss([1] * 4), RecallLoss([1] * 4)]
    for loss in losses:
        if device.type == "cuda":
            assert loss.to(device)(logits, target).isnan()
        else:
            with pytest.raises(ValueError, match=rf"`target` .* 0 to 3 .* \[{label}\]"):
                loss(logits, target)
    for metric in (ClassRecall(4), ConfusionMatrix(4)):
        with pytest.raises(ValueError, match=rf"`target` .* 0 to 3 .* \[{label}\]"):
            metric.to(device).update(logits.argmax(1), target)
    assert torch.ones(3, device=device).sum() == 3


class Spoil(Step):
    """Puts a label that is no class into a batch on the device."""

    def before(self, batch: dict[str, torch.Tensor]) -> None:
        batch["target"][0, 0, 0] = 77


@pytest.mark.parametrize("loss", [CrossEntropyLoss, RecallLoss])
def test_a_training(
    loss: type[SegLoss], device: torch.device, few_streets: None, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"`target` must hold class ids 0 to .* got \[77\]"):
        fit(
            device, tmp_path, steps=1, loss=loss, callbacks=[Spoil(), ClassDynamics(1)], saves=False
        )
    assert torch.ones(3, device=device).sum() == 3
