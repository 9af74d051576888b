"""Sums and counts per class on the CPU: the reference against PyTorch, the chunks against it."""

import pytest
import torch
import torch.nn.functional as F

from experiments.bench.measure import peak
from lit_seg.ops import chunked, class_nll, compiled, interpolation, upsampled_chunked
from lit_seg.ops.chunk_totals import Totals
from tests.ops.agreement import channels_last, check, draw

SHAPES = [(2, 19, 33, 17), (1, 2, 1, 1), (3, 1000, 5, 3), (5, 7), (2, 5, 9), (1, 3, 2, 3, 4)]
BACKENDS = ["reference", "chunked"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_cross_entropy_in_float64(shape, backend):
    logits, target = draw(shape, torch.double)
    target = target.clamp(min=-1).masked_fill(target >= shape[1], -1)  # cross-entropy has one void
    leaf, exact = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    found = class_nll(leaf, target, predictions=True, pixels=True, backend=backend)
    nll = F.cross_entropy(exact, target, ignore_index=-1, reduction="none")
    predicted = exact.argmax(1)
    for c in range(shape[1]):
        mine = target == c
        counts = [mine & (predicted == c), mine, (target >= 0) & (predicted == c)]
        assert found.counts[:, c].tolist() == [int(count.sum()) for count in counts]
        torch.testing.assert_close(found.sums[c], nll[mine].sum())
    torch.testing.assert_close(found.pixels, nll)
    weight = torch.rand(shape[1], dtype=torch.double)
    ((weight * found.sums).sum() + (found.pixels**2).sum()).backward()
    wanted = F.cross_entropy(exact, target, weight, ignore_index=-1, reduction="sum")
    (wanted + (nll**2).sum()).backward()
    torch.testing.assert_close(leaf.grad, exact.grad)


@pytest.mark.parametrize("dtype", [torch.float, torch.bfloat16, torch.half], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_chunks_equal_the_reference(shape, dtype, monkeypatch):
    # several chunks, the last of them smaller
    monkeypatch.setitem(chunked.CHUNK_BYTES, "cpu", max(2048, 28 * shape[1]))
    logits, target = draw(shape, dtype)
    check(logits, target, "chunked")
    check(channels_last(logits), target, "chunked")
    check(logits[..., ::2], target[..., ::2], "chunked") if len(shape) > 2 else None
    check(torch.zeros_like(logits), target, "chunked")
    check(logits, target, "chunked", margin=2)
    check(logits, torch.full_like(target, 255 if shape[1] < 255 else 65535), "chunked")


@pytest.mark.parametrize("dtype", [torch.float, torch.bfloat16, torch.double], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_compiled_equals_the_reference(shape, dtype, monkeypatch, not_compiled):
    monkeypatch.setattr(compiled, "PIXELS", 7)
    logits, target = draw(shape, dtype)
    check(logits, target, "compiled")
    check(channels_last(logits), target, "compiled", margin=2)
    check(torch.zeros_like(logits[:0]), target[:0], "compiled")
    check(logits, torch.full_like(target, 2**32 + 1), "compiled")


@pytest.mark.slow
def test_compiled_once_for_all_sizes(monkeypatch):
    monkeypatch.setattr(compiled, "LEAST_PIXELS", 0)
    torch._dynamo.utils.counters.clear()
    graphs, stats = set(), torch._dynamo.utils.counters["stats"]
    for size in ((9, 40), (9, 41), (400, 400), (30, 17), (64, 64), (5, 3)):
        logits, target = draw((2, 5, *size))
        check(logits, target, "compiled")
        graphs.add(stats["unique_graphs"])
    assert len(graphs) == 1
    assert graphs != {0}
    check(channels_last(logits), target, "compiled", margin=2)
    # inside of another compiled function, too
    loss = torch.compile(lambda x: class_nll(x, target, backend="compiled").sums.sum())
    leaf = logits.requires_grad_()
    assert loss(leaf) == class_nll(leaf, target, backend="compiled").sums.sum()
    torch._dynamo.utils.counters.clear()  # another test counts, too


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("shape", "full"), [((2, 3, 3, 5), (9, 17)), ((1, 3, 5, 5), (3, 2)), ((1, 3, 1, 4), (4, 16))]
)
def test_smaller_logits_are_upsampled(shape, full, align_corners, monkeypatch):
    # several bands, and chunks of one row and of several
    monkeypatch.setattr(interpolation, "LEAST_BAND", 4)
    monkeypatch.setattr(interpolation, "MOST_BAND", 4)
    monkeypatch.setattr(upsampled_chunked, "CHUNK_BYTES", 4 * 2 * shape[1] * full[1])
    for dtype in (torch.float, torch.bfloat16):
        logits, target = draw(shape, dtype, full=full)
        check(logits, target, "chunked", align_corners)
        check(channels_last(logits), target, "chunked", align_corners, margin=2)
    logits, target = draw(shape, torch.double, full=full)
    found = class_nll(logits, target, align_corners=align_corners)
    upsampled = F.interpolate(logits, full, mode="bilinear", align_corners=align_corners)
    torch.testing.assert_close(found.sums, class_nll(upsampled, target).sums)
    check(logits[:0], target[:0], "chunked", align_corners)
    # NaN reaches the pixels that have a part in it, and no others
    options = {"pixels": True, "align_corners": align_corners}
    clean = class_nll(logits, target, **options).pixels
    there = torch.zeros_like(logits[:, :1])
    logits[0, 0, 0, 0], there[0, 0, 0, 0] = torch.nan, 1
    found = class_nll(logits, target, **options).pixels
    part = F.interpolate(there, full, mode="bilinear", align_corners=align_corners)[:, 0] > 0
    wanted = clean.masked_fill(part & (target >= 0) & (target < shape[1]), torch.nan)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("scale", [30, 300, 1e30])
def test_small_logits_may_be_large(scale):
    logits, target = draw((2, 4, 3, 5), full=(9, 17))
    logits *= scale
    logits[:, 1] = torch.finfo(torch.float).min  # a class that is ruled out
    target[target == 1] = 255
    exact = logits.double().requires_grad_()
    options = {"predictions": True, "pixels": True}
    found = class_nll(logits.requires_grad_(), target, **options)
    wanted = class_nll(exact, target, backend="reference", **options)
    assert torch.equal(found.counts, wanted.counts)
    torch.testing.assert_close(found.pixels.double(), wanted.pixels, rtol=1e-5, atol=1e-6 * scale)
    weight = torch.tensor([1.0, 0.0, 2.0, 0.5])
    (weight * found.sums).sum().backward()
    (weight * wanted.sums).sum().backward()
    if scale < 1e30:  # else rounding decides between logits that are almost equal
        torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-3, atol=1e-3)
    assert logits.grad.isfinite().all()


def test_a_margin_below_0_helps_small_logits():
    logits, target = torch.randn(1, 3, 2, 2, requires_grad=True), torch.zeros(1, 4, 4).long()
    class_nll(logits, target, margin=torch.tensor([-200.0, 0, 0])).sums.sum().backward()
    assert logits.grad.abs().max() < 1e-37


def test_equal_small_logits_predict_the_lowest_class():
    logits, target = torch.zeros(1, 3, 2, 2), torch.arange(3).repeat(4, 4)[None]
    for values in (logits, logits - 100):
        found = class_nll(values, target, predictions=True)
        assert found.counts.tolist() == [[16, 0, 0], [16, 16, 16], [48, 0, 0]]
        assert torch.equal(class_nll(values, target).counts, found.counts[:2])


@pytest.mark.parametrize("chunk", [1, 5, 40])
@pytest.mark.parametrize("spread", [1, 60])
def test_equals_are_found_in_all_parts_of_small_logits(spread, chunk, monkeypatch):
    monkeypatch.setattr(upsampled_chunked, "CHUNK_BYTES", 4 * 5 * 40 * chunk)
    logits, target = draw((2, 5, 5, 5), full=(40, 40))
    logits = (logits * spread)[:, [0, 1, 1, 0, 1]]  # classes that are equal everywhere
    large = F.interpolate(logits, (40, 40), mode="bilinear")
    found = class_nll(logits, target, predictions=True)
    wanted = class_nll(large, target, predictions=True, backend="reference")
    assert torch.equal(found.counts, wanted.counts)
    assert torch.equal(class_nll(logits, target).counts, wanted.counts[:2])


def test_small_logits_have_all_digits():
    """Of pixels that are all but sure, and of those that are all but hopeless."""
    logits = torch.tensor([20.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    target = torch.tensor([0, 1]).repeat(4, 2).view(1, 4, 4)
    for values in (logits, 3 * logits - 30, 6 * logits - 60):
        exact = class_nll(values.double(), target, pixels=True, backend="reference")
        found = class_nll(values, target, pixels=True)
        torch.testing.assert_close(found.pixels.double(), exact.pixels, rtol=1e-6, atol=1e-16)
    margin = torch.rand(2)
    found = class_nll(logits.double(), target, margin, pixels=True)
    exact = class_nll(logits.double(), target, margin.double(), pixels=True, backend="reference")
    torch.testing.assert_close(found.pixels, exact.pixels, rtol=1e-12, atol=1e-15)


def test_ordinary_small_logits_take_the_short_way(monkeypatch):
    logits, target = draw((1, 3, 4, 4), full=(16, 16))
    wanted = class_nll(logits, target)
    monkeypatch.delattr(Totals, "find")
    assert torch.equal(class_nll(logits, target).sums, wanted.sums)
    with pytest.raises(AttributeError):
        class_nll(100 * logits, target)


@pytest.mark.parametrize("stride", [4, 8, 16])
@pytest.mark.parametrize("scale", [1, 0])  # at first a network may have equal logits everywhere
def test_small_logits_take_a_fifth_of_the_memory_of_large_ones(scale, stride):
    target = torch.randint(19, (2, 512, 512))
    logits = (scale * torch.randn(2, 19, 512 // stride, 512 // stride)).requires_grad_()

    def work():
        return torch.autograd.grad(class_nll(logits, target).sums.sum(), logits)

    work()
    assert peak(work, logits.device) < 0.2 * 4 * 19 * target.numel()


@pytest.mark.parametrize("sizes", [((0, 4), (4, 4)), ((4, 4), (0, 4))])
def test_nothing_is_no_size_to_interpolate(sizes):
    own, full = sizes
    with pytest.raises(ValueError, match=r"size above 0, got \(1, 2"):
        class_nll(torch.zeros(1, 2, *own), torch.zeros(1, *full, dtype=torch.long))


@pytest.mark.parametrize("backend", [*BACKENDS, "compiled"])
def test_void_pixels_may_hold_anything(backend, not_compiled):
    logits, target = draw((2, 4, 3, 5))
    target[0, 1] = 255
    clean = class_nll(logits, target, predictions=True, backend=backend)
    logits[0, :, 1, 0], logits[0, 1, 1, 1], logits[0, 2, 1, 2] = torch.nan, torch.inf, -torch.inf
    logits.requires_grad_()
    found = class_nll(logits, target, predictions=True, backend=backend)
    assert torch.equal(found.sums, clean.sums)
    assert torch.equal(found.counts, clean.counts)
    found.sums.sum().backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[0, :, 1].any()


@pytest.mark.parametrize("backend", ["chunked", "compiled"])
@pytest.mark.parametrize("full", [(6, 5), (12, 10)])
@pytest.mark.parametrize("dtype", [torch.float, torch.bfloat16], ids=str)
def test_logits_are_scaled_and_shifted(full, dtype, backend, monkeypatch, not_compiled):
    monkeypatch.setitem(chunked.CHUNK_BYTES, "cpu", 4 * 4 * 7)
    options = {"pixels": True, "backend": backend}
    logits, target = draw((2, 4, 6, 5), dtype, full=full)
    margin, shift = torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([-2.0, 0.0, 1.0, 0.5])
    leaf, exact = logits.clone().requires_grad_(), logits.double().requires_grad_()
    for scale, added in ((3.0, None), (1.0, shift), (0.5, shift)):
        found = class_nll(leaf, target, margin, scale=scale, shift=added, **options)
        moved = 0 if added is None else added.double().view(-1, 1, 1)
        wanted = class_nll(scale * exact + moved, target, margin, pixels=True, backend="reference")
        torch.testing.assert_close(found.sums, wanted.sums, rtol=1e-4, atol=1e-5)
        losses = (each.sums.sum() + (each.pixels**2).sum() for each in (found, wanted))
        near = (
            {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float else {"rtol": 1e-2, "atol": 1e-2}
        )
        gradients = (
            torch.autograd.grad(next(losses), leaf),
            torch.autograd.grad(next(losses), exact),
        )
        torch.testing.assert_close(gradients[0][0].double(), gradients[1][0], **near)


@pytest.mark.parametrize("backend", ["chunked", "compiled"])
def test_a_class_may_be_ruled_out(backend, not_compiled):
    """Logits of minus infinity, as a mask gives them."""
    logits, target = draw((1, 3, 4, 4))
    logits[:, 0] = -torch.inf
    check(logits, target.masked_fill(target == 0, 255), backend)


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last])
def test_no_image_is_no_sum(layout):
    logits, target = draw((1, 4, 6, 5))
    check(layout(logits)[:0], target[:0], "chunked")


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last])
def test_gradient_keeps_the_memory_format(layout):
    logits, target = draw((2, 4, 6, 5))
    logits = layout(logits).requires_grad_()
    class_nll(logits, target).sums.sum().backward()
    assert logits.grad.stride() == logits.stride()


def test_keeps_the_log_sum_exp_only():
    kept = []
    logits, target = draw((2, 4, 6, 5))
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each) or each, id):
        class_nll(logits.requires_grad_(), target)
    shapes = [each.shape for each in kept if each.data_ptr() != logits.data_ptr()]
    assert shapes == [target.shape, target.shape]  # the labels themselves, and the log-sum-exp


def test_half_precision_counts_and_sums_in_float32_under_autocast():
    logits, target = draw((1, 3, 200, 200), torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        check(logits, target, "chunked")


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiles_whole(backend):
    logits, target = draw((2, 4, 6, 5))

    def recall_loss(logits):
        sums, counts, _ = class_nll(logits, target)
        return ((1 - counts[0] / counts[1].clamp(min=1)) * sums).sum()

    grads = []
    compiled = torch.compile(recall_loss, backend=backend, fullgraph=True)
    assert compiled(logits) == recall_loss(logits)  # in validation no gradient is asked for
    for loss in (recall_loss, compiled):
        leaf = logits.clone().requires_grad_()
        loss(leaf).backward()
        grads.append(leaf.grad)
    assert torch.equal(*grads)


def test_operators_are_registered_rightly():
    logits, target = draw((2, 4, 6, 5))
    args = (
        channels_last(logits),
        target,
        torch.ones(4),
        True,
        True,
        False,
        "chunked",
    )
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.lit_seg.class_nll.default, args, test_utils=tests)
    larger = torch.zeros(2, 12, 10, dtype=torch.long)
    args = args[0], larger, None, False, False, True, "chunked"
    torch.library.opcheck(torch.ops.lit_seg.class_nll.default, args, test_utils=tests)


def test_refuses_what_does_not_fit():
    logits, target = draw((2, 4, 6, 5))
    with pytest.raises(ValueError, match=r"\(2, 4, 6, 5\) and \(2, 6\)"):
        class_nll(logits, target[..., 0])
    with pytest.raises(ValueError, match=r"\(2, 4, 6, 5\) and \(1, 6, 5\)"):
        class_nll(logits, target[:1])
    with pytest.raises(ValueError, match="int32"):
        class_nll(logits, target.int())
    with pytest.raises(ValueError, match="'cuda'"):
        class_nll(logits, target, backend="cuda")


@pytest.mark.parametrize("full", [(6, 5), (12, 10)])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"shift": torch.zeros(3)},
            r"`shift` .* 4 real numbers, one per class, on cpu, got \(3,\)",
        ),
        ({"shift": [0.0] * 4}, r"`shift` must be a tensor .* got list \[0.0"),
        ({"shift": torch.zeros(4, dtype=torch.bool)}, r"`shift` .* got \(4,\) torch.bool"),
        ({"shift": torch.zeros(4, device="meta")}, "`shift` .* on cpu, got .* on meta"),
        ({"margin": torch.zeros(4, 1)}, r"`margin` .* got \(4, 1\)"),
        ({"scale": torch.nan}, r"`scale` must be a number in \[1e-6, 1e6\], got nan"),
        ({"scale": torch.inf}, r"`scale` .* got inf"),
        ({"scale": 0}, r"`scale` .* got 0"),
    ],
    ids=str,
)
def test_refuses_numbers_of_classes_that_do_not_fit(options, message, full):
    logits, target = draw((2, 4, 6, 5), full=full)
    with pytest.raises(ValueError, match=message):
        class_nll(logits, target, **options)


@pytest.mark.parametrize(
    ("full", "backend"), [((6, 5), "chunked"), ((12, 10), "chunked"), ((6, 5), "compiled")]
)
@pytest.mark.parametrize(("offset", "spread"), [(1e4, 1), (1e6, 1), (1e7, 100), (1e8, 100)])
def test_what_all_logits_have_in_common_does_not_matter(
    offset, spread, full, backend, not_compiled
):
    logits, target = draw((2, 19, 6, 5), full=full)
    logits = (offset + spread * logits.double()).float()
    leaf, exact = logits.clone().requires_grad_(), logits.double()
    found = class_nll(leaf, target, backend=backend)
    wanted = class_nll(exact, target, backend="reference")
    torch.testing.assert_close(found.sums, wanted.sums, rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(found.sums.sum(), leaf)
    if full == (6, 5):
        assert gradient.abs().max() <= 1  # it is p or p - 1
        # the log-sum-exp that is kept has the digits of float32, as the docstring says
        leaf = exact.requires_grad_()
        wanted = torch.autograd.grad(class_nll(leaf, target, backend="reference").sums.sum(), leaf)
        assert (gradient - wanted[0]).abs().max() <= offset * 2**-23


@pytest.mark.parametrize("own", [-1e3, -1e5, -1e8, -torch.inf])
@pytest.mark.parametrize("how", ["logit", "shift", "margin"])
@pytest.mark.parametrize("backend", ["chunked", "compiled"])
def test_what_is_predicted_is_the_largest_logit_however_far_the_own_one_is(
    own, how, backend, not_compiled
):
    logits = torch.randn(1, 7, 40, 40, generator=torch.Generator().manual_seed(0))
    target, given = torch.zeros(1, 40, 40, dtype=torch.long), {}
    if how == "logit":
        logits[:, 0] = own
    else:
        first = torch.tensor([own, *[0.0] * 6])
        given = {"shift": first} if how == "shift" else {"margin": -first.clamp(min=-1e30)}
    found = class_nll(logits, target, predictions=True, backend=backend, **given).counts[2]
    others = logits[:, 1:].argmax(1) + 1
    assert found.tolist() == others.flatten().bincount(minlength=7).tolist()


@pytest.mark.parametrize("backend", ["chunked", "compiled"])
def test_a_scale_rounds_no_more_than_far_logits_do(backend, not_compiled):
    """As LDAM has it: the scale is no factor of what is rounded."""
    target = torch.randint(19, (2, 40, 40), generator=torch.Generator().manual_seed(0))
    logits = 60 * torch.rand(2, 19, 40, 40, generator=torch.Generator().manual_seed(1)) - 30
    leaf, exact = logits.clone().requires_grad_(), logits.double().requires_grad_()
    margin = torch.linspace(0, 10, 19, dtype=torch.double)
    class_nll(leaf, target, margin, scale=20.0, backend=backend).sums.sum().backward()
    class_nll(20 * exact, target, margin, backend="reference").sums.sum().backward()
    assert (leaf.grad - exact.grad).abs().max() < 4e-5 * exact.grad.abs().max()
