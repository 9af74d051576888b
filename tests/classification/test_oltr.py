"""OLTR's formulas, class by class and image by image, and its published gradient."""

import pytest
import torch
from torch import nn

from lit_seg.classification.heads.meta_embedding import MetaEmbedding
from lit_seg.classification.heads.modulated_attention import ModulatedAttention
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
@pytest.mark.parametrize("gradient", ["published", "exact"])
def test_centroid_loss_is_the_formula_and_its_gradient_the_exact_or_the_published_one(
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
    with pytest.raises(ValueError, match="`gradient` must be 'published' or 'exact', got 'no'"):
        DiscriminativeCentroidsLoss(torch.zeros(2, 2), "no")


def oltr(neck_dim=None, **options):
    net = backbone(neck_dim=neck_dim)
    return OLTR(net, nn.Linear(net.dim, 3), CrossEntropyLoss(COUNTS), (5, 3, 3), **options)


def test_attention_is_the_formula_place_by_place():
    attention, maps = ModulatedAttention(4, (2, 3)), torch.randn(2, 4, 2, 3)
    assert torch.equal(attention(maps), maps)  # as the first stage left them
    nn.init.normal_(attention.out.weight)
    found = attention(maps)
    for image, enriched in zip(maps, found, strict=True):
        places = [image[:, p // 3, p % 3] for p in range(6)]
        keys = [attention.phi.weight @ x + attention.phi.bias for x in places]
        values = [attention.g.weight @ x + attention.g.bias for x in places]
        looks = attention.mask.weight @ image.reshape(-1) + attention.mask.bias
        for p, x in enumerate(places):
            query = attention.theta.weight @ x + attention.theta.bias
            by = [(query @ key).exp() for key in keys]
            other = sum(w * value for w, value in zip(by, values, strict=True)) / sum(by)
            own = looks[p].exp() / looks.exp().sum()
            expected = x + own * (attention.out.weight @ other)
            torch.testing.assert_close(enriched[:, p // 3, p % 3], expected)
    # three layers to half of the features, one back, and a weight for each feature of each place
    sizes = [each.numel() for each in attention.parameters()]
    assert sum(sizes) == 3 * (4 * 2 + 2) + 2 * 4 + 4 * 6 * 6 + 6


def test_attention_is_for_one_size():
    with pytest.raises(ValueError, match=r"maps of \(2, 3\) places, got \(3, 3\): give images of"):
        ModulatedAttention(4, (2, 3))(torch.randn(1, 4, 3, 3))
    assert backbone().map_shape(1, 6, 6) == (5, 3, 3)


def test_attention_enriches_maps_before_their_mean():
    method, (images, _) = oltr(neck_dim=4).eval(), batch(0)
    assert torch.equal(method.features(images), method.backbone(images))
    nn.init.normal_(method.attention.out.weight)
    maps = method.attention(method.backbone.last_block(method.backbone.trunk(images)))
    expected = torch.relu(method.backbone.neck[0](maps.mean((2, 3))))
    torch.testing.assert_close(method.features(images), expected)
    assert not torch.equal(expected, method.backbone(images))
    none = oltr(attention="none")
    assert not list(none.attention.parameters())
    with pytest.raises(ValueError, match="`attention` must be 'modulated' or 'none', got 'x'"):
        oltr(attention="x")


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
    method = oltr(neck_dim=4)
    heads, slow = method.parameter_groups()
    assert slow[LR_FACTOR] == 0.01
    # what their code trains: attention and neck
    trained = [*method.backbone.neck.parameters(), *method.attention.parameters()]
    assert list(map(id, slow["params"])) == list(map(id, trained))
    assert len(heads["params"]) == 2 + 2 + 1 + 1
    assert len(list(oltr(frozen="all", attention="none").parameter_groups())) == 1


@pytest.mark.parametrize("batchnorm", [True, False])
def test_frozen_batch_statistics_stay_or_follow_the_batches_as_in_their_code(batchnorm):
    method = oltr(freeze_batchnorm=batchnorm).train()
    before = method.backbone.trunk[1].running_mean.clone()
    method.train_step(batch(0))
    assert torch.equal(before, method.backbone.trunk[1].running_mean) is batchnorm
