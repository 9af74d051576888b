"""The recall of one to two epochs, against a slow count by hand."""

import time

import pytest
import torch

from lit_seg.classification.losses.epoch_recall import EpochRecallLoss
from lit_seg.losses import RecallLoss

COUNTS = [5, 2, 1]


def steps(number=7, size=3):
    draw = torch.Generator().manual_seed(0)
    return [
        (torch.randn(size, 3, generator=draw), torch.randint(3, (size,), generator=draw))
        for _ in range(number)
    ]


def test_weights_are_misses_since_the_last_complete_epoch_began():
    loss = EpochRecallLoss(COUNTS)
    seen, begins = [], [0, 0]  # where the last complete and the present epoch began
    for logits, target in steps():
        value = loss(logits, target)
        seen += zip(logits.argmax(1).tolist(), target.tolist(), strict=True)
        window = seen[begins[0] :]
        for c in range(3):
            hits = [predicted == c for predicted, label in window if label == c]
            expected = 1 - sum(hits) / len(hits) if hits else 1.0
            assert loss.weight[c] == pytest.approx(expected, abs=1e-15), c
        if len(seen) - begins[1] >= sum(COUNTS):
            begins = [begins[1], len(seen)]
        nll = -logits.log_softmax(1)[range(3), target]
        torch.testing.assert_close(value, (loss.weight[target] * nll).mean().float())
    assert begins[0] > 0


def test_eval_uses_the_weights_and_leaves_them():
    loss = EpochRecallLoss(COUNTS)
    for logits, target in steps(2):
        loss(logits, target)
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    assert {"state.last", "state.present", "state.value"} <= before.keys()
    loss.eval()(*steps(3)[2])
    for name, value in loss.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_moving_average_changes_with_the_class_only():
    """Without this gate, the recall of a class in few batches would fall to nothing."""
    loss = RecallLoss([1, 1, 1], momentum=0.9)
    sure = torch.tensor([[9.0, 0, 0]])
    loss(sure, torch.tensor([0]))
    for _ in range(50):
        loss(sure, torch.tensor([1]))
    assert loss.class_stats()["recall"][0] == 1
    assert loss.class_stats()["recall"][1] == 0
    loss(sure, torch.tensor([2]))
    assert loss.class_stats()["recall"][0] == 1


def test_it_is_cheap_with_the_classes_of_inaturalist():
    """Processor time of a loss beside plain cross-entropy: a ratio, in the same process."""
    torch.manual_seed(0)
    logits = torch.randn(128, 8142, requires_grad=True)
    target = torch.randint(8142, (128,))
    loss = EpochRecallLoss([50] * 8142)

    def took(call):
        begun = time.process_time()
        call().backward()
        return time.process_time() - begun

    pairs = [
        (
            took(lambda: loss(logits, target)),
            took(lambda: torch.nn.functional.cross_entropy(logits, target)),
        )
        for _ in range(5)
    ]
    ours, plain = map(min, zip(*pairs, strict=True))
    assert ours < 5 * plain + 0.01
