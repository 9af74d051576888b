"""Counts that stay exact on the GPU, and metrics that move between devices."""

import copy

import pytest
import torch
from torch import Tensor

from lit_seg.losses import RecallLoss, SeesawLoss
from lit_seg.metrics import ClassRecall, ClassTversky, ConfusionMatrix, PixelMean, predict_labels
from lit_seg.metrics.class_step import class_sums, gradient_sums
from lit_seg.metrics.confusion import confusion_matrix, image_counts
from tests.losses.problems import draw

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def many(device: torch.device) -> tuple[Tensor, Tensor]:
    """Logits and labels of one class, all right but for two, on the device.

    There are more pixels than float32 can count one by one, where a device is fast enough.
    """
    number = 2**24 + 3 if device.type == "cuda" else 2003
    target = torch.zeros(1, number, dtype=torch.long, device=device)
    logits = torch.zeros(1, 2, number, device=device)  # equal: the lowest class wins
    logits[0, 1, :2] = 1
    return logits, target


def test_counts_beyond_two_to_the_24(many: tuple[Tensor, Tensor]) -> None:
    logits, target = many
    number = target.numel()
    hits = number - 2
    loss, seesaw = (cls([1, 1]).to(target.device) for cls in (RecallLoss, SeesawLoss))
    assert loss(logits, target).isfinite()
    assert loss.state.value[0].item() == hits / number
    assert seesaw(logits, target).isfinite()
    assert seesaw.seen.tolist() == [number, 0]
    preds = predict_labels(logits)
    assert confusion_matrix(preds, target, 2).tolist() == [[hits, 2], [0, 0]]
    assert image_counts(preds, target, 2).tolist() == [[[number, 0], [hits, 2], [hits, 0]]]
    assert class_sums(logits, target)[:3].tolist() == [[number, 0], [hits, 2], [hits, 0]]


def test_metrics_are_those_of_a_cpu(device: torch.device) -> None:
    """Also where logits are equal, as bfloat16 makes them often: the lowest class wins."""
    logits, target = draw(0, (2, 12, 24, 32), absent=(3,))
    logits = (2 * logits).round() / 2
    on_device = logits.to(device), target.to(device)
    for metric in (ClassRecall(12), ClassTversky(12, 1.0, 1.0), ConfusionMatrix(12)):
        moved = copy.deepcopy(metric).to(device)
        metric.update(predict_labels(logits), target)
        moved.update(predict_labels(on_device[0]), on_device[1])
        torch.testing.assert_close(moved.compute().cpu(), metric.compute(), equal_nan=True)
    for sums in (class_sums, gradient_sums):
        # of probabilities in float32, and of whole numbers
        torch.testing.assert_close(
            sums(*on_device).cpu(), sums(logits, target), rtol=1e-6, atol=1e-6
        )


def test_states_go_on_on_another_device(device: torch.device) -> None:
    """There and back, with what was counted on the way."""
    logits, target = draw(1)
    cpu = torch.device("cpu")
    recall, confusion, mean = ClassRecall(4, momentum=0.5), ConfusionMatrix(4), PixelMean()
    steps = [ClassRecall(4, momentum=0.5), ConfusionMatrix(4), PixelMean()]
    for place in (cpu, device, cpu):
        moved = logits.argmax(1).to(place), target.to(place)
        for metric in (recall.to(place), confusion.to(place)):
            metric.update(*moved)
        mean.to(place).update(torch.tensor(2.0, device=place), torch.tensor(5, device=place))
        assert {recall.counts.device.type, mean.total.device.type} == {place.type}
    for _ in range(3):
        for metric in steps[:2]:
            metric.update(logits.argmax(1), target)
        steps[2].update(torch.tensor(2.0), torch.tensor(5))
    for metric, alone in zip((recall, confusion, mean), steps, strict=True):
        torch.testing.assert_close(metric.compute(), alone.compute())


def test_the_state_of_a_loss_goes_between_devices(device: torch.device) -> None:
    """A half-precision module around it changes nothing."""
    logits, target = draw(2)
    loss = RecallLoss([1] * 4, momentum=0.9).to(device).to(torch.bfloat16)
    for _ in range(3):
        loss(logits.to(device), target.to(device))
    back = RecallLoss([1] * 4, momentum=0.9)
    back.load_state_dict(loss.state_dict())
    assert back.state.value.dtype == torch.float64
    assert torch.equal(back.state.value, loss.state.value.cpu())
    again = RecallLoss([1] * 4, momentum=0.9).to(device)
    again.load_state_dict(back.state_dict())
    values = [one(logits.to(device), target.to(device)) for one in (loss, again)]
    assert values[0] == values[1]
