"""To hold a loss against a slow reading, in both precisions, and against published code."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

PRECISIONS = {
    # float32 rounds a logit of 20, as in some problems, to 1e-6
    torch.float32: {"rel": 1e-6, "abs": 1e-6},
    # without the rounding that could hide a small bias
    torch.float64: {"rel": 1e-12, "abs": 1e-12},
}

both_precisions = pytest.mark.parametrize("dtype", PRECISIONS, ids=str)


def counts_for(logits):
    """Training counts for the classes of these logits, unlike those of any batch."""
    return [90, 30, 10, 5][: logits.shape[1]]


def agrees(loss, logits, target, want, dtype, scale=1.0):
    """Whether the value of the loss is ``want``, as exactly as ``dtype`` can tell.

    ``scale`` is what the loss multiplies logits with, and with them their rounding.
    """
    single = dtype == torch.float32
    value = loss(logits, target) if single else loss.loss(logits.double(), target)
    close = PRECISIONS[dtype]
    return value.item() == pytest.approx(want, rel=close["rel"], abs=scale * close["abs"])


def grad_in_double(loss, logits, target):
    """The gradient of the formula in float64, past the checks of its inputs."""
    logits = logits.double().requires_grad_()
    return torch.autograd.grad(loss.loss(logits, target), logits)[0]


def passes_gradcheck(loss, logits, target):
    """Whether the gradient is the slope of the loss itself."""
    logits = logits.double().requires_grad_()
    return torch.autograd.gradcheck(lambda logits: loss.loss(logits, target), logits)


def slopes(reading, logits, step=1e-4):
    """The gradient of a slow reading by differences, within some 1e-9.

    Of four values, so that the error is of the order of step^4.
    """
    logits = logits.double()
    grad = torch.zeros_like(logits)
    for place in range(logits.numel()):

        def at(shift, place=place):
            moved = logits.clone()
            moved.view(-1)[place] += shift
            return reading(moved)

        near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
        grad.view(-1)[place] = (8 * near - far) / (12 * step)
    return grad


class Published(NamedTuple):
    """What public code gave in float64: ``loss`` to 12 digits and ``grad`` to 7."""

    name: str
    counts: list[int] | None
    options: dict[str, float]
    logits: Tensor
    target: Tensor
    loss: float
    grad: Tensor
    all: dict[str, object]


def published(name):
    """The cases of ``published/<name>.json``, whose "how" says what ran and where."""
    file = Path(__file__).parent / "published" / f"{name}.json"
    for case in json.loads(file.read_text())["cases"]:
        logits, grad = (
            torch.tensor(case[key], dtype=torch.float64).view(case["shape"])
            for key in ("logits", "grad")
        )
        target = torch.tensor(case["target"]).view(len(logits), *logits.shape[2:])
        yield Published(
            case["name"], case["counts"], case["options"], logits, target, case["loss"], grad, case
        )


def assert_as_published(loss, case, rel=1e-11, grad_rel=1e-6):
    """Value and gradient, in the precision of the other code."""
    assert loss.loss(case.logits, case.target).item() == pytest.approx(case.loss, rel=rel)
    grad = grad_in_double(loss, case.logits, case.target)
    torch.testing.assert_close(grad, case.grad, rtol=grad_rel, atol=1e-12)
