"""Recall loss against the slow reading of its formula, the paper's identities and its code."""

import copy
import io
import itertools
import json
import math
from pathlib import Path

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss, RecallLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

PUBLISHED = json.loads(Path(__file__).with_name("published_recall.json").read_text())

OPTIONS = [
    {},
    {"floor_one": True},
    {"min_weight": 0.3},
    {"max_weight": 0.4},
    {"min_weight": 0.1, "max_weight": 0.5, "floor_one": True},
]


def fresh(logits, **options):
    """A recall loss with as many classes as the logits."""
    return RecallLoss([1] * logits.shape[1], **options)


def stored(loss):
    """The stored recall as a list, None where no class was seen, as the oracle has it."""
    return [None if math.isnan(r) else r for r in loss.state.recall.tolist()]


@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_problem
def test_equals_the_slow_reading(name, options, normalizer):
    logits, target = PROBLEMS[name]
    loss = fresh(logits, normalizer=normalizer, **options)
    value = loss(logits, target)
    want, recall = oracle.recall_loss(logits, target, normalizer=normalizer, **options)
    assert value.item() == pytest.approx(want, rel=1e-6, abs=1e-6)
    assert stored(loss) == pytest.approx(recall, abs=1e-12)
    bounds = {k: v for k, v in options.items() if k != "floor_one"}
    weights = oracle.recall_weights(recall, **bounds)
    assert loss.class_stats()["weight"].tolist() == pytest.approx(weights, abs=1e-12)


@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
def test_equals_the_slow_reading_in_double(normalizer):
    """Without the rounding of float32, which could hide a small bias."""
    logits, target = draw(13)
    loss = fresh(logits, normalizer=normalizer)
    want, _ = oracle.recall_loss(logits.double(), target, normalizer=normalizer)
    assert loss.loss(logits.double(), target).item() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("floor_one", [False, True])
@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_steps_in_which_classes_come_and_go(momentum, normalizer, floor_one):
    options = {"momentum": momentum, "normalizer": normalizer, "floor_one": floor_one}
    loss, recall = RecallLoss([1] * 4, **options), None
    for step, absent in enumerate([(1,), (), (0, 2), (1, 2, 3), (3,), ()]):
        logits, target = draw(20 + step, absent=absent, skill=step / 2)
        before = loss.state.recall.clone()
        value = loss(logits, target).item()
        want, recall = oracle.recall_loss(logits, target, recall=recall, **options)
        assert value == pytest.approx(want, rel=1e-6, abs=1e-6)
        assert stored(loss) == pytest.approx(recall, abs=1e-12)
        # bit by bit: a drift of an absent class would be slow at first
        gone = torch.tensor(absent, dtype=torch.long)
        assert torch.equal(loss.state.recall[gone].isnan(), before[gone].isnan())
        assert torch.equal(loss.state.recall[gone].nan_to_num(), before[gone].nan_to_num())


def test_no_momentum_has_no_memory():
    """Momentum 0 is the paper: whatever came before, the step's own recall."""
    loss = RecallLoss([1] * 4)
    loss(*draw(30, skill=3))
    again = draw(31)
    assert torch.equal(loss(*again), RecallLoss([1] * 4)(*again))


@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
def test_eval_uses_the_stored_recall_and_changes_nothing(normalizer):
    loss = RecallLoss([1] * 4, momentum=0.5, normalizer=normalizer)
    loss(*draw(40, absent=(2,)))
    loss.eval()
    before = copy.deepcopy(loss.state_dict())
    logits, target = draw(41, skill=-1)
    weights = oracle.recall_weights(stored(loss))
    assert weights[2] == 1  # never seen
    want = oracle.weighted_cross_entropy(logits, target, weights, normalizer)
    for _ in range(2):
        assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)
    for name, tensor in loss.state_dict().items():
        assert tensor.numpy().tobytes() == before[name].numpy().tobytes(), name
    assert not loss.state.counts.any()  # nothing left for the next training step


def test_eval_before_training_is_cross_entropy():
    logits, target = draw(42)
    value = fresh(logits).eval()(logits, target).item()
    assert value == pytest.approx(oracle.cross_entropy(logits, target), rel=1e-6)


def test_class_never_seen_weighs_one():
    loss = RecallLoss([1] * 4)
    loss(*draw(43, absent=(1,), skill=20))
    assert loss.class_stats()["weight"].tolist() == [0, 1, 0, 0]
    assert loss.class_stats()["recall"].isnan().tolist() == [False, True, False, False]


def test_floor_one_weighs_a_perfect_class_by_one_over_its_pixels():
    target = torch.tensor([[0, 0, 0, 0, 1, VOID]])
    logits = torch.zeros(1, 3, 6)
    logits[0, 0, :4] = logits[0, 1, 4] = 5.0  # all hit
    loss = RecallLoss([1] * 3, floor_one=True)
    loss(logits, target)
    assert loss.class_stats()["weight"].tolist() == [0.25, 1, 1]


def test_state_survives_a_checkpoint():
    loss = RecallLoss([1] * 4, momentum=0.7)
    for seed in (50, 51):
        loss(*draw(seed, absent=(3,)))
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    resumed = RecallLoss([1] * 4, momentum=0.7)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(resumed.state.recall[:3], loss.state.recall[:3])
    assert resumed.state.recall[3].isnan()
    step = draw(52)
    assert torch.equal(resumed(*step), loss(*step))
    assert torch.equal(resumed.state.recall, loss.state.recall)


def test_half_precision_model_keeps_the_recall_exact():
    """bf16-true would turn a recall of .996 into 1 and silence the class."""
    loss = RecallLoss([1] * 2)
    logits = torch.zeros(1, 2, 1000)
    logits[0, 1] = -1.0  # all predicted as class 0
    target = torch.zeros(1, 1000, dtype=torch.long)
    target[0, 0] = 1
    logits[0, 1, 1:4] = 1.0  # 3 of 999 missed
    loss.to(torch.bfloat16)(logits.bfloat16(), target)
    assert loss.state.recall.tolist() == [996 / 999, 0]


def geometric_means(logits, target):
    """P^c of Eq. 1 for the classes present, as the product and root it is defined by."""
    probs = {}
    for scores, label in oracle.valid_pixels(logits, target):
        probs.setdefault(label, []).append(math.exp(-oracle.nll(scores, label)))
    return {c: math.prod(p) ** (1 / len(p)) for c, p in probs.items()}


@pytest.mark.parametrize("seed", range(3))
def test_weights_count_the_misses(seed):
    """Eq. 4: the sum is FN_c times the log of the geometric mean confidence."""
    logits, target = draw(60 + seed)
    misses, support = oracle.misses_and_support(logits, target)
    means = geometric_means(logits, target)
    want = -sum(misses[c] * math.log(p) for c, p in means.items())
    value = fresh(logits)(logits, target).item() * sum(support)
    assert value == pytest.approx(want, rel=1e-5)


def test_no_recall_is_cross_entropy():
    logits, target = draw(63, skill=-20)
    ce = CrossEntropyLoss([1] * 4)(logits, target)
    torch.testing.assert_close(fresh(logits)(logits, target), ce)


def test_full_recall_is_zero():
    logits, target = draw(64, skill=20)
    value, grad = value_and_grad(fresh(logits), logits, target)
    assert value == 0
    assert not grad.any()


@pytest.mark.parametrize("skill", [-1, 0, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_lies_between_zero_and_cross_entropy(seed, skill):
    """Eq. 3, as 0 <= FN_c <= N_c."""
    logits, target = draw(70 + seed, skill=skill)
    value = fresh(logits)(logits, target)
    assert 0 <= value < CrossEntropyLoss([1] * 4)(logits, target)


@pytest.mark.parametrize("misses", [1, 3])
def test_equal_misses_give_inverse_frequency(misses):
    """Eq. 2 up to the common factor FN / N: each class counts by its mean, whatever its size."""
    sizes = [3, 9, 30]
    target = torch.tensor([[c for c, size in enumerate(sizes) for _ in range(size)]])
    logits, _ = draw(80, (1, 3, sum(sizes)))
    for c, size in enumerate(sizes):
        start = sum(sizes[:c])
        logits[0, c, start : start + size] += 10
        logits[0, c, start : start + misses] -= 20
    assert oracle.misses_and_support(logits, target) == ([misses] * 3, sizes)
    inverse_ce = -sum(math.log(p) for p in geometric_means(logits, target).values())
    value = fresh(logits)(logits, target).item()
    assert value == pytest.approx(misses / sum(sizes) * inverse_ce, rel=1e-5)


def test_common_factor_cancels_in_weight_sum():
    """What sets the normalisers apart: half the recall everywhere halves only one of them."""
    logits, target = draw(81)
    ce = oracle.cross_entropy(logits, target)
    for normalizer, want in (("valid", ce / 2), ("weight_sum", ce)):
        loss = fresh(logits, normalizer=normalizer).eval()
        loss.state.recall.fill_(0.5)
        assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_gradient_of_binary_problems(seed):
    """Eq. 7 and 8, of the sum: FN_1 pulls the logit up and FP_1, which is FN_2, pushes it down."""
    logits, target = draw(90 + seed, (60, 2), void=0.1, skill=0.5)
    pixels = oracle.valid_pixels(logits, target)
    _, grad = value_and_grad(fresh(logits), logits, target)
    confidence = {0: [], 1: []}  # in the first class, of the pixels of either
    fn_1 = fn_2 = fp_1 = 0
    for scores, label in pixels:
        confidence[label].append(math.exp(-oracle.nll(scores, 0)))
        fn_1 += label == 0 and oracle.predicted(scores) != 0
        fn_2 += label == 1 and oracle.predicted(scores) != 1
        fp_1 += label != 0 and oracle.predicted(scores) == 0
    assert fn_1 > 0
    assert fn_2 == fp_1 > 0
    mean = {label: sum(p) / len(p) for label, p in confidence.items()}
    want = fn_1 * (mean[0] - 1) + fp_1 * mean[1]
    assert grad[:, 0].sum().item() * len(pixels) == pytest.approx(want, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
def test_weights_are_constants_for_the_gradient(normalizer):
    """Per pixel, w_y (p - onehot) / Z."""
    logits, target = draw(95, (1, 4, 25))
    _, recall = oracle.recall_loss(logits, target)
    weights = oracle.recall_weights(recall)
    _, grad = value_and_grad(fresh(logits, normalizer=normalizer), logits, target)
    labels = [y for _, y in oracle.valid_pixels(logits, target)]
    norm = len(labels) if normalizer == "valid" else sum(weights[y] for y in labels)
    for n, c in itertools.product(range(25), range(4)):
        label, want = target[0, n].item(), 0.0
        if label != VOID:
            probability = math.exp(-oracle.nll(logits[0, :, n].tolist(), c))
            want = weights[label] * (probability - (label == c)) / norm
        assert grad[0, c, n].item() == pytest.approx(want, rel=1e-5, abs=1e-7)


def test_ties_go_to_the_lowest_class():
    """As argmax has it: an untrained head of zeros predicts class 0 everywhere."""
    loss = RecallLoss([1] * 3)
    value = loss(torch.zeros(1, 3, 4), torch.tensor([[0, 0, 1, 2]]))
    assert loss.class_stats()["weight"].tolist() == [0, 1, 1]
    assert value.item() == pytest.approx(2 * math.log(3) / 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\), got 1.0"),
        ({"momentum": -0.1}, r"`momentum` must be in \[0, 1\), got -0.1"),
        ({"normalizer": "mean"}, "`normalizer` must be 'valid' or 'weight_sum', got 'mean'"),
        ({"min_weight": -0.1}, r"`min_weight` must be a number in .*, got -0.1"),
        ({"max_weight": 1.1}, r"`max_weight` must be a number in .*, got 1.1"),
        (
            {"min_weight": 0.6, "max_weight": 0.5},
            "at most `max_weight`, got 0.6 and 0.5",
        ),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        RecallLoss([1, 1], **options)


@pytest.mark.parametrize("floor_one", [True, False])
@pytest.mark.parametrize("case", PUBLISHED["cases"], ids=lambda case: case["name"])
def test_equals_the_published_code(case, floor_one):
    """With the floor wherever that code runs; without it only where no class is free of misses."""
    logits = torch.tensor(case["logits"]).view(case["shape"])
    target = torch.tensor(case["target"]).view(len(logits), *logits.shape[2:])
    value = fresh(logits, floor_one=floor_one)(logits, target).item()
    same = floor_one or case["every_present_class_missed"]
    assert (value == pytest.approx(case["loss"], rel=1e-6)) == same
