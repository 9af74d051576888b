"""What hypothesis may try: small batches with ties, void, absent classes and extreme logits."""

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from lit_seg.metrics.labels import VOID


def tries(number: int) -> settings:
    """So many examples, the same in every run; no deadline, as machines differ in speed."""
    return settings(max_examples=number, derandomize=True, deadline=None, database=None)


# halves tie often; the others lead to the ends of float32's exponential
VALUES = st.one_of(
    st.integers(-6, 6).map(lambda n: n / 2),
    st.floats(-20, 20, width=32),
    st.sampled_from([1e4, -1e4, 0.0]),
)

momenta = st.sampled_from([0.0, 0.25, 0.9, 0.999])


@st.composite
def shapes(draw: st.DrawFn, num_classes: int | None = None) -> tuple[int, ...]:
    """``(N, C)``, ``(N, C, L)`` or ``(N, C, H, W)`` with at most 18 pixels."""
    classes = draw(st.integers(2, 5)) if num_classes is None else num_classes
    space = draw(st.lists(st.integers(1, 3), max_size=2))
    return (draw(st.integers(1, 2)), classes, *space)


def logits_of(shape: tuple[int, ...]) -> st.SearchStrategy[Tensor]:
    return arrays.arrays(np.float32, shape, elements=VALUES, fill=st.nothing()).map(
        torch.from_numpy
    )


def labels_of(shape: tuple[int, ...]) -> st.SearchStrategy[Tensor]:
    """``(N, *)`` labels for logits of this shape; a quarter or so is void."""
    labels = st.one_of(*3 * [st.integers(0, shape[1] - 1)], st.just(VOID))
    return arrays.arrays(np.int64, (shape[0], *shape[2:]), elements=labels, fill=st.nothing()).map(
        torch.from_numpy
    )


@st.composite
def batches(draw: st.DrawFn, num_classes: int | None = None) -> tuple[Tensor, Tensor]:
    """Float32 logits and int64 labels."""
    shape = draw(shapes(num_classes))
    return draw(logits_of(shape)), draw(labels_of(shape))


@st.composite
def lines(draw: st.DrawFn, num_classes: int | None = None) -> tuple[Tensor, Tensor]:
    """A batch of the shapes ``(1, C, P)`` and ``(1, P)``, which can be cut, joined and ordered."""
    classes = draw(st.integers(2, 5)) if num_classes is None else num_classes
    shape = (1, classes, draw(st.integers(1, 9)))
    return draw(logits_of(shape)), draw(labels_of(shape))


def without_ties(logits: Tensor) -> Tensor:
    """Sixteenths that differ between classes: which of several equal logits wins has an order."""
    fraction = torch.arange(logits.shape[1]) / 16  # exact, and below the next half
    return logits.clamp(-20, 20).mul(2).round().div(2) + fraction.view(-1, *[1] * (logits.ndim - 2))


def steps(most: int = 3) -> st.SearchStrategy[list[tuple[Tensor, Tensor]]]:
    """Batches of the same number of classes."""
    return st.integers(2, 4).flatmap(lambda c: st.lists(batches(c), min_size=1, max_size=most))
