"""What a GPU would refuse or make wait for, found without one.

Torch's fake tensors know their device and shape, and hold no numbers. So an operation on two
devices fails as it would on a GPU, and so does each question for a number, which would be a wait.
"""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.checkpoints.exact_resume import ExactResume
from lit_seg.losses import (
    CrossEntropyLoss,
    LovaszSoftmaxLoss,
    OHEMLoss,
    PATLoss,
    RecallLoss,
    SegLoss,
)
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


class Waits(TorchDispatchMode):
    """Which copies to the CPU an operation makes; each is a wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [t for t in (*args, result) if isinstance(t, Tensor)]
        if {"cpu", "cuda"} == {t.device.type for t in tensors} and not result.is_cuda:
            self.found.append(str(func))
        return result


@pytest.mark.parametrize("loss", [RecallLoss, CrossEntropyLoss, PATLoss])
def test_a_logged_step_waits_once(
    loss: type[SegLoss], counting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For all that is logged; a fake number cannot be asked for anywhere else.

    Backward needs a real GPU, see `tests/gpu`.
    """
    told: list[Tensor] = []

    def to_host(numbers: Tensor) -> Tensor:
        told.append(numbers)
        raise WaitedError

    monkeypatch.setattr("lit_seg.distributed.step_exchange.to_host", to_host)
    module = LitSegmenter([1] * C, loss=loss, **SMALL["cpu"]).train()
    trainer: Any = SimpleNamespace(
        global_step=0, global_rank=0, accumulate_grad_batches=1, datamodule=SimpleNamespace(seed=0)
    )
    monkeypatch.setattr("lit_seg.checkpoints.exact_resume.set_logged_step", lambda *_: None)
    resume, dynamics = ExactResume(), ClassDynamics()
    with FakeTensorMode(), Waits() as waits:
        on_gpu(module)
        image = torch.empty(2, 3, 24, 40, dtype=torch.uint8, device="cuda")
        batch: Any = {"image": image, "target": labels(), "name": ["a", "b"]}
        dynamics.on_train_start(trainer, module)
        for _ in range(2):  # the second one copies the buffers into kept memory
            for callback in (resume, dynamics):
                callback.on_train_batch_start(trainer, module, batch, 0)
            module.training_step(batch, 0)
            dynamics.on_after_backward(trainer, module)
            with pytest.raises(WaitedError):
                module.on_after_backward()
    assert [numbers.is_cuda for numbers in told] == [True, True]
    assert told[0].numel() >= 3 + 6 * C
    assert waits.found == []


class WaitedError(Exception):
    """The step has come to its one wait."""


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
