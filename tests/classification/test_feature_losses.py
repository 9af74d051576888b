"""Lifted structure and range loss, pair by pair; the errata of the published range loss."""

import itertools
import math

import pytest
import torch

from lit_seg.classification.losses.discriminative_centroids import DiscriminativeCentroidsLoss
from lit_seg.classification.losses.lifted_structure import LiftedStructureLoss
from lit_seg.classification.losses.range_loss import RangeLoss


def drawn(labels=(0, 0, 0, 1, 1, 2, 2, 2, 3), size=3.0):
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(len(labels), 4, generator=draw, dtype=torch.float64) * size
    return features.requires_grad_(), torch.tensor(labels)


def pairs_of(target, same=True):
    return [
        (i, j)
        for i, j in itertools.combinations(range(len(target)), 2)
        if (target[i] == target[j]).item() is same
    ]


def slow_lifted(f, y, margin):
    def others(i):
        return sum((margin - (f[i] - f[k]).norm()).exp() for k in range(len(y)) if y[k] != y[i])

    terms = [
        torch.relu(torch.log(others(i) + others(j)) + (f[i] - f[j]).norm()) ** 2
        for i, j in pairs_of(y)
    ]
    return sum(terms) / (2 * len(terms))


@pytest.mark.parametrize("size", [0.5, 3.0])
def test_lifted_structure_is_the_formula_with_its_gradient(size):
    features, target = drawn(size=size)
    value, expected = LiftedStructureLoss()(features, target), slow_lifted(features, target, 5)
    torch.testing.assert_close(value, expected)
    grads = [torch.autograd.grad(each, features)[0] for each in (value, expected)]
    torch.testing.assert_close(*grads)


def test_lifted_structure_has_the_value_of_the_published_code():
    """Of OLTR's code and of pytorch-metric-learning 2.9.0; the next test asks the latter itself."""
    torch.manual_seed(0)
    features = 2 * torch.randn(24, 8, dtype=torch.float64)
    target = torch.randint(0, 5, (24,))
    value = LiftedStructureLoss()(features, target)
    assert value.item() == pytest.approx(49.348332445246626, rel=1e-12)
    # what the package gives by default is another loss
    of_directions = LiftedStructureLoss(1.0)(torch.nn.functional.normalize(features), target)
    assert of_directions.item() == pytest.approx(10.71063483708179, rel=1e-12)


def test_lifted_structure_is_that_of_pytorch_metric_learning():
    pml = pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import distances, losses

    assert pml
    distance = distances.LpDistance(normalize_embeddings=False, p=2, power=1)
    theirs = losses.LiftedStructureLoss(neg_margin=5, distance=distance)
    features, target = drawn()
    values = [loss(features, target) for loss in (LiftedStructureLoss(), theirs)]
    torch.testing.assert_close(*values, rtol=1e-12, atol=0)
    grads = [torch.autograd.grad(each, features)[0] for each in values]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("labels", [(0, 1, 2), (0, 0, 0), (0,)])
@pytest.mark.parametrize("loss", [LiftedStructureLoss(), RangeLoss(), RangeLoss(form="published")])
def test_a_batch_without_pairs_or_without_other_classes_has_a_finite_gradient(loss, labels):
    features, target = drawn(labels)
    value = loss(features, target)
    value.backward()
    assert value.isfinite()
    assert features.grad.isfinite().all()
    if isinstance(loss, LiftedStructureLoss):
        assert value == 0


def slow_range(f, y, k, margin):
    intra = 0.0
    for c in sorted(set(y.tolist())):
        own = [f[i] for i in range(len(y)) if y[i] == c]
        widest = sorted(((a - b).norm() for a, b in itertools.combinations(own, 2)), reverse=True)[
            :k
        ]
        if widest:
            intra = intra + len(widest) / sum(1 / d for d in widest)
    means = [f[y == c].mean(0) for c in sorted(set(y.tolist()))]
    nearest = min((a - b).norm() for a, b in itertools.combinations(means, 2))
    return 0.5 * intra + 2 * torch.relu(margin - nearest)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("margin", [0.1, 50.0])
def test_range_loss_is_the_formula_with_its_gradient(k, margin):
    features, target = drawn()
    loss = RangeLoss(k, margin, intra_weight=0.5, inter_weight=2.0)
    value, expected = loss(features, target), slow_range(features, target, k, margin)
    torch.testing.assert_close(value, expected)
    grads = [torch.autograd.grad(each, features)[0] for each in (value, expected)]
    torch.testing.assert_close(*grads)


def test_the_published_range_loss_pushes_no_classes_apart():
    features, target = drawn()
    inter = RangeLoss(intra_weight=0, form="published")(features, target)
    assert inter.item() == 5 - 1e-12
    assert not torch.autograd.grad(inter, features)[0].any()
    right = RangeLoss(intra_weight=0, margin=50.0)(features, target)
    assert torch.autograd.grad(right, features)[0].any()


def test_its_first_term_is_the_widest_pair_of_the_batch():
    features, target = drawn()
    intra = RangeLoss(inter_weight=0, form="published")(features, target)
    doubled = sorted(2 * [(features[i] - features[j]).norm() for i, j in pairs_of(target)])[-2:]
    torch.testing.assert_close(intra, 2 / sum(1 / d for d in doubled))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pairs": 0}, "`pairs` must be a whole number of at least 1, got 0"),
        ({"pairs": 1.5}, "`pairs` must be a whole number of at least 1, got 1.5"),
        ({"margin": math.nan}, r"`margin` must be a number in \[0, 1e6\], got nan"),
        ({"intra_weight": -1}, r"`intra_weight` must be a number in \[0, 1e6\], got -1"),
        ({"inter_weight": math.inf}, r"`inter_weight` must be a number in \[0, 1e6\], got inf"),
        ({"form": "x"}, "`form` must be 'paper' or 'published', got 'x'"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        RangeLoss(**options)
    if "margin" in options:
        with pytest.raises(ValueError, match=said):
            LiftedStructureLoss(**options)


@pytest.mark.parametrize(
    "loss",
    [LiftedStructureLoss(), RangeLoss(), DiscriminativeCentroidsLoss(torch.ones(4, 4))],
    ids=lambda loss: type(loss).__name__,
)
def test_half_precision_is_widened_under_autocast(loss):
    features, target = drawn()
    half = features.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(half, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(half.float(), target))
    value.backward()
    assert half.grad.isfinite().all()
