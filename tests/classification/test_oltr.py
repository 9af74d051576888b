"""OLTR's formulas, class by class and image by image, and its published gradient."""

import pytest
import torch
from torch import nn

from lit_seg.classification.heads.meta_embedding import MetaEmbedding
from lit_seg.classification.losses.discriminative_centroids import DiscriminativeCentroidsLoss
from lit_seg.classification.methods.oltr import OLTR
from lit_seg.losses import CrossEntropyLoss
from lit_seg.tasks.schedule import LR_FACTOR
from tests.classification.small import COUNTS, backbone, batch

C, D, B = 3, 5, 6


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def drawn():
    return torch.randn(B, D), torch.randint(C, (B,)), torch.randn(C, D)


def test_scores_are_those_of_the_formula():
    features, _, centroids = drawn()
    first = nn.Linear(D, C)
    head = MetaEmbedding(first)
    assert torch.equal(head.hallucinator.weight, first.weight)
    scores = head(features, centroids)
    for i, f in enumerate(features):
        o = (first.weight @ f + first.bias).exp()
        memory = sum(o[k] / o.sum() * centroids[k] for k in range(C))
        e = torch.tanh(head.selector.weight @ f + head.selector.bias)
        reach = 10 / min((f - c).norm() for c in centroids)
        v = reach * (f + e * memory)
        for k in range(C):
            w = head.weight[k]
            z = 16 * (v.norm() / (1 + v.norm())) * (v / v.norm()) @ (w / w.norm())
            torch.testing.assert_close(scores[i, k], z)


def test_the_reach_has_a_gradient():
    features, _, centroids = (each.double() for each in drawn())
    head = MetaEmbedding(nn.Linear(D, C)).double()
    assert torch.autograd.gradcheck(lambda f: head(f, centroids), features.requires_grad_())


def test_an_image_that_is_its_centroid_has_finite_scores():
    features, _, _ = drawn()
    features.requires_grad_()
    scores = MetaEmbedding(nn.Linear(D, B))(features, features.detach())
    scores.sum().backward()
    assert scores.isfinite().all()
    assert features.grad.isfinite().all()


def slow_centroid_loss(features, target, centroids):
    near = sum((f - centroids[y]).square().sum() for f, y in zip(features, target, strict=True))
    far = sum(
        (f - c).square().sum()
        for f, y in zip(features, target, strict=True)
        for j, c in enumerate(centroids)
        if j != y
    )
    return near / (2 * B) + 0.01 * torch.relu(10 - far / (B * C))


@pytest.mark.parametrize("size", [0.5, 5.0])  # within the margin, and far beyond
@pytest.mark.parametrize("gradient", ["published", "true"])
def test_centroid_loss_is_the_formula_and_its_gradient_the_true_or_the_published_one(
    gradient, size
):
    features, target, centroids = drawn()
    features = (features * size).requires_grad_()
    loss = DiscriminativeCentroidsLoss(centroids, gradient)
    own = centroids.clone().requires_grad_()
    expected = slow_centroid_loss(features, target, own)
    torch.testing.assert_close(loss(features, target), expected)
    (0.01 * loss(features, target)).backward()
    by_features, by_centroids = torch.autograd.grad(0.01 * expected, [features, own])
    torch.testing.assert_close(features.grad, by_features)
    if gradient == "published":  # in place of the first term's
        near = (
            0.01
            * sum((f - own[y]).square().sum() for f, y in zip(features, target, strict=True))
            / (2 * B)
        )
        (of_near,) = torch.autograd.grad(near, own)
        published = torch.zeros(C, D)
        for k in range(C):
            of_class = [f for f, y in zip(features, target, strict=True) if y == k]
            for f in of_class:
                published[k] += (centroids[k] - f.detach()) / (1 + len(of_class)) / B
        by_centroids = by_centroids - of_near + published
    torch.testing.assert_close(loss.centroids.grad, by_centroids)


def test_another_gradient_is_refused():
    with pytest.raises(ValueError, match="`gradient` must be 'published' or 'true', got 'no'"):
        DiscriminativeCentroidsLoss(torch.zeros(2, 2), "no")


def oltr(**options):
    return OLTR(backbone(), nn.Linear(5, 3), CrossEntropyLoss(COUNTS), **options)


def test_centroids_start_as_class_means_and_train_by_their_loss_alone():
    method = oltr(frozen="all")
    images, target = batch(0, 12)
    features = method.eval().backbone(images)
    method.prepare(lambda: [(features, target)], list)
    means = torch.stack([features[target == c].mean(0) for c in range(3)])
    torch.testing.assert_close(method.centroid_loss.centroids.detach(), means)
    step = method.train_step((images, target))
    step.loss.backward()
    by_loss = method.centroid_loss.centroids.grad.clone()
    method.zero_grad()
    (0.01 * method.centroid_loss(features, target)).backward()
    torch.testing.assert_close(method.centroid_loss.centroids.grad, by_loss)
    torch.testing.assert_close(step.logits, method(images).detach())
    by_hand = method.loss(method(images), target) + 0.01 * method.centroid_loss(features, target)
    torch.testing.assert_close(step.loss, by_hand)


def test_the_backbone_trains_slowly_where_it_is_not_frozen():
    method = oltr()
    heads, slow = method.parameter_groups()
    assert slow[LR_FACTOR] == 0.01
    assert list(map(id, slow["params"])) == list(map(id, method.backbone.last_block.parameters()))
    assert len(heads["params"]) == 2 + 2 + 1 + 1
    assert len(list(oltr(frozen="all").parameter_groups())) == 1
