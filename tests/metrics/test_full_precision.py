"""States follow the model to its device and keep their dtype."""

from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from lit_seg.metrics import ClassRecall, ConfusionMatrix, PixelMean


def test_moved_tensors_are_returned_whole():
    metric = PixelMean()
    assert metric.double() is metric
    assert metric.to(torch.float16) is metric


def test_only_float64_narrows_on_an_apple_gpu():
    """There is none here: what would be asked of it is recorded."""
    metric = ClassRecall(2)
    metric.recall.fill_(0.5)
    real, asked = torch.Tensor.to, []

    def to(tensor, device, dtype):
        asked.append((device.type, dtype))
        return real(tensor, dtype)

    with mock.patch.object(torch.Tensor, "to", to):
        metric._apply(lambda _: SimpleNamespace(device=torch.device("mps")))
    assert set(asked) >= {("mps", torch.float32), ("mps", torch.int64)}
    assert metric.recall.dtype == torch.float32
    assert metric.recall.tolist() == [0.5, 0.5]
    assert metric.counts.dtype == torch.int64


def test_other_devices_keep_float64():
    metric = ClassRecall(2)
    metric.to("meta")
    assert metric.recall.is_meta
    assert metric.recall.dtype == torch.float64


def test_a_state_named_to_stay_behind_stays():
    """torchmetrics' argument reaches it, by place and by name."""
    for args, kwargs in (((["counts"],), {}), ((), {"exclude_state": ["counts"]})):
        metric = ClassRecall(2)
        metric._apply(lambda t: t.to("meta"), *args, **kwargs)
        assert metric.recall.is_meta
        assert not metric.counts.is_meta


@pytest.mark.parametrize("make", [lambda: ClassRecall(2), lambda: ConfusionMatrix(2)])
def test_a_state_from_inference_mode_is_counted_on(make):
    """Made, moved or cleared in a validation, it was a tensor that nothing outside could change."""
    batch = torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 1]])
    metric, want = make(), make()
    want(*batch)
    with torch.inference_mode():
        inside = make()
        for each in (metric, inside):
            each.update(*batch)
            each.reset()
            each._apply(torch.clone)
    for each in (metric, inside):
        each.update(*batch)
        assert torch.equal(each.compute(), want.compute())
