"""BBN, against its formula with both branches written out."""

import pytest
import torch

from lit_seg.classification.methods.bbn import BBN
from lit_seg.losses import CrossEntropyLoss
from tests.classification.small import COUNTS, backbone, batch


def bbn():
    other = backbone().last_block
    with torch.no_grad():
        other[0].weight.mul_(-1)
    return BBN(backbone(), other, CrossEntropyLoss(COUNTS))


@pytest.mark.parametrize(
    ("epoch", "epochs", "alpha"),
    [
        (0, 200, 1),
        (100, 200, 0.75),
        (199, 200, 1 - 0.995**2),
        (80, 90, 1 - 0.8**2),  # divided by 100
        (179, 180, 1 - 0.895**2),  # by 200
    ],
)
def test_alpha_falls_as_published(epoch, epochs, alpha):
    method = bbn()
    method.set_epoch(epoch, epochs)
    assert method.alpha == pytest.approx(alpha, abs=1e-12)


def test_a_step_mixes_features_and_losses():
    method, (x_a, y_a), (x_b, y_b) = bbn().eval(), batch(0), batch(1)
    method.set_epoch(6, 10)
    a = 1 - 0.36
    step = method.train_step((x_a, y_a), (x_b, y_b))
    first = method.backbone.last_block(method.backbone.trunk(x_a)).mean((2, 3))
    second = method.second_block(method.backbone.trunk(x_b)).mean((2, 3))
    w, bias = method.head.weight, method.head.bias
    z = 2 * a * first @ w[:, :5].T + 2 * (1 - a) * second @ w[:, 5:].T + bias
    torch.testing.assert_close(step.logits, z.detach())
    nll = -z.log_softmax(1)
    expected = a * nll[range(6), y_a].mean() + (1 - a) * nll[range(6), y_b].mean()
    torch.testing.assert_close(step.loss, expected)


def test_inference_takes_both_branches_without_factors():
    method, (images, _) = bbn().eval(), batch(0)
    method.set_epoch(6, 10)
    maps = method.backbone.trunk(images)
    first = method.backbone.last_block(maps).mean((2, 3))
    second = method.second_block(maps).mean((2, 3))
    expected = torch.cat([first, second], 1) @ method.head.weight.T + method.head.bias
    torch.testing.assert_close(method(images), expected)


def test_each_branch_learns_from_its_sampling_and_the_trunk_from_both():
    def gradient(alpha, part):
        method = bbn()
        method.alpha = alpha
        method.train_step(batch(0), batch(1)).loss.backward()
        return method.get_submodule(part)[0].weight.grad.abs().sum() > 0

    first, second, trunk = "backbone.last_block", "second_block", "backbone.trunk"
    assert [gradient(1.0, part) for part in (first, second, trunk)] == [True, False, True]
    assert [gradient(0.0, part) for part in (first, second, trunk)] == [False, True, True]
    assert [gradient(0.5, part) for part in (first, second, trunk)] == [True, True, True]


def test_each_pass_has_its_own_batch_statistics():
    method, (x_a, _), (x_b, _) = bbn().train(), batch(0), batch(1)
    norm = method.backbone.trunk[1]
    method.train_step(batch(0), batch(1))
    means = [method.backbone.trunk[0](x).mean((0, 2, 3)) for x in (x_a, x_b)]
    torch.testing.assert_close(norm.running_mean, 0.09 * means[0] + 0.1 * means[1])
