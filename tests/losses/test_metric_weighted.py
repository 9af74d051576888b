"""Cross-entropy weighted by 1 - a metric, with the metrics read from sets of pixels."""

import copy
import itertools
import math

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss, MetricWeightedLoss, RecallLoss
from tests.losses import oracle
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

METRICS = [
    {"metric": "recall"},
    {"metric": "precision"},
    {"metric": "dice"},
    {"metric": "jaccard"},
    {"metric": "tversky"},
    {"metric": "tversky", "fp_weight": 0.2, "fn_weight": 1.5},
]
every_metric = pytest.mark.parametrize(
    "options", METRICS, ids=lambda o: "-".join(map(str, o.values()))
)


def stored(loss):
    """The stored metric as a list, None where it was never defined, as the oracle has it."""
    return [None if math.isnan(v) else v for v in loss.state.value.tolist()]


@slow.both_normalizers
@every_metric
@every_problem
def test_equals_the_slow_reading(name, options, normalizer):
    logits, target = PROBLEMS[name]
    loss = MetricWeightedLoss([1] * logits.shape[1], normalizer=normalizer, **options)
    metrics = slow.next_metrics(None, logits, target, **options)
    weights = oracle.recall_weights(metrics)  # 1 - metric, and 1 without one
    want = oracle.weighted_cross_entropy(logits, target, weights, normalizer)
    slow.assert_equals(loss, (logits, target), want)
    assert stored(loss) == pytest.approx(metrics, abs=1e-12)
    assert loss.class_stats()["metric"] is loss.state.value
    assert loss.class_stats()["weight"].tolist() == pytest.approx(weights, abs=1e-12)


@every_metric
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_steps_in_which_classes_come_and_go(momentum, options):
    loss, metrics = MetricWeightedLoss([1] * 4, momentum=momentum, **options), None
    for step, absent in enumerate([(1,), (), (0, 2), (1, 2, 3), (3,), ()]):
        logits, target = draw(20 + step, absent=absent, skill=step / 2)
        logits[:, 3] -= 9 * (step % 2)  # and class 3 is predicted in every other step
        metrics = slow.next_metrics(metrics, logits, target, momentum=momentum, **options)
        weights = oracle.recall_weights(metrics)
        want = oracle.weighted_cross_entropy(logits, target, weights)
        assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)
        assert stored(loss) == pytest.approx(metrics, abs=1e-12)


@slow.both_normalizers
@pytest.mark.parametrize("training", [True, False])
@every_metric
def test_gradient_is_the_slope(options, training, normalizer):
    """Hard predictions have steps and no slope."""
    loss = MetricWeightedLoss([1] * 3, normalizer=normalizer, **options)
    loss(*slow.SMALL)
    assert 0 < loss.weight.min() < loss.weight.max()
    assert slow.has_its_gradient(loss.train(training))


@slow.both_normalizers
@every_metric
def test_weights_are_constants_for_the_gradient(options, normalizer):
    logits, target = slow.SMALL
    weights = oracle.recall_weights(slow.next_metrics(None, logits, target, **options))
    pixels = oracle.valid_pixels(logits, target)
    norm = len(pixels) if normalizer == "valid" else sum(weights[y] for _, y in pixels)
    want = slow.frozen_gradient([(s, y, weights[y] / norm) for s, y in pixels])
    loss = MetricWeightedLoss([1] * 3, normalizer=normalizer, **options)
    for ours, row in zip(slow.gradient_of(loss, slow.SMALL), want, strict=True):
        assert ours == pytest.approx(row, rel=1e-12, abs=1e-15)


@slow.both_normalizers
@every_metric
def test_eval_uses_the_stored_metric_and_changes_nothing(options, normalizer):
    loss = MetricWeightedLoss([1] * 4, momentum=0.5, normalizer=normalizer, **options)
    logits, target = draw(40)
    ce = oracle.cross_entropy(logits, target)
    assert loss.eval()(logits, target).item() == pytest.approx(ce, rel=1e-6)  # nothing seen so far
    loss.train()(*draw(41, absent=(2,)))
    before = copy.deepcopy(loss.eval().state_dict())
    weights = oracle.recall_weights(stored(loss))
    want = oracle.weighted_cross_entropy(logits, target, weights, normalizer)
    slow.assert_equals(loss, (logits, target), want)
    for name, tensor in loss.state_dict().items():
        assert tensor.numpy().tobytes() == before[name].numpy().tobytes(), name
    assert not loss.state.counts.any()


@slow.both_normalizers
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_recall_is_recall_loss(momentum, normalizer):
    """Bit for bit, gradient, state and stats included."""
    options = {"momentum": momentum, "normalizer": normalizer}
    ours = MetricWeightedLoss([1] * 4, metric="recall", **options)
    recall_loss = RecallLoss([1] * 4, **options)
    for mode, seed in itertools.product((True, False), range(50, 54)):
        logits, target = draw(seed, absent=(seed % 4,))
        step = (logits.round() if seed % 2 else logits), target  # every other one with ties
        pairs = (value_and_grad(loss.train(mode), *step) for loss in (ours, recall_loss))
        for a, b in zip(*pairs, strict=True):
            assert torch.equal(a, b)
        assert torch.equal(ours.weight, recall_loss.weight)
    assert torch.equal(ours.state.value, recall_loss.state.recall)


@pytest.mark.parametrize(
    ("metric", "weights"),
    [
        ("recall", [1 / 4, 1 / 2, 1]),  # FN / (TP + FN)
        ("precision", [1 / 4, 2 / 3, 1]),  # FP / (TP + FP)
        ("dice", [2 / 8, 3 / 5, 1]),  # (FP + FN) / (2 TP + FP + FN)
        ("jaccard", [2 / 5, 3 / 4, 1]),  # (FP + FN) / (TP + FP + FN)
        ("tversky", [1 / 4, (0.6 + 0.7) / (1 + 0.6 + 0.7), 1]),
    ],
)
def test_by_hand(metric, weights):
    """TP, FP, FN are 3 1 1, 1 2 1 and 0 0 1; the last pixel is void and under it all is free."""
    labels = torch.tensor([[0, 0, 0, 0, 1, 1, 2, oracle.VOID]])
    preds = torch.tensor([[0, 0, 0, 1, 1, 0, 1, 2]])
    logits = torch.nn.functional.one_hot(preds, 3).mT.float()
    loss = MetricWeightedLoss([1] * 3, metric)
    loss(logits, labels)
    assert loss.weight.tolist() == pytest.approx(weights)


@pytest.mark.parametrize("options", METRICS[1:], ids=lambda o: "-".join(map(str, o.values())))
def test_only_recall_leaves_false_positives_alone(options):
    """Section 3.3: class 0, hit everywhere, gains weight by what else is predicted as it."""
    labels = torch.tensor([[0] * 4 + [1] * 6])
    weights = {}
    for wrong in (0, 2, 5):
        preds = torch.tensor([[0] * (4 + wrong) + [1] * (6 - wrong)])
        logits = torch.nn.functional.one_hot(preds, 2).mT.float()
        losses = MetricWeightedLoss([1] * 2, **options), RecallLoss([1] * 2)
        for loss in losses:
            loss(logits, labels)
        weights[wrong] = losses[0].weight[0].item()
        assert losses[1].weight[0] == 0
    assert 0 == weights[0] < weights[2] < weights[5]


def test_jaccard_is_dice_between_recall_and_precision():
    """J = D / (2 - D), and D is the harmonic mean of the two."""
    problem, scores = draw(60), {}
    for metric in ("recall", "precision", "dice", "jaccard"):
        loss = MetricWeightedLoss([1] * 4, metric)
        loss(*problem)
        scores[metric] = loss.class_stats()["metric"]
    dice = scores["dice"]
    torch.testing.assert_close(2 / dice, 1 / scores["recall"] + 1 / scores["precision"])
    torch.testing.assert_close(scores["jaccard"], dice / (2 - dice))


def test_precision_is_the_default():
    """The ablation of section 3.3, Eq. 9."""
    problem = draw(65)
    assert torch.equal(
        MetricWeightedLoss([1] * 4)(*problem), MetricWeightedLoss([1] * 4, "precision")(*problem)
    )


def test_named_metrics_are_cases_of_tversky():
    problem = draw(61)
    cases = {"recall": (0, 1), "precision": (1, 0), "dice": (0.5, 0.5), "jaccard": (1, 1)}
    for metric, (fp_weight, fn_weight) in cases.items():
        options = {"fp_weight": fp_weight, "fn_weight": fn_weight}
        tversky = MetricWeightedLoss([1] * 4, "tversky", **options)
        # with names, the two weights are those of the name
        named = MetricWeightedLoss([1] * 4, metric)
        assert torch.equal(tversky(*problem), named(*problem))


@every_metric
def test_all_missed_is_cross_entropy_and_all_hit_is_zero(options):
    missed, hit = draw(62, skill=-20), draw(63, skill=20)
    loss = MetricWeightedLoss([1] * 4, **options)
    torch.testing.assert_close(loss(*missed), CrossEntropyLoss([1] * 4)(*missed))
    value, grad = value_and_grad(loss, *hit)
    assert value == 0
    assert not grad.any()


@slow.both_normalizers
def test_given_weights_come_on_top(normalizer):
    logits, target = draw(64)
    loss = MetricWeightedLoss([1] * 4, "jaccard", normalizer=normalizer)
    loss.set_class_weight(torch.tensor([2.0, 0.5, 1.0, 0.0]))
    own = oracle.recall_weights(slow.next_metrics(None, logits, target, "jaccard"))
    want = oracle.weighted_cross_entropy(logits, target, own, normalizer, given=[2, 0.5, 1, 0])
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "f1"}, "`metric` must be 'recall', .* or 'tversky', got 'f1'"),
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\), got 1.0"),
        ({"normalizer": "mean"}, "`normalizer` must be 'valid' or 'weight_sum', got 'mean'"),
        ({"metric": "tversky", "fp_weight": -0.1}, r"`fp_weight` must be a number in .*, got -0.1"),
        ({"metric": "tversky", "fn_weight": -0.1}, r"`fn_weight` must be a number in .*, got -0.1"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MetricWeightedLoss([1, 1], **options)
