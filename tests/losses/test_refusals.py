"""What every loss refuses, and that the message names it."""

import inspect
import re
from contextlib import nullcontext
from functools import partial
from itertools import product

import pytest
import torch

from lit_seg.losses import (
    ClassCounts,
    DeferredReweightingLoss,
    FocalLoss,
    MetricWeightedLoss,
    OHEMLoss,
    PATLoss,
    SegLoss,
    WeightedSumLoss,
    post_hoc_adjusted,
)
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.metrics.labels import VOID
from tests.losses.every import COUNTS, LOSSES, every_kind_of_loss

INF, NAN = float("inf"), float("nan")

every_class = pytest.mark.parametrize("make", [m for m in LOSSES if m.plain], ids=repr)


@every_class
def test_bad_counts(make):
    for counts, value in (
        ([3], "1"),
        ([1] * 65536, "65536"),
        ([3, -2, 1], "[3, -2, 1]"),
        ([1.5, 2], "[1.5, 2]"),
        ([INF, 2], "[inf, 2]"),
        ([NAN, 2], "[nan, 2]"),
    ):
        with pytest.raises(ValueError, match=rf"`class_counts` .* got {re.escape(value)}"):
            make.cls(counts, **make.options)


@every_kind_of_loss
@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        ((2, 4, 5, 6), (2, 1, 5, 6), r"\(N, \*\), got \(2, 4, 5, 6\) and \(2, 1, 5, 6\)"),
        ((2, 4, 5, 6), (3, 5, 6), r"\(N, \*\), got \(2, 4, 5, 6\) and \(3, 5, 6\)"),
        ((4,), (), r"\(N, \*\), got \(4,\) and \(\)"),
        ((2, 3, 5, 6), (2, 5, 6), "must have 4 channels, .* got 3"),
        ((2, 4, 5), (2, 6), r"or be \(N, C, H, W\) and smaller .* got \(2, 4, 5\) and \(2, 6\)"),
        ((2, 4, 5, 8), (2, 8, 5), r"the size of `target`.* got \(2, 4, 5, 8\) and \(2, 8, 5\)"),
        ((2, 4, 64, 64), (2, 8, 8), r"the size of `target`, .* got \(2, 4, 64, 64\)"),
    ],
    ids=["channel in target", "batch", "no batch", "channels", "small line", "turned", "large"],
)
def test_bad_shapes(make, logits, target, message):
    with pytest.raises(ValueError, match=message):
        make(COUNTS)(torch.zeros(logits), torch.zeros(target, dtype=torch.long))


@every_kind_of_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_target_that_is_no_integer(make, dtype):
    with pytest.raises(ValueError, match=f"integer class ids, got {dtype}"):
        make(COUNTS)(torch.zeros(1, 4, 3), torch.zeros(1, 3, dtype=dtype))


@every_kind_of_loss
def test_logits_that_are_no_real_numbers(make):
    with pytest.raises(ValueError, match="`logits` must be real numbers, got torch"):
        make(COUNTS)(torch.zeros(1, 4, 3, dtype=torch.complex64), torch.zeros(1, 3).long())


@every_kind_of_loss
def test_what_is_sparse(make):
    logits, target = torch.zeros(1, 4, 3), torch.zeros(1, 3).long()
    for given in ((logits.to_sparse(), target), (logits, target.to_sparse())):
        with pytest.raises(ValueError, match=r"`(logits|target)` must be dense, got torch.sparse"):
            make(COUNTS)(*given)


@every_kind_of_loss
@pytest.mark.parametrize("label", [4, 254, -1, -100, 256])
def test_label_out_of_range_is_named(make, label):
    target = torch.tensor([[0, VOID, label]])
    loss = make(COUNTS)
    with pytest.raises(ValueError, match=rf"0 to 3 or 255 \(void\), got \[{label}\]"):
        loss(torch.zeros(1, 4, 3), target)


@every_class
@pytest.mark.parametrize("done", [-0.1, 1.1, float("nan"), 40])
def test_progress_that_is_no_fraction(make, done):
    """An epoch, say, which would start what is deferred at once."""
    with pytest.raises(ValueError, match=rf"`done` must be a fraction .* in \[0, 1\], got {done}"):
        make(COUNTS).set_progress(done)


@pytest.mark.parametrize("cls", [WeightedSumLoss, DeferredReweightingLoss])
def test_a_loss_in_place_of_what_makes_it(cls):
    part = FocalLoss(COUNTS)
    with pytest.raises(ValueError, match=r"such as `FocalLoss` .* not an instance, got Focal"):
        cls(COUNTS, [part] if cls is WeightedSumLoss else part)


def test_a_number_in_place_of_counts():
    with pytest.raises(ValueError, match="`class_counts` must be the pixels of each class, got 19"):
        FocalLoss(19)
    with pytest.raises(
        ValueError, match="`class_counts` must be the pixels of each class, got '19'"
    ):
        FocalLoss("19")


@pytest.mark.parametrize(
    ("own", "full", "fits"),
    [
        ((65, 129), (513, 1025), True),  # stride 8, rounded up
        ((64, 128), (513, 1025), True),
        ((15, 20), (120, 160), True),
        ((1, 1), (7, 9), True),
        ((3, 3), (4, 8), True),  # just: strides 1 to 2 and 2 to 4
        ((2, 3), (2, 4), True),
        ((64, 128), (512, 1056), False),  # strides 8 and 8.25
        ((3, 5), (20, 12), False),  # turned
        ((64, 64), (512, 1024), False),
        ((20, 5), (20, 12), False),
    ],
)
def test_small_logits_are_labels_divided_by_one_stride(own, full, fits):
    loss, target = FocalLoss(COUNTS), torch.zeros(1, *full, dtype=torch.long)
    with nullcontext() if fits else pytest.raises(ValueError, match="smaller by one stride"):
        assert loss(torch.zeros(1, 4, *own), target) > 0


def test_a_loss_without_a_formula_is_no_loss():
    """The base checks the inputs first, so that a subclass need not."""
    loss = SegLoss(COUNTS)
    with pytest.raises(ValueError, match="must have 4 channels"):
        loss(torch.zeros(1, 3, 2), torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(NotImplementedError):
        loss(torch.zeros(1, 4, 2), torch.zeros(1, 2, dtype=torch.long))


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (
            OHEMLoss,
            {"min_kept": 5},
            "`min_kept` with one, got keep 0.7, threshold None and min_kept 5",
        ),
        (OHEMLoss, {"threshold": 0.5, "keep": 0.3}, "`keep` is used without a `threshold`"),
        (PATLoss, {"weight_form": "inap", "temperature": 5}, "'inap' has no `temperature`"),
        (PATLoss, {"weight_form": "ina", "epsilon": 0.1}, "no `epsilon`, got 20.0 and 0.1"),
        (MetricWeightedLoss, {"metric": "recall", "fp_weight": 1}, "got 'recall' with 1 and 0.7"),
        (MetricWeightedLoss, {"fn_weight": 1}, "belong to `metric` 'tversky', got 'precision'"),
    ],
    ids=str,
)
def test_options_that_would_be_ignored(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(COUNTS, **options)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"images": [0, 4]}, r"at least of each class with pixels, got \[0, 4\] for \[5, 5\]"),
        ({"images": [-3, 4]}, r"`images` must be whole numbers >= 0, got \[-3, 4\]"),
        ({"image_pixels": [9.5, 9]}, r"`image_pixels` must be whole numbers >= 0, got \[9.5, 9\]"),
        ({"image_pixels": [4, 9]}, r"at least its own, got \[4, 9\] for \[5, 5\]"),
    ],
    ids=str,
)
def test_counts_that_cannot_be(parts, message):
    with pytest.raises(ValueError, match=message):
        ClassCounts([5, 5], **parts)


@every_class
@pytest.mark.filterwarnings("ignore:class-balanced weights")
def test_an_option_is_refused_by_name_or_gives_finite_numbers(make):
    """Of every loss every option that is a number, so that none is forgotten."""
    torch.manual_seed(0)
    target = torch.randint(4, (2, 6))
    parameters = list(inspect.signature(make.cls).parameters.items())[1:]
    for (name, parameter), value in product(parameters, [NAN, INF, -1, 1e-42, 1e7, 1e37, True]):
        words = set(re.findall(r"\w+", str(parameter.annotation)))
        if not {"float", "int", "bool"} & words or {"SegLoss", "LossFactory"} & words:
            continue
        options = {**make.options, name: [value] * 2 if name == "factors" else value}
        options |= {"threshold": 0.5} if name == "min_kept" else {}
        if make.cls is MetricWeightedLoss and "_weight" in name:
            options["metric"] = "tversky"
        try:
            loss = make.cls(COUNTS, **options)
        except ValueError as error:
            message = str(error)
            loss = None
        if loss is None:
            assert f"`{name}`" in message
            assert str(value) in message
            continue
        assert value > 0, name
        assert value is not True or "bool" in words, name
        for spread in (0, 3, 100):
            logits = (spread * torch.randn(2, 4, 6)).requires_grad_()
            loss(logits, target).backward()
            assert logits.grad.isfinite().all(), name


@pytest.mark.parametrize("make", [m for m in LOSSES if issubclass(m.cls, PixelLoss)], ids=repr)
def test_class_weights_of_another_number(make):
    with pytest.raises(ValueError, match=r"`weight` must hold 4 numbers, .* got the shape \(3,\)"):
        make(COUNTS).set_class_weight(torch.ones(3))


@pytest.mark.parametrize("value", [-1.0, NAN, float("inf")])
def test_class_weights_that_cannot_be(value):
    with pytest.raises(ValueError, match=rf"`weight` must be finite numbers >= 0, got \[{value}\]"):
        FocalLoss(COUNTS).set_class_weight(torch.tensor([1, 1, value, 1]))


@pytest.mark.parametrize("shape", [(2, 3, 5), (4,)])
def test_post_hoc_logits_of_another_number_of_classes(shape):
    with pytest.raises(ValueError, match=r"`logits` must be \(N, 4, \*\), .* got \("):
        post_hoc_adjusted(torch.zeros(shape), COUNTS)


def test_post_hoc_negative_tau():
    with pytest.raises(ValueError, match=r"`tau` must be a number in .*, got -1"):
        post_hoc_adjusted(torch.zeros(1, 4), COUNTS, tau=-1)


@pytest.mark.parametrize("part", ["total", "adjust"])
def test_a_part_that_pixel_losses_had_is_refused_and_not_ignored(part: str) -> None:
    with pytest.raises(TypeError, match=rf"Old\.{part} is no part of PixelLoss.*modulation"):
        type("Old", (PixelLoss,), {part: lambda self, *args: args[0]})


def test_what_is_added_to_logits_can_be_learned_and_a_margin_cannot() -> None:
    class Learned(PixelLoss):
        def __init__(self, counts: list[int]) -> None:
            super().__init__(counts)
            self.added = torch.nn.Parameter(torch.zeros(3))

        @property
        def shift(self) -> torch.Tensor:
            return self.added

    class Margin(Learned):
        shift = None  # type: ignore[assignment]

        def own_margin(self) -> torch.Tensor:
            return self.added

    logits, target = torch.randn(2, 3, 4), torch.tensor([[0, 1, 2, 255], [0, 0, 1, 1]])
    loss = Learned([1, 1, 1])
    loss(logits, target).backward()
    added = torch.zeros(3, requires_grad=True)
    torch.nn.functional.cross_entropy(
        logits + added.view(-1, 1), target, ignore_index=255
    ).backward()
    torch.testing.assert_close(loss.added.grad, added.grad)
    with pytest.raises(ValueError, match=r"own_margin.*constant"):
        Margin([1, 1, 1])(logits, target)


class Own(PixelLoss):
    """A loss with parts of its own."""

    def __init__(self, **parts: object) -> None:
        super().__init__([5, 5, 5])
        self.parts = parts
        self.scale = parts.get("scale", self.scale)  # type: ignore[assignment]

    modulation = property(lambda self: self.parts.get("modulation"))  # type: ignore[assignment]

    def weigh(self, found: object) -> object:  # type: ignore[override]
        return self.parts.get("weigh", (None, 4))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        *[
            ("class_weight", value, f"`class_weight` must {told}")
            for value, told in [
                (torch.ones(3, 1), r"hold 3 numbers, one per class, got the shape \(3, 1\)"),
                (torch.ones(2), r"hold 3 numbers, .* got the shape \(2,\)"),
                (torch.ones(3) * 1j, r"hold 3 numbers, .* got .* torch.complex64"),
                ([1, "a", 2], r"hold 3 numbers, .* got \[1, 'a', 2\]"),
                (2.0, r"hold 3 numbers, .* got 2.0"),
                ([1, NAN, -2], r"be finite numbers >= 0, got \[nan, -2.0\]"),
            ]
        ],
        ("scale", torch.nn.Parameter(torch.ones(())), r"`scale` .* learned, .* network multiply"),
        ("scale", "2", r"`scale` must be a number in \[1e-6, 1e6\], got '2'"),
        ("scale", None, "`scale` must be a number in .*, got None"),
        ("modulation", 2.0, r"`modulation` .*`Modulation\(power=2.0\)`, or None, got 2.0"),
        *[
            ("weigh", value, rf"`weigh` must return .* shape \(3,\) or None .* got {told}")
            for value, told in [
                ((torch.ones(3, 1), 4), r"the shape \(3, 1\) of torch.float32 and 4"),
                ((torch.ones(2), 4), r"the shape \(2,\)"),
                ((torch.ones(2, 3), 4), r"the shape \(2, 3\)"),  # no modulation by image
                (([1, 1, 1], 4), r"\[1, 1, 1\] and 4"),
                ((None, "4"), "None and '4'"),
                ((None, torch.ones(3)), r"None and the shape \(3,\)"),
                (torch.ones(2), r"the shape \(2,\)"),
            ]
        ],
    ],
)
def test_a_wrong_part_of_a_loss_of_ones_own(part: str, value: object, message: str) -> None:
    make = partial(PixelLoss, [5, 5, 5]) if part == "class_weight" else Own
    with pytest.raises(ValueError, match=message) as found:
        make(**{part: value})(torch.zeros(2, 3, 2), torch.tensor([[0, 1], [2, 2]]))
    assert "\n" not in str(found.value)


def test_a_list_of_weights_a_number_to_divide_by_and_a_tensor_as_scale() -> None:
    logits, target = torch.randn(2, 3, 2), torch.tensor([[0, 1], [2, 2]])
    total = torch.nn.functional.cross_entropy(logits, target, reduction="sum")
    torch.testing.assert_close(Own(weigh=(None, 8.0))(logits, target), total / 8)
    weighed = torch.nn.functional.cross_entropy(logits, target, torch.ones(3) * 2, reduction="sum")
    torch.testing.assert_close(PixelLoss([5, 5, 5], [2, 2, 2])(logits, target), weighed / 4)
    doubled = torch.nn.functional.cross_entropy(2 * logits, target, reduction="sum")
    scaled = Own(scale=torch.tensor(2.0))(logits, target)
    torch.testing.assert_close(scaled, doubled / 4)
