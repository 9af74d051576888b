"""SDN: g trains the backbone and h never does; h alone decides."""

from functools import partial

import pytest
import torch
from torch import nn

from lit_seg.classification.losses.epoch_recall import EpochRecallLoss
from lit_seg.classification.methods.plain import Plain
from lit_seg.classification.methods.sdn import SDN
from lit_seg.losses import ClassBalancedLoss, CrossEntropyLoss, InverseFrequencyLoss, RecallLoss
from tests.classification.small import COUNTS, backbone, batch, gradients
from tests.distributed import run_on_ranks

LOSSES = {
    "moving average": partial(RecallLoss, momentum=0.9, normalizer="weight_sum"),
    "over epochs": EpochRecallLoss,
}


def sdn(feature_loss=RecallLoss, head_loss=ClassBalancedLoss):
    torch.manual_seed(1)
    return SDN(backbone(), feature_loss(COUNTS), head_loss(COUNTS))


def trained(method, *given):
    step = method.train_step(*given)
    step.loss.backward()
    return step


@pytest.mark.parametrize("feature_loss", [RecallLoss, EpochRecallLoss, CrossEntropyLoss])
def test_the_backbone_gets_the_gradient_of_g_alone(feature_loss):
    method = sdn(feature_loss)
    trained(method, batch(0))
    # the first stage by itself: the backbone, g and its loss
    alone = Plain(backbone(), nn.Linear(5, 3), feature_loss(COUNTS))
    alone.head.load_state_dict(method.feature_head.state_dict())
    trained(alone, batch(0))
    for name, gradient in gradients(alone.backbone).items():
        assert gradient.abs().sum() > 0, name
        assert torch.equal(method.backbone.get_parameter(name).grad, gradient), name
    assert torch.equal(method.feature_head.weight.grad, alone.head.weight.grad)


@pytest.mark.parametrize("head_loss", [ClassBalancedLoss, InverseFrequencyLoss])
def test_h_trains_by_its_loss_and_reaches_no_other_part(head_loss):
    method = sdn(head_loss=head_loss)
    nn.init.zeros_(method.feature_head.weight)  # g lets no gradient through to the backbone
    images, target = batch(0)
    trained(method, (images, target))
    assert not any(gradient.any() for gradient in gradients(method.backbone).values())
    assert method.feature_head.weight.grad.any()
    features = method.backbone(images).detach()
    logits = (features @ method.head.weight.T + method.head.bias).detach().requires_grad_()
    (by_logits,) = torch.autograd.grad(head_loss(COUNTS)(logits, target), logits)
    torch.testing.assert_close(method.head.weight.grad, by_logits.T @ features)
    torch.testing.assert_close(method.head.bias.grad, by_logits.sum(0))


def test_h_alone_decides():
    method = sdn().eval()
    images, _ = batch(0)
    before = method(images)
    nn.init.normal_(method.feature_head.weight)
    assert torch.equal(method(images), before)
    torch.testing.assert_close(before, method.head(method.backbone(images)))
    nn.init.zeros_(method.head.weight)
    assert not torch.equal(method(images), before)


def test_a_step_shows_what_decides():
    method, (images, target) = sdn(), batch(0)
    step = trained(method, (images, target))
    torch.testing.assert_close(step.logits, method.head(method.backbone(images)).detach())
    assert not step.logits.requires_grad
    assert torch.equal(step.target, target)
    assert step.loss.requires_grad


def test_the_state_of_recall_is_saved():
    method = sdn(EpochRecallLoss)
    trained(method, batch(0))
    other = sdn(EpochRecallLoss)
    other.load_state_dict(method.state_dict())
    for each in (method, other):
        each.eval()
    assert torch.equal(other.feature_loss.weight, method.feature_loss.weight)
    assert other.feature_loss.state.present[1].sum() == 6


def rank_steps(rank, loss):
    """Three SDN steps on unequal shards; a frozen batch norm keeps ranks comparable with one."""
    steps = []
    method = sdn(LOSSES[loss])
    for seed in range(3):
        images, target = batch(seed)
        part = {0: slice(0, 2), 1: slice(2, None), None: slice(None)}[rank]
        method.backbone.freeze("all")
        method.zero_grad()
        step = trained(method, (images[part], target[part]))
        grads = [method.head.weight.grad.tolist(), method.feature_head.weight.grad.tolist()]
        state = method.feature_loss.state
        counts = {name: repr(value.tolist()) for name, value in state.named_buffers()}
        steps.append((step.loss.item(), grads, counts))
    return steps


@pytest.mark.parametrize("counted", LOSSES)
def test_two_ranks_with_unequal_shards_equal_one_process(counted):
    one, ranks = rank_steps(None, counted), run_on_ranks(rank_steps, counted)
    assert "value" in one[0][2]
    for (loss, grads, counts), *both in zip(one, *ranks, strict=True):
        losses, of_ranks, states = zip(*both, strict=True)
        assert sum(losses) / 2 == pytest.approx(loss, rel=1e-6)
        for at, gradient in enumerate(grads):
            mean = torch.tensor([each[at] for each in of_ranks]).mean(0)
            torch.testing.assert_close(mean, torch.tensor(gradient), rtol=1e-5, atol=1e-7)
        assert states[0] == states[1] == counts


def test_plain_adds_a_loss_over_features():
    class Norm(nn.Module):
        def forward(self, features, target):
            return features.square().mean() + 0 * target.sum()

    losses = [CrossEntropyLoss(COUNTS) for _ in range(2)]
    plain = Plain(backbone(), nn.Linear(5, 3), losses[0])
    both = Plain(backbone(), plain.head, losses[1], Norm(), feature_weight=0.5)
    given = batch(0)
    features = backbone()(given[0])
    expected = plain.train_step(given).loss + 0.5 * features.square().mean()
    torch.testing.assert_close(both.train_step(given).loss, expected)
    assert both.losses() == [losses[1]]


@pytest.mark.parametrize(("normalizer", "share"), [("valid", 0.1), ("weight_sum", 1.0)])
def test_a_recall_near_1_slows_the_backbone_unless_weights_are_divided_by(normalizer, share):
    """Nine of ten images of each class are right: the gradient is a tenth, or that of CE."""
    target = torch.arange(3).repeat(10)
    logits = 4 * torch.eye(3)[target]
    logits[:3] = logits[:3].roll(1, 1)
    logits.requires_grad_()
    losses = RecallLoss(COUNTS, normalizer=normalizer), CrossEntropyLoss(COUNTS)
    recall, plain = (torch.autograd.grad(loss(logits, target), logits)[0] for loss in losses)
    torch.testing.assert_close(recall, share * plain)


def test_progress_reaches_every_loss():
    method = sdn()
    with pytest.raises(ValueError, match=r"`done` must be a fraction .* got 2"):
        method.set_progress(2)
    assert method.losses() == [method.feature_loss, method.head_loss]
