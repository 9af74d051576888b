"""Which heads a method gets, and the losses that go with them."""

from functools import partial

import pytest
import torch
from torch import nn

from lit_seg.classification.build_method import build_backbone, with_options
from lit_seg.classification.heads.cosine import CosineHead
from lit_seg.classification.heads.tau_norm import TauNormHead
from lit_seg.classification.methods.second_stage import SecondStage
from lit_seg.classification.rows import SECOND_STAGES, UNTRAINED, usual_loss
from lit_seg.losses import CrossEntropyLoss, DeferredReweightingLoss, LDAMLoss
from tests.classification.small import COUNTS, backbone
from tests.classification.test_classifier import classifier

LDAM = partial(LDAMLoss, scale=30.0)


@pytest.mark.parametrize("loss", [LDAM, partial(DeferredReweightingLoss, loss=LDAM)])
@pytest.mark.parametrize(
    ("method", "of_loss"), [("plain", "head"), ("sdn", "feature_head"), ("bbn", "head")]
)
def test_ldam_has_a_cosine_head_in_each_method(loss, method, of_loss):
    module = classifier(3, method=method, head="cosine", loss=loss)
    head = module.method.get_submodule(of_loss)
    assert isinstance(head, CosineHead)
    assert head.weight.shape == (3, 64 if method == "bbn" else 32)
    if method == "sdn":  # cross-entropy decides
        assert type(module.method.head) is nn.Linear


def test_a_margin_alone_is_for_linear_heads():
    module = classifier(3, loss=partial(LDAMLoss, scale=1.0))
    assert type(module.method.head) is nn.Linear


@pytest.mark.parametrize("method", ["sdn", "plain"])
def test_a_scale_without_cosines_is_refused_also_within_another_loss(method):
    drw = partial(DeferredReweightingLoss, loss=LDAM)
    with pytest.raises(ValueError, match="`loss` DeferredReweightingLoss: multiplies by 30"):
        classifier(3, method=method, loss=drw)
    with pytest.raises(ValueError, match="`head_loss` LDAMLoss: multiplies by 30"):
        classifier(3, method="sdn", head_loss=LDAM)


def test_bbn_takes_losses_whose_state_is_only_the_progress():
    drw = partial(DeferredReweightingLoss, loss=CrossEntropyLoss)
    assert classifier(3, method="bbn", loss=drw).method.loss.state_dict()


def test_a_tau_that_is_given_stays():
    features, target = torch.randn(6, 5), torch.arange(6) % 3
    for tau, words in ((0.3, ""), (None, "tau-norm: tau")):
        head = TauNormHead(nn.Linear(5, 3), tau)
        method = SecondStage(backbone(), head, CrossEntropyLoss(COUNTS))
        found = method.prepare(list, lambda: [(features, target)])
        assert found.startswith(words)
        assert (head.tau.item() == pytest.approx(0.3)) is (tau is not None)


def test_options_of_a_value_that_does_not_fit_are_named():
    with pytest.raises(ValueError, match=r"^`tau` must be a number in \[0, 1e6\], got 'much'"):
        with_options("x", {"tau": "much"}, partial(TauNormHead, nn.Linear(5, 3)))
    with pytest.raises(ValueError, match=r"^x: there is no 'tau'; it takes none"):
        with_options("x", {"tau": 1}, partial(nn.Identity))
    stage = partial(SecondStage, backbone(), nn.Linear(5, 3), CrossEntropyLoss(COUNTS))
    with pytest.raises(ValueError, match=r"^x: `freeze_batchnorm` must be true or false, got 'no'"):
        with_options("x", {"freeze_batchnorm": "no"}, stage)
    with pytest.raises(
        ValueError, match=r"^`options` of digits: `stride` must be a whole number, got 'a"
    ):
        build_backbone("digits", 1, {"stride": "a"})
    for value in (True, 1.5):
        with pytest.raises(ValueError, match=rf"`stride` must be a whole number, got {value}"):
            build_backbone("digits", 1, {"stride": value})
    for method, option in (("plain", "feature_weight"), ("oltr", "backbone_lr_factor")):
        first = None if method == "plain" else "nowhere"
        with pytest.raises(ValueError, match=rf"`{option}` must be a number in \[0, 1e6\], got -1"):
            classifier(3, method=method, stage_one=first, method_options={option: -1})


@pytest.mark.parametrize(
    ("model", "loss"),
    [("sdn", "recall"), ("sdn_inverse", "recall"), ("plain", "ce"), ("bbn", "ce"), ("crt", "ce")],
)
def test_without_a_loss_a_method_has_that_of_its_tables(model, loss):
    assert usual_loss(model) == loss


def test_what_trains_nothing_is_listed():
    untrained = [
        name
        for name in SECOND_STAGES
        if not classifier(3, method=name, stage_one="nowhere").method.trains
    ]
    assert tuple(untrained) == UNTRAINED
