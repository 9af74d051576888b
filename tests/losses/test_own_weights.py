"""Class weights that a user gives, by name or as a list."""

import pytest
import torch
import torch.nn.functional as F

from lit_seg.losses import CrossEntropyLoss
from lit_seg.losses.own_weights import own_weights
from lit_seg.tasks import LitSegmenter

NAMES = ["road", "car", "pole"]


@pytest.mark.parametrize("given", [{"pole": 4, "road": 0.5}, [0.5, 1, 4], (0.5, 1.0, 4.0)])
def test_by_name_and_one_per_class(given):
    assert own_weights(given, NAMES).tolist() == [0.5, 1, 4]


def test_a_name_may_be_a_number():
    assert own_weights({1: 4}, ["0", "1"]).tolist() == [1, 4]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pol": 4}, "no class 'pol'; did you mean 'pole'?"),
        ({"sky": 4}, "no class 'sky'; there are: road, car, pole"),
        ([1, 4], r"3 numbers, one per class \(road, car, pole\), got 2; .*`{pole: 4}`"),
        ({"car": -1}, "`class_weights` of car must be a finite number >= 0, got -1"),
        ([1, float("nan"), 1], "of car must be .*, got nan"),
        ({"road": float("inf")}, "of road must be .*, got inf"),
        ([0, 0, 0], "are all 0"),
    ],
)
def test_what_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        own_weights(given, NAMES)


def test_the_module_weighs_its_loss():
    model = LitSegmenter(
        [5, 5, 5],
        class_names=NAMES,
        loss=CrossEntropyLoss,
        class_weights={"pole": 4},
        encoder="tu-test_byobnet",
        options={"encoder_depth": 3, "decoder_channels": [8, 8, 8]},
    )
    logits, target = torch.randn(2, 3, 5, 5), torch.randint(0, 3, (2, 5, 5))
    want = F.cross_entropy(logits, target, torch.tensor([1.0, 1, 4]))  # torch's own weighted mean
    torch.testing.assert_close(model.loss(logits, target), want)
