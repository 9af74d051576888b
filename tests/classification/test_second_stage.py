"""cRT, LWS, tau-norm and NCM, each against its formula class by class."""

import pytest
import torch
from torch import nn

from lit_seg.classification.heads.lws import LWSHead
from lit_seg.classification.heads.ncm import NCMHead
from lit_seg.classification.heads.post_hoc import PostHocHead
from lit_seg.classification.heads.tau_norm import TAUS, TauNormHead
from lit_seg.classification.methods.oltr import OLTR
from lit_seg.classification.methods.second_stage import SecondStage
from lit_seg.classification.stages import features_of
from lit_seg.losses import CrossEntropyLoss
from tests.classification.small import COUNTS, backbone, batch
from tests.distributed import run_on_ranks


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_lws_scales_the_bias_too():
    first, features = nn.Linear(4, 3), torch.randn(2, 4)
    head = LWSHead(first)
    torch.testing.assert_close(head(features), first(features))  # factors begin at 1
    assert [name for name, each in head.named_parameters() if each.requires_grad] == ["scale"]
    with torch.no_grad():
        head.scale.copy_(torch.tensor([2.0, 1.0, -1.0]))
    for i in range(2):
        for c, scale in enumerate((2.0, 1.0, -1.0)):
            expected = scale * (features[i] @ first.weight[c] + first.bias[c])
            torch.testing.assert_close(head(features)[i, c], expected)


@pytest.mark.parametrize("tau", [0.0, 0.7, 1.0])
def test_tau_norm_shortens_weights_and_leaves_the_bias(tau):
    first, features = nn.Linear(4, 3), torch.randn(2, 4)
    scores = TauNormHead(first, tau)(features)
    for c in range(3):
        expected = features @ first.weight[c] / sum(w**2 for w in first.weight[c]) ** (tau / 2)
        torch.testing.assert_close(scores[:, c], expected)


def test_tau_is_the_best_mean_of_class_accuracies():
    first = nn.Linear(2, 2)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[4.0, 0.0], [0.0, 1.0]]))
    # the rare class is right from tau = log 2 / log 4 = 0.5 on, and the frequent one to about 1
    features = torch.tensor([[1.0, 1.1]] * 9 + [[1.0, 2.1]])
    target = torch.tensor([0] * 9 + [1])
    head = TauNormHead(first)
    table = head.choose([(features[:4], target[:4]), (features[4:], target[4:])])
    assert list(table) == list(TAUS) == [pytest.approx(0.1 * k) for k in range(21)]
    assert head.tau.item() == pytest.approx(0.5)
    assert table[0.4] == 0.5
    assert table[0.5] == 1
    assert TauNormHead(first).state_dict().keys() == {"weight", "tau"}


@pytest.mark.parametrize("make", [TauNormHead, lambda first, tau: PostHocHead(first, COUNTS, tau)])
def test_a_negative_tau_is_refused(make):
    with pytest.raises(ValueError, match=r"`tau` must be a number in .*, got -1"):
        make(nn.Linear(2, 3), -1)


def test_post_hoc_adjustment_takes_the_prior_out():
    first, features = nn.Linear(4, 3), torch.randn(2, 4)
    scores = PostHocHead(first, COUNTS, tau=0.5)(features)
    for c, count in enumerate(COUNTS):
        expected = first(features)[:, c] - 0.5 * torch.tensor(count / sum(COUNTS)).log()
        torch.testing.assert_close(scores[:, c], expected)


@pytest.mark.parametrize("transform", ["cl2n", "l2n", "un"])
def test_ncm_is_the_nearest_mean_of_transformed_features(transform):
    train, test = torch.randn(9, 4) + 3, torch.randn(5, 4) + 3
    target = torch.tensor([0, 1, 0, 1, 0, 1, 0, 0, 0])
    head = NCMHead(4, 3, transform)
    head.prepare(lambda: [(train[:5], target[:5]), (train[5:], target[5:])])

    def transformed(x):
        if transform == "un":
            return x
        x = x - train.mean(0) if transform == "cl2n" else x
        return x / sum(v**2 for v in x).sqrt()

    for i, x in enumerate(test):
        for c in (0, 1):
            own = [transformed(f) for f, y in zip(train, target, strict=True) if y == c]
            mean = sum(own) / len(own)  # not normalised again
            expected = -((transformed(x) - mean) ** 2).sum()
            torch.testing.assert_close(head(test)[i, c], expected)
    assert (head(test)[:, 2] == -torch.inf).all()  # no image of that class


def test_ncm_refuses_another_transform():
    with pytest.raises(ValueError, match="`transform` must be 'cl2n', 'l2n' or 'un', got 'l1n'"):
        NCMHead(4, 3, "l1n")


@pytest.mark.parametrize("batchnorm", [True, False])
def test_only_the_head_trains(batchnorm):
    method = SecondStage(backbone(), nn.Linear(5, 3), CrossEntropyLoss(COUNTS), batchnorm).train()
    before = {name: value.clone() for name, value in method.backbone.state_dict().items()}
    method.train_step(batch(0)).loss.backward()
    assert list(method.parameter_groups()) == list(method.head.parameters())
    assert all(parameter.grad is None for parameter in method.backbone.parameters())
    assert method.head.weight.grad.any()
    same = all(torch.equal(before[name], v) for name, v in method.backbone.state_dict().items())
    assert same is batchnorm  # the published code lets the statistics drift


def test_heads_without_training_take_no_step():
    loss, first = CrossEntropyLoss(COUNTS), nn.Linear(5, 3)
    stages = {
        "crt": SecondStage(backbone(), nn.Linear(5, 3), loss),
        "lws": SecondStage(backbone(), LWSHead(first), loss),
        "tau": SecondStage(backbone(), TauNormHead(first), loss),
        "post_hoc": SecondStage(backbone(), PostHocHead(first, COUNTS), loss),
        "ncm": SecondStage(backbone(), NCMHead(5, 3), loss),
    }
    assert [name for name, each in stages.items() if each.trains] == ["crt", "lws"]
    images, target = batch(0, 30)
    stage = stages["ncm"].eval()
    stage.prepare(lambda: [(stage.backbone(images), target)], list)
    assert (stage(images).argmax(1) == target).float().mean() > 0.4


def test_weights_of_zero_do_not_win_in_tau_norm():
    first = nn.Linear(3, 2)
    nn.init.zeros_(first.weight[0].data)
    assert TauNormHead(first, 1.0)(torch.ones(1, 3))[0, 0] == 0


def found_on(rank):
    """What NCM, OLTR and tau-norm find in features of which ranks have unequal parts."""
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(40, 5, generator=draw) + 3
    target = torch.randint(3, (40,), generator=draw)
    part = {0: slice(0, 3), 1: slice(3, None), None: slice(None)}[rank]

    def batches():  # of 8 each, and an empty one, as of a rank without images
        yield features[:0], target[:0]
        yield from zip(features[part].split(8), target[part].split(8), strict=True)

    torch.manual_seed(1)
    loss, first = CrossEntropyLoss(COUNTS), nn.Linear(5, 3)
    ncm = SecondStage(backbone(), NCMHead(5, 3), loss)
    oltr = OLTR(backbone(), first, loss, (5, 3, 3))
    tau = SecondStage(backbone(), TauNormHead(first), loss)
    lines = [each.prepare(batches, batches) for each in (ncm, oltr, tau)]
    centroids = oltr.centroid_loss.centroids
    values = [each.tolist() for each in (ncm.head.center, ncm.head.means, centroids)]
    return lines, values, tau.head.choose(batches()), float(tau.head.tau)


def test_ranks_with_unequal_parts_find_what_one_process_finds():
    one = found_on(None)
    assert one[0][2].startswith("tau-norm: tau")
    assert run_on_ranks(found_on) == [one, one]


def test_features_of_a_pass_are_those_of_images_with_a_name():
    method = SecondStage(backbone(), NCMHead(5, len(COUNTS)), CrossEntropyLoss(COUNTS)).eval()
    images, target = batch(0)
    names = ["a", "", "b", "c", "", "d"]
    found = {"image": images, "target": target, "name": names}
    ((features, labels),) = features_of(method, [found], lambda x: 2 * x, torch.device("cpu"))
    named = [0, 2, 3, 5]
    assert torch.equal(features, method.backbone(2 * images)[named])
    assert torch.equal(labels, target[named])
    assert not features.requires_grad
