"""Losses that are -log p times a factor, against autograd of their formula in float64."""

import pytest
import torch
import torch.nn.functional as F

from lit_seg.ops import ModulatedPixels, Modulation, chunked, class_nll, compiled, modulates
from tests.ops.agreement import channels_last, draw

MODULATIONS = [
    Modulation(),
    Modulation(power=2.0),
    Modulation(power=0.5, by_image=True),
    Modulation(rate=0.7, offset=-0.2),
    Modulation(rate=-3.0, constant=True, by_image=True),
    Modulation(power=1.5, rate=2.0),
]
SHAPES = [((2, 19, 33, 17), None), ((5, 7), None), ((2, 3, 4, 5), (9, 17))]


def slowly(logits, target, modulation, margin=None):
    """``(N, C)`` sums of the losses, one image and class at a time."""
    if logits.shape[2:] != target.shape[1:]:
        logits = F.interpolate(logits, target.shape[1:], mode="bilinear")
    images, num_classes = logits.shape[:2]
    sums = torch.zeros(images, num_classes, dtype=torch.double)
    for n in range(images):
        for c in range(num_classes):
            own = logits[n].movedim(0, -1)[target[n] == c]
            if margin is not None:
                own = own - margin[c] * F.one_hot(torch.tensor(c), num_classes)
            p = own.softmax(-1)[:, c]
            q = 1 - p
            factor = q**modulation.power * (modulation.rate * q + modulation.offset).exp()
            factor = factor.detach() if modulation.constant else factor
            sums[n, c] = (factor * -p.log()).sum()
    return sums if modulation.by_image else sums.sum(0)


@pytest.mark.parametrize("modulation", MODULATIONS, ids=str)
@pytest.mark.parametrize(
    ("shape", "full", "backend"),
    [*((*sizes, "auto") for sizes in SHAPES), (*SHAPES[0], "compiled")],
    ids=str,
)
def test_equals_the_formula(shape, full, backend, modulation, monkeypatch, not_compiled):
    # chunks of several images, and of parts of one
    monkeypatch.setitem(chunked.CHUNK_BYTES, "cpu", 4 * shape[1] * (100 if full is None else 34))
    monkeypatch.setattr(compiled, "PIXELS", 100)
    logits, target = draw(shape, full=full)
    margin = torch.linspace(0, 1, shape[1], dtype=torch.double)
    for layout, lower in ((torch.Tensor.contiguous, None), (channels_last, margin)):
        leaf = layout(logits).requires_grad_()
        exact = logits.double().requires_grad_()
        found = class_nll(leaf, target, lower, modulation=modulation, backend=backend)
        wanted = slowly(exact, target, modulation, lower)
        near = {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(found.sums, wanted, **near)
        plain = class_nll(leaf, target, lower, pixels=True)
        counts = found.counts.sum(1) if modulation.by_image else found.counts
        assert torch.equal(counts, plain.counts)
        weight = torch.rand(wanted.shape, dtype=torch.double)
        (gradient,) = torch.autograd.grad(found.total(weight), leaf)
        (right,) = torch.autograd.grad((weight * wanted).sum(), exact)
        torch.testing.assert_close(gradient.double(), right, **near)
        # where the pass takes no modulation, the pixels of the same one do
        pixels = ModulatedPixels(modulation.losses(plain.pixels), target, plain.counts)
        torch.testing.assert_close(pixels.total(weight).double(), found.total(weight), **near)
        torch.testing.assert_close(pixels.total(None).double(), found.total(None), **near)
        if modulation.by_image:
            assert torch.equal(pixels.support, found.support)
        (gradient,) = torch.autograd.grad(pixels.total(weight), leaf)
        torch.testing.assert_close(gradient.double(), right, **near)


@pytest.mark.parametrize("modulation", MODULATIONS, ids=str)
def test_sure_and_hopeless_pixels_have_all_digits(modulation):
    nll = torch.tensor([1e-30, 1e-12, 1e-7, 3e-4, 0.5, 90, 104, 999])
    exact = nll.double().requires_grad_()
    missing = -torch.expm1(-exact)
    factor = missing**modulation.power * (modulation.rate * missing + modulation.offset).exp()
    wanted = (factor.detach() if modulation.constant else factor) * exact
    (slope,) = torch.autograd.grad(wanted.sum(), exact)
    found = modulation.losses_and_slopes(nll)
    for number, right in zip(found, (wanted, slope), strict=True):  # but those below float32
        torch.testing.assert_close(number.double(), right.detach(), rtol=2e-6, atol=1e-37)
    # where nothing or everything is missing, the slope is a number still
    losses, slopes = modulation.losses_and_slopes(torch.tensor([0.0, 1e5, torch.inf]))
    assert losses[0] == 0
    assert slopes.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("form", [{"power": 2.0}, {"rate": 0.05, "by_image": True}], ids=str)
def test_compiled_once_for_all_numbers_and_to_all_digits(form, monkeypatch):
    monkeypatch.setattr(compiled, "LEAST_PIXELS", 0)
    torch._dynamo.utils.counters.clear()
    stats = torch._dynamo.utils.counters["stats"]
    logits, target = draw((2, 19, 33, 17))
    # pixels that are as good as certain: 1 - p is near 1e-5
    logits = 15 * F.one_hot(target.clamp(0, 18), 19).movedim(-1, 1) + logits / 10
    graphs = set()
    for times in (1, 0.5, 3):
        (name, number), *other = form.items()
        modulation = Modulation(**{name: times * number}, **dict(other))
        for side in (33, 20):
            x, label = logits[:, :, :side].contiguous(), target[:, :side].contiguous()
            leaf, exact = x.clone().requires_grad_(), x.double().requires_grad_()
            found = class_nll(leaf, label, modulation=modulation, backend="compiled")
            wanted = slowly(exact, label, modulation)
            torch.testing.assert_close(found.sums, wanted, rtol=1e-5, atol=0)
            (gradient,) = torch.autograd.grad(found.sums.sum(), leaf)
            (right,) = torch.autograd.grad(wanted.sum(), exact)
            torch.testing.assert_close(gradient.double(), right, rtol=1e-4, atol=1e-6)
            graphs.add(stats["unique_graphs"])
    assert len(graphs) == 1
    assert graphs != {0}
    torch._dynamo.utils.counters.clear()  # another test counts, too


@pytest.mark.parametrize("full", [(3, 5), (6, 10)])
def test_void_pixels_may_hold_anything(full):
    logits, target = draw((2, 4, 3, 5), full=full)
    target[0] = 255
    modulation = Modulation(power=2.0, rate=1.0)
    clean = class_nll(logits, target, modulation=modulation)
    logits[0, 1, 1, 0], logits[0, :, 2, 0], logits[0, 1, 1, 3] = torch.nan, torch.inf, -torch.inf
    found = class_nll(logits.requires_grad_(), target, modulation=modulation)
    assert torch.equal(found.sums, clean.sums)
    found.sums.sum().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[0].any()


def test_keeps_two_numbers_of_a_pixel():
    kept = []
    logits, target = draw((2, 4, 6, 5))
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each) or each, id):
        class_nll(logits.requires_grad_(), target, modulation=Modulation(power=2.0))
    kept = [each for each in kept if each is not None and each.data_ptr() != logits.data_ptr()]
    assert [each.shape for each in kept] == [target.shape] * 3  # one is the labels themselves


def test_the_operator_is_registered_rightly():
    logits, target = draw((2, 4, 6, 5))
    args = logits, target, None, True, False, False, "chunked", [2.0, 0.0, 0.0, 0.0, 1.0]
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.lit_seg.class_nll.default, args, test_utils=tests)


def test_refuses_where_there_is_none():
    logits, target = draw((2, 4, 6, 5))
    for options in ({"backend": "reference"}, {"pixels": True}):
        with pytest.raises(ValueError, match=r"`modulation` goes with .* got cpu") as e:
            class_nll(logits, target, modulation=Modulation(), **options)
        assert str(options.get("backend", "pixels True")) in str(e.value)
    assert modulates(logits, target, "compiled")


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"power": "2"}, "`power` must be a number, got '2'"),
        ({"power": -1}, "`power` must be from 0 to 1e6, got -1"),
        ({"power": 1e37}, r"`power` must be from 0 to 1e6, got 1e\+37"),
        ({"rate": float("nan")}, "got 0.0 and nan"),
        ({"rate": -float("inf")}, "got 0.0 and -inf"),
        (
            {"rate": 70, "offset": 20},
            "`rate [+] offset` must be .* at most 80.*got 20 and 70 [+] 20",
        ),
    ],
    ids=str,
)
def test_refuses_numbers_beyond_which_there_is_no_factor(numbers, message):
    with pytest.raises(ValueError, match=message):
        Modulation(**numbers)
