"""What a GPU would refuse or make wait for, found without one.

Torch's fake tensors know their device and shape, and hold no numbers. So an operation on two
devices fails as it would on a GPU, and so does each question for a number, which would be a wait.
"""

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from lit_seg.losses import LovaszSoftmaxLoss, OHEMLoss, RecallLoss
from lit_seg.metrics.class_step import class_sums, gradient_sums
from lit_seg.tasks import LitSegmenter
from tests.gpu.training import SMALL
from tests.losses.every import LOSSES

C = 5
WAITING = (LovaszSoftmaxLoss, OHEMLoss)
"""Losses that ask which classes there are, and how many pixels are hard."""


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """`bincount` asks for the largest value: a wait where there are others anyway."""
    monkeypatch.setattr(torch, "bincount", lambda bins, minlength: bins.new_zeros(minlength))


def on_gpu(module: nn.Module) -> nn.Module:
    """The same module with all of its tensors on a GPU that is none."""

    def moved(tensor: Tensor) -> Tensor:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")

    for part in module.modules():
        part._parameters |= {
            k: nn.Parameter(moved(v)) for k, v in part._parameters.items() if v is not None
        }
        part._buffers |= {k: moved(v) for k, v in part._buffers.items() if v is not None}
        for name, start in getattr(part, "_defaults", {}).items():  # states of a metric
            part._defaults[name] = moved(start)  # type: ignore[index, operator]
            object.__setattr__(part, name, moved(start))
    return module


def labels() -> Tensor:
    return torch.zeros(2, 24, 40, dtype=torch.long, device="cuda")


@pytest.mark.parametrize("training", [True, False])
def test_a_loss_mixes_no_devices_and_asks_for_no_number(training: bool) -> None:
    wrong = []
    for make in LOSSES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on weights that are all alike
            loss = make([3**c for c in range(C)]).train(training)
        if any(isinstance(part, WAITING) for part in loss.modules()):
            continue
        loss.set_progress(1.0)
        with FakeTensorMode():
            logits = torch.empty(2, C, 6, 10, device="cuda", requires_grad=True)
            try:
                assert on_gpu(loss)(logits, labels()).is_cuda
                assert all(values.is_cuda for values in loss.class_stats().values())
            except Exception as error:
                wrong.append(f"{make!r}: {error!r}")
    assert wrong == []


def test_a_validation_mixes_no_devices(counting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for numbers: whether they are finite, and whether labels are legal."""
    monkeypatch.setattr("lit_seg.tasks.evaluation.is_finite", lambda *_: True)
    monkeypatch.setattr("lit_seg.metrics.labels.known", lambda *_: True)
    module = LitSegmenter([1] * C, loss=RecallLoss, **SMALL["cpu"])
    with FakeTensorMode():
        on_gpu(module)
        image = torch.empty(2, 3, 24, 40, dtype=torch.uint8, device="cuda")
        batch = {"image": image, "target": labels(), "name": ["a", "b"]}
        module.eval().validation_step(batch, 0)
        assert module.evaluation.mean_loss.compute().is_cuda
        assert module.evaluation.confusion.compute().is_cuda
        assert module.predict_step(batch, 0).is_cuda


def test_the_sums_of_a_step_mix_no_devices(counting: None) -> None:
    with FakeTensorMode():
        logits = torch.empty(2, C, 24, 40, device="cuda")
        assert (class_sums(logits, labels()) + gradient_sums(logits, labels())).is_cuda


def test_another_precision_leaves_states_on_the_gpu() -> None:
    """As `model.half()` after `model.cuda()`."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        loss = on_gpu(RecallLoss([1] * C, momentum=0.9)).to(torch.bfloat16)
        states = [*loss.buffers(), loss.state.counts]
        assert {state.device.type for state in states} == {"cuda"}
        assert loss.state.value.dtype == torch.float64
