"""What every loss promises, run over all that ``lit_seg.losses`` exports."""

import copy
import pickle
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics import Metric

import lit_seg.losses
from lit_seg.losses import (
    ClassCounts,
    DeferredReweightingLoss,
    MetricWeightedLoss,
    OHEMLoss,
    RecallLoss,
    SeesawLoss,
    SegLoss,
)
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.metrics.labels import VOID, void_of
from lit_seg.ops import class_nll, precision
from tests.losses.every import (
    COUNTS,
    LOSSES,
    SameNoise,
    every_exact_loss,
    every_kind_of_loss,
    every_loss,
)
from tests.losses.problems import draw, value_and_grad

INF, NAN = float("inf"), float("nan")


def below(cls):
    """Every class of this package that derives from ``cls``."""
    for derived in cls.__subclasses__():
        if derived.__module__.startswith("lit_seg."):
            yield derived
            yield from below(derived)


def test_the_inputs_are_checked_in_one_place():
    """No loss overrides what `every_kind_of_loss` is tested for on three representatives."""
    own = {"forward", "__call__", "_check_shapes"}
    losses = set(below(SegLoss))
    assert losses >= {make.cls for make in LOSSES}
    assert [cls for cls in losses if own & vars(cls).keys()] == []


def test_some_losses_are_exported():
    """The runs below would pass over an empty list."""
    assert len({make.cls for make in LOSSES}) >= 21
    assert len({repr(make) for make in LOSSES}) == len(LOSSES)


PROBLEMS = {
    "plain": draw(0),
    "absent": draw(1, absent=(1, 3)),
    "one class": draw(2, absent=(0, 1, 3)),
    "one pixel": draw(3, (1, 4, 1, 1), void=0),
    "one sample": draw(4, (1, 4), void=0),
    "no space": draw(5, (20, 4)),
    "volume": draw(6, (2, 4, 3, 4, 2)),
    "C=2": draw(7, (2, 2, 5, 6)),
    "C=255": draw(8, (2, 255, 4, 4)),
    "C=256": draw(8, (2, 256, 4, 4)),
    "C=1000": draw(8, (2, 1000, 4, 4)),
    "sure": draw(9, skill=1e4),
    "surely wrong": draw(10, skill=-1e4),
}


@every_loss
def test_finite_scalar_not_negative(make):
    for name, (logits, target) in PROBLEMS.items():
        if logits.shape[1] > make.most_classes:
            continue  # it is refused: see test_refusals
        for training in (True, False):
            loss = make([10] * logits.shape[1]).train(training)
            value, grad = value_and_grad(loss, logits, target)
            assert value.shape == (), (name, training)
            assert value.isfinite(), (name, training)
            assert value >= 0, (name, training)
            assert grad.isfinite().all(), (name, training)


@every_loss
def test_perfect_prediction_costs_nothing(make):
    logits, target = draw(11, skill=100)
    for training in (True, False):
        assert make(COUNTS).train(training)(logits, target) < 1e-3, training
    assert make(COUNTS)(*draw(11, skill=-100)) > 0.1  # and it is not 0 for whatever is predicted


@every_loss
def test_only_void_gives_zero_with_a_graph(make):
    """DDP waits for every parameter's gradient, so 0 without a graph would hang it."""
    for classes, space in ((4, (3, 3)), (4, ()), (min(300, make.most_classes), (2,))):
        for training in (True, False):
            logits = torch.randn(2, classes, *space, requires_grad=True)
            void = torch.full((2, *space), void_of(classes))
            value = make([10] * classes).train(training)(logits, void)
            assert value.item() == 0.0, (classes, space, training)
            assert value.grad_fn is not None
            value.backward()
            assert torch.equal(logits.grad, torch.zeros_like(logits)), (classes, space, training)


@every_loss
def test_void_gives_neither_value_nor_gradient(make):
    logits, target = draw(12, void=0.4)
    void = (target == VOID).unsqueeze(1).expand_as(logits)
    other = torch.where(void, 100 * torch.randn_like(logits), logits)
    value, grad = value_and_grad(SameNoise(make(COUNTS)), logits, target)
    other_value, other_grad = value_and_grad(SameNoise(make(COUNTS)), other, target)
    assert torch.equal(value, other_value)
    assert torch.equal(grad, other_grad)
    assert not grad[void].any()
    assert grad[~void].any()


@every_loss
def test_what_is_no_number_stays_under_void(make):
    logits, target = draw(12, void=0.4)
    void = (target == VOID).unsqueeze(1).expand_as(logits)
    value, grad = value_and_grad(SameNoise(make(COUNTS)), logits, target)
    for number in (NAN, INF, -INF, 3e38, -3e38):
        bad = logits.masked_fill(void, number)
        bad_value, bad_grad = value_and_grad(SameNoise(make(COUNTS)), bad, target)
        assert torch.equal(bad_value, value), number
        assert torch.equal(bad_grad, grad), number
        only_void = torch.full_like(logits, number), torch.full_like(target, VOID)
        nothing, no_grad = value_and_grad(make(COUNTS), *only_void)
        assert nothing == 0, number
        assert not no_grad.any(), number


@every_kind_of_loss
@pytest.mark.parametrize("number", [NAN, INF])
def test_what_is_no_number_stays_under_void_when_it_is_upsampled(make, number):
    """Below the labels' size a logit is under void if no pixel that counts is drawn from it."""
    logits, _ = draw(18, (1, 4, 4, 4))
    _, target = draw(19, (1, 4, 16, 16))
    target[..., 4:] = VOID  # the others are drawn from the logits' columns 0 and 1
    want, want_grad = value_and_grad(SameNoise(make(COUNTS)), logits, target)
    logits[..., 2:] = number
    value, grad = value_and_grad(SameNoise(make(COUNTS)), logits, target)
    assert torch.equal(value, want)
    assert torch.equal(grad, want_grad)


@every_loss
def test_what_is_no_number_is_not_hidden_elsewhere(make):
    """A run looks at its loss to stop in time."""
    logits, target = draw(9, void=0)
    for number in (NAN, INF):
        logits[0, 1, 2, 3] = number
        for training in (True, False):
            value = SameNoise(make(COUNTS).train(training))(logits, target)
            assert not value.isfinite(), (number, training)


@every_loss
def test_huge_logits_give_no_nan(make):
    """Sums, products and differences of them overflow; what is right costs nothing even so."""
    _, target = draw(9)
    own = F.one_hot(target.masked_fill(target == VOID, 0), 4).movedim(-1, 1).float()
    for size, training in ((1e30, True), (1e38, False), (3e38, True), (3e38, False)):

        def loss(*batch, training=training):
            return SameNoise(make(COUNTS).train(training))(*batch)

        right = [value_and_grad(loss, z, target) for z in (size * own, (2 * own - 1) * size)]
        wrong_grads = [value_and_grad(loss, z, target) for z in (-size * own, (1 - 2 * own) * size)]
        wrong = [value for value, _ in wrong_grads]
        alike = [value_and_grad(loss, own * 0 + z, target) for z in (size, -size)]
        assert [value.item() for value, _ in right] == [0, 0], (size, training)
        assert all(value > 0 for value in wrong), (size, training)
        assert all(value.isfinite() for value, _ in alike), (size, training)
        assert all(grad.isfinite().all() for _, grad in right + alike + wrong_grads)
        assert size > 1e30 or all(value.isfinite() for value in wrong)


@every_loss
def test_no_pixels_at_all_give_zero_with_a_graph(make):
    for shape in ((0, 4, 5, 6), (2, 4, 0, 0), (0, 4), (2, 4, 0)):
        logits = torch.zeros(shape, requires_grad=True)
        value = make(COUNTS)(logits, torch.zeros(shape[0], *shape[2:], dtype=torch.long))
        assert value.item() == 0, shape
        value.backward()
        assert logits.grad.shape == shape


@every_exact_loss
def test_void_is_as_if_left_out(make):
    logits, target = draw(13, (1, 4, 40))
    valid = target[0] != VOID
    assert not valid.all()
    want = make(COUNTS)(logits[..., valid], target[..., valid])
    torch.testing.assert_close(make(COUNTS)(logits, target), want)


@every_exact_loss
def test_classes_have_no_order(make):
    logits, target = draw(14)
    order = torch.tensor([2, 0, 3, 1])  # the new class c is the old class order[c]
    renamed = torch.where(target == VOID, VOID, order.argsort()[target.clamp(max=3)])
    value, grad = value_and_grad(make(COUNTS), logits, target)
    counts = [COUNTS[c] for c in order]
    other_value, other_grad = value_and_grad(make(counts), logits[:, order], renamed)
    torch.testing.assert_close(value, other_value)
    torch.testing.assert_close(grad[:, order], other_grad)


@every_exact_loss
def test_pixels_have_no_order(make):
    logits, target = draw(15, (2, 4, 30))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    value, grad = value_and_grad(make(COUNTS), logits, target)
    other_value, other_grad = value_and_grad(make(COUNTS), logits[..., order], target[..., order])
    torch.testing.assert_close(value, other_value)
    torch.testing.assert_close(grad[..., order], other_grad)


@every_exact_loss
def test_images_have_no_order(make):
    logits, target = draw(16, (3, 4, 5, 6))
    torch.testing.assert_close(
        make(COUNTS)(logits, target), make(COUNTS)(logits.flip(0), target.flip(0))
    )


@every_exact_loss
def test_batch_twice_costs_the_same(make):
    """A loss is a mean: a larger batch is not more expensive."""
    if {"floor_one", "min_kept"} & make.options.keys() or "OHEM" in repr(make):
        pytest.skip("a whole number of pixels is another share of a larger batch, by definition")
    logits, target = draw(17)
    twice = make(COUNTS)(torch.cat([logits, logits]), torch.cat([target, target]))
    torch.testing.assert_close(make(COUNTS)(logits, target), twice)


@every_kind_of_loss
@pytest.mark.parametrize("size", [(8, 10), (7, 9), (15, 19)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_small_logits_are_upsampled(make, align_corners, size):
    logits, _ = draw(18, (2, 4, 4, 5))
    _, target = draw(19, (2, 4, *size))
    loss = make(COUNTS)
    loss.align_corners = align_corners
    large = F.interpolate(logits, size, mode="bilinear", align_corners=align_corners)
    torch.testing.assert_close(
        SameNoise(loss)(logits, target), SameNoise(make(COUNTS))(large, target)
    )


@every_kind_of_loss
def test_align_corners_is_heeded(make):
    """Otherwise the test above could not tell one from the other."""
    logits, _ = draw(18, (2, 4, 4, 5))
    _, target = draw(19, (2, 4, 8, 10))
    aligned = make(COUNTS)
    aligned.align_corners = True
    plain = SameNoise(make(COUNTS))(logits, target)
    assert abs(SameNoise(aligned)(logits, target) - plain) > 1e-5


@every_kind_of_loss
@pytest.mark.parametrize("layout", ["channels_last", "channels at the end", "every second"])
def test_memory_layout_does_not_matter(make, layout):
    logits, target = draw(20)
    if layout == "channels_last":
        other = logits.to(memory_format=torch.channels_last)
    elif layout == "channels at the end":
        other = logits.movedim(1, -1).contiguous().movedim(-1, 1)
    else:
        other = logits.repeat_interleave(2, -1)[..., ::2]
    assert not other.is_contiguous()
    other_target = target.mT.contiguous().mT
    assert not other_target.is_contiguous()
    want, want_grad = value_and_grad(SameNoise(make(COUNTS)), logits, target)
    torch.testing.assert_close(SameNoise(make(COUNTS))(other, other_target), want)
    # `value_and_grad` would make a copy, maybe a contiguous one
    leaf = other.detach().requires_grad_()
    (grad,) = torch.autograd.grad(SameNoise(make(COUNTS))(leaf, other_target), leaf)
    torch.testing.assert_close(grad, want_grad)


@every_kind_of_loss
@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_any_integer_holds_labels(make, dtype):
    """Datasets keep labels in 8 bits, where arithmetic on them would wrap around."""
    logits, target = draw(21, (2, 200, 5, 6))
    narrow = target.to(torch.int16).to(getattr(torch, dtype))
    assert torch.equal(make([1] * 200)(logits, narrow), make([1] * 200)(logits, target))


@every_kind_of_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [True, False])
def test_half_precision_logits(make, dtype, autocast):
    """The loss itself is in float32: only the rounding of the logits may show."""
    logits, target = draw(22)
    rounded = (logits * 100).to(dtype)  # a sum over so large values overflows float16
    with torch.autocast("cpu", dtype, enabled=autocast):
        value, grad = value_and_grad(SameNoise(make(COUNTS)), rounded, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, SameNoise(make(COUNTS))(rounded.float(), target))
    assert grad.isfinite().all()


@every_exact_loss
def test_float64_logits_keep_their_precision(make):
    logits, target = draw(35)
    value, grad = value_and_grad(make(COUNTS), logits.double(), target)
    assert value.dtype == grad.dtype == torch.float64
    assert torch.equal(value, make(COUNTS).loss(logits.double(), target))
    torch.testing.assert_close(value.float(), make(COUNTS)(logits, target))


@every_loss
def test_its_options_are_printed(make):
    loss = make(COUNTS)
    shown = repr(loss)
    assert shown.startswith(make.cls.__name__)
    for name in make.options.keys() & vars(loss).keys():
        assert f"{name}={getattr(loss, name)}" in shown


def spy(base):
    """A formula with a product, which autocast would take in half precision."""

    class Spy(base):
        def loss(self, logits, target):
            assert logits.shape[2:] == target.shape[1:]
            assert logits.is_contiguous()
            return torch.einsum("ncp,ncp->", logits.flatten(2), logits.flatten(2))

    return Spy(COUNTS)


@pytest.mark.parametrize("base", [SegLoss, PixelLoss, OHEMLoss])
@pytest.mark.parametrize("autocast", [True, False])
def test_a_formula_gets_contiguous_float32_of_full_size_and_no_autocast(base, autocast):
    logits, target = draw(22)
    strided = logits.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        value = spy(base)(strided, target)
        spy(base)(strided[:, :, ::2, ::2], target)
    torch.testing.assert_close(value, logits.square().sum())


@every_loss
def test_eval_leaves_the_state_alone(make):
    loss = make(COUNTS)
    loss(*draw(23, absent=(1,)))
    before = copy.deepcopy(dict(loss.named_buffers()))
    loss.eval()
    values = [loss(*draw(24)) for _ in range(2)]
    assert torch.equal(*values)
    after = dict(loss.named_buffers())
    assert after.keys() == before.keys()
    for name, tensor in after.items():  # bytes, since NaN is not equal to itself
        assert tensor.numpy().tobytes() == before[name].numpy().tobytes(), name


@every_loss
def test_gradient_is_that_of_the_value(make):
    """In float64, against differences in a random direction.

    Weights from hard predictions stand still meanwhile.
    """
    if make.cls is SeesawLoss and make.options.get("compensation") != 0:
        pytest.skip("its compensation is a constant for the gradient: see test_seesaw")
    if make.options.get("detach"):
        pytest.skip("its weight is a constant for the gradient: see test_pat")
    logits, target = draw(29, (2, 3, 2, 3))

    for training in (True, False):

        def value(logits, training=training):
            return SameNoise(make([90, 30, 10]).train(training).loss)(logits, target)

        given = logits.double().requires_grad_()
        assert torch.autograd.gradcheck(value, given, fast_mode=True), training


@every_loss
def test_above_255_classes_void_is_65535(make):
    """255 is a class like any other then."""
    classes = 256
    if classes > make.most_classes:
        pytest.skip("refused: see test_pat")
    logits, target = draw(30, (2, classes, 3, 4), void=0)
    target[0, 0, :2] = 255
    target[0, 1] = 65535
    losses = [SameNoise(make([10] * classes)) for _ in range(2)]
    value, grad = value_and_grad(losses[0], logits, target)
    assert value.isfinite()
    assert grad[0, :, 0, :2].any()
    assert not grad[0, :, 1].any()
    assert torch.equal(losses[1](torch.where(target[:, None] == 65535, 9.0, logits), target), value)


@every_loss
def test_state_counts_in_64_bits(make):
    """float32 stops counting pixels after a few images, int32 after some thousand."""
    loss = make(COUNTS)
    loss(*draw(31))
    tensors = dict(loss.named_buffers())
    for module in loss.modules():
        if isinstance(module, Metric):
            tensors.update(module.metric_state)
    for name, tensor in tensors.items():
        assert tensor.dtype in (torch.int64, torch.float64, torch.bool), name


@every_loss
def test_only_state_is_saved(make):
    """What derives from class counts comes from the data, also after a checkpoint of other data."""
    names = {name.rpartition(".")[2] for name in make(COUNTS).state_dict()}
    own = {
        RecallLoss: {"value"},
        MetricWeightedLoss: {"value"},
        SeesawLoss: {"seen"},
        DeferredReweightingLoss: {"started"},
    }
    wanted = {name for cls, state in own.items() if issubclass(make.cls, cls) for name in state}
    if RecallLoss in (make.options.get("loss"), *make.options.get("losses", ())):
        wanted |= {"value"}
    assert names == wanted


@every_loss
def test_inference_mode_leaves_nothing_behind(make):
    """Lightning validates in it, and notebooks score in it; training goes on afterwards."""
    with torch.inference_mode():
        loss = make(COUNTS)
        loss.set_progress(1.0)
        SameNoise(loss)(*draw(32))
    other = make(COUNTS)
    other.set_progress(1.0)
    SameNoise(other)(*draw(32))
    for training in (True, False):
        for dtype in (torch.float32, torch.float64):  # weights in float64 are used as they are
            logits, target = draw(33)
            got = value_and_grad(SameNoise(loss.train(training)), logits.to(dtype), target)
            want = value_and_grad(SameNoise(other.train(training)), logits.to(dtype), target)
            assert list(map(torch.equal, got, want)) == [True, True], (training, dtype)
    assert not [name for name, tensor in loss.named_buffers() if tensor.is_inference()]


@every_loss
def test_jacobian_of_torch_func(make):
    """It asks for several gradients at once."""
    logits, target = draw(37)
    loss = SameNoise(make(COUNTS).eval())
    jacobian = torch.func.jacrev(loss)(logits, target)
    torch.testing.assert_close(jacobian, value_and_grad(loss, logits, target)[1])


@every_loss
def test_gradients_of_torch_func(make):
    """In training mode, too, with the state of a step, if none is changed in its place."""
    logits, target = draw(36)
    for training in (True, False):
        loss, other = (make(COUNTS).train(training) for _ in range(2))
        before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
        if training and any(name.endswith("seen") for name in before):
            with pytest.raises(ValueError, match=r"Loss in training mode .*`eval\(\)`"):
                torch.func.grad(loss)(logits, target)
            torch.testing.assert_close(loss.state_dict(), before, equal_nan=True)
            continue
        grad = torch.func.grad(SameNoise(loss))(logits, target)
        assert torch.equal(grad, value_and_grad(SameNoise(other), logits, target)[1])
        for step in (loss, other):  # the state is of use afterwards
            step(logits, target)
        torch.testing.assert_close(loss.state_dict(), other.state_dict(), equal_nan=True)


@every_loss
def test_values_that_nobody_can_read(make):
    """They are refused before the state changes: the loss is as good as before."""
    logits, target = draw(37)
    loss = make(COUNTS)
    batched = torch.vmap(lambda z, y: loss(z[None], y[None]), randomness="different")
    one_map = torch.vmap(lambda z: loss(z[None], target[:1]), randomness="different")
    for call in (
        lambda: loss(logits.to("meta"), target.to("meta")),
        lambda: loss(logits.to("meta"), target),
        lambda: batched(logits, target),
        lambda: one_map(logits),
    ):
        with pytest.raises(ValueError, match=r"`(logits|target)` must hold values .* real device"):
            call()
    assert torch.equal(SameNoise(loss)(logits, target), SameNoise(make(COUNTS))(logits, target))


@every_loss
def test_a_loss_without_its_counts(make):
    with pytest.raises(ValueError, match="the loss is on the meta device"):
        make(COUNTS).to("meta")(*draw(37))
    with (
        pytest.raises(ValueError, match="meta device"),  # here, or when it meets logits
        torch.device("meta"),
    ):
        make(COUNTS)(torch.zeros(1, 4), torch.zeros(1, dtype=torch.long))


@every_loss
@pytest.mark.parametrize("done", [0.0, 1.0])
def test_a_copy_goes_on_alike(make, done):
    loss = make(COUNTS)
    loss.set_progress(done)
    loss(*draw(32))
    restored = make(COUNTS)
    restored.load_state_dict(loss.state_dict())
    copies = [restored, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))]
    for _ in range(2):  # a step, then eval with what it left
        value = SameNoise(loss)(*draw(33))
        assert [torch.equal(SameNoise(other)(*draw(33)), value) for other in copies] == [True] * 3
        for each in (loss, *copies):
            each.eval()


class NoFloat64(TorchDispatchMode):
    """Fails where a device without float64 would."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            assert not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.float64, func
        return result


@every_loss
def test_runs_on_a_device_without_float64(make, monkeypatch):
    """As if the CPU were one of Apple's GPUs."""
    want = SameNoise(make(COUNTS))(*draw(34))
    monkeypatch.setattr(precision, "_WITHOUT_FLOAT64", {"cpu"})
    loss = make(COUNTS).to("cpu")
    loss.set_progress(0)
    with NoFloat64():
        value = SameNoise(loss)(*draw(34))
    torch.testing.assert_close(value, want)


class OnCuda(torch.Tensor):
    """A tensor of the CPU that takes the ways which are for a GPU."""

    is_cuda = True


class Deterministic(TorchDispatchMode):
    """Fails where a GPU would of which deterministic algorithms are asked."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        aten, name = torch.ops.aten, func.overloadpacket
        if name is aten.nll_loss2d_forward:
            assert args[3] == 0, "a sum or mean"
        if name is aten.cumsum:
            assert not args[0].is_floating_point()
        if name is aten.bincount:
            assert args[1:2] in ((), (None,), ([],)), "weights"
        assert name not in (aten.histc, aten.put_, aten.median, aten.grid_sampler_2d)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def without_kernels(monkeypatch):
    """Triton's kernels take no tensor of the CPU."""
    monkeypatch.setattr(sys.modules[class_nll.__module__], "_kernels_if_any", lambda: None)


@every_loss
def test_the_ways_for_a_gpu_lead_to_the_same(make, without_kernels):
    given, target = draw(35)
    modes = [(torch.float32, True), (torch.float32, False), (torch.bfloat16, True)]
    for dtype, train in modes:
        logits = given.to(dtype, memory_format=torch.channels_last)
        want = value_and_grad(SameNoise(make(COUNTS).train(train)), logits, target)
        with Deterministic():
            loss = SameNoise(make(COUNTS).train(train))
            got = value_and_grad(loss, logits.as_subclass(OnCuda), target)
        got = [each.as_subclass(torch.Tensor) for each in got]
        assert got[0].dtype == torch.float32
        torch.testing.assert_close(got[0], want[0])
        torch.testing.assert_close(got[1], want[1])


def test_there_is_no_second_derivative():
    logits, target = draw(35)
    logits.requires_grad_()
    (slope,) = torch.autograd.grad(RecallLoss(COUNTS)(logits, target), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivative"):
        slope.square().sum().backward()


@pytest.mark.parametrize("transform", [torch.func.jacfwd, torch.func.hessian])
def test_forward_mode_is_refused_in_a_line(transform):
    logits, target = draw(37)
    with pytest.raises(ValueError, match=r"^RecallLoss has its gradient in backward mode alone"):
        transform(RecallLoss(COUNTS))(logits, target)


@every_loss
def test_a_gpu_meets_no_label_that_is_no_class(make, without_kernels):
    """As an index it would end CUDA for the whole process. Nobody waits: the loss is NaN."""
    logits, target = draw(35)
    for label in (-1, 4, 254):
        target[0, 1, 2] = label
        loss = SameNoise(make(COUNTS))
        value, grad = value_and_grad(loss, logits.as_subclass(OnCuda), target.as_subclass(OnCuda))
        assert value.isnan(), label
        assert not grad.any(), label


@every_loss
def test_inputs_are_not_changed(make):
    logits, target = draw(25)
    copies = logits.clone(), target.clone()
    make(COUNTS)(logits, target)
    assert torch.equal(logits, copies[0])
    assert torch.equal(target, copies[1])


@every_loss
def test_progress_is_accepted(make):
    loss = make(COUNTS)
    for done in (0, 0.5, 1):
        assert loss.set_progress(done) is None
        assert loss(*draw(26)).isfinite()


@every_loss
def test_class_stats_have_one_entry_per_class(make):
    loss = make(COUNTS)
    for _ in range(2):  # before a step, and after
        for name, stat in loss.class_stats().items():
            assert isinstance(name, str)
            assert stat.shape == (4,)
            assert not stat.requires_grad
        loss(*draw(27))


@pytest.mark.parametrize("make", [m for m in LOSSES if not m.needs_images], ids=repr)
def test_class_counts_object(make):
    want = SameNoise(make.cls(COUNTS, **make.options))(*draw(28))
    for parts in ((), ([4, 3, 2, 1], [200, 150, 99, 50])):
        counts = ClassCounts(COUNTS, *parts)
        loss = make.cls(counts, **make.options)
        assert loss.num_classes == len(counts) == 4
        assert torch.equal(SameNoise(loss)(*draw(28)), want)


@every_loss
@pytest.mark.filterwarnings("ignore:class-balanced weights are all alike")
def test_counts_are_exact(make):
    """Cityscapes has more pixels of road than float32 or int32 can count."""
    counts = [2**24 + 1, 2**31 + 1]
    assert make(counts).class_pixels.tolist() == counts
    assert make(counts).class_pixels.dtype == torch.int64
    # facts of the data come from the data, also after a checkpoint of other data
    assert "class_pixels" not in make(counts).state_dict()


@pytest.mark.parametrize("name", ["images", "image_pixels"])
def test_class_counts_of_different_lengths(name):
    with pytest.raises(ValueError, match=f"`{name}` must have one entry per class .* 1 and 2"):
        ClassCounts(pixels=[1, 2], **{name: [1]})


def test_first_classes_of_class_counts():
    counts = ClassCounts(pixels=[5, 6, 7], images=[1, 2, 3])
    assert counts.first(2) == ClassCounts(pixels=[5, 6], images=[1, 2])


def packages_behind(*names):
    """These distributions and all that they require."""
    found, todo = {}, list(names)
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        found[name] = distribution(name)
        needed = [Requirement(line) for line in found[name].requires or ()]
        todo += [r.name for r in needed if not r.marker or r.marker.evaluate({"extra": ""})]
    return found.values()


@pytest.mark.slow  # tests/test_rooms.py reads the imports
def test_import_needs_torch_and_torchmetrics_only(tmp_path):
    """A loss can be taken into other code without this project's training stack."""
    (tmp_path / "lit_seg").symlink_to(Path(lit_seg.__file__).parent)
    for package in packages_behind("torch", "torchmetrics"):
        for top in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            if not (tmp_path / top).exists():
                (tmp_path / top).symlink_to(package.locate_file(top))
    script = f"import sys; sys.path.append({str(tmp_path)!r}); import lit_seg.losses as L; "
    use = "import torch; print(L.RecallLoss([1, 1])(torch.zeros(1, 2), torch.tensor([1])).item())"
    run = subprocess.run(  # -S: without the packages of this environment
        [sys.executable, "-I", "-S", "-c", script + use],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.stdout.strip() == "0.6931471824645996", run.stderr
