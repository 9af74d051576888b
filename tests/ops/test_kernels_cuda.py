"""The Triton kernels on a GPU: right, the same bits in every call, and never waiting."""

import pytest
import torch

from lit_seg.ops import class_nll
from tests.ops.agreement import channels_last, check, draw

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CASES = [  # few, as each combination of classes, dtype and layout is compiled
    ((2, 19, 33, 17), torch.float),
    ((2, 19, 33, 17), torch.bfloat16),
    ((2, 19, 64, 64), torch.bfloat16),  # reads are aligned
    ((2, 150, 31, 7), torch.float),
    ((5, 7), torch.half),
    ((1, 3, 2, 3, 4), torch.half),
]


@pytest.mark.parametrize("backend", ["triton", "chunked"])
@pytest.mark.parametrize(("shape", "dtype"), CASES, ids=str)
def test_equals_the_reference(shape, dtype, backend):
    logits, target = draw(shape, dtype, "cuda")
    check(logits, target, backend)
    check(channels_last(logits), target, backend)
    check(torch.zeros_like(logits), target, backend)
    check(logits, target, backend, margin=2)
    check(channels_last(logits), target, backend, margin=2)
    check(logits, torch.full_like(target, 65535), backend)


@pytest.mark.parametrize("align_corners", [False, True])
def test_smaller_logits_are_upsampled(align_corners):
    sizes = [((2, 19, 33, 17), (132, 130)), ((1, 19, 1, 40), (7, 160)), ((2, 19, 16, 16), (9, 8))]
    for shape, full in sizes:
        logits, target = draw(shape, device="cuda", full=full)
        check(logits, target, "triton", align_corners)
        check(channels_last(logits), target, "triton", align_corners)
    logits, target = draw((2, 19, 16, 16), torch.bfloat16, "cuda", full=(128, 128))
    check(logits, target, "triton", align_corners, margin=2)


@pytest.mark.parametrize("layout", [torch.Tensor.contiguous, channels_last])
@pytest.mark.parametrize("classes", [19, 150])
def test_void_pixels_may_hold_anything(classes, layout):
    logits, target = draw((2, classes, 33, 17), device="cuda")
    target[0, 1] = 65535
    clean = class_nll(layout(logits), target, predictions=True)
    logits[0, :, 1, 0], logits[0, 1, 1, 1], logits[0, 2, 1, 2] = torch.nan, torch.inf, -torch.inf
    leaf = layout(logits).requires_grad_()
    found = class_nll(leaf, target, predictions=True)
    assert torch.equal(found.sums, clean.sums)
    assert torch.equal(found.counts, clean.counts)
    found.sums.sum().backward()
    assert leaf.grad.isfinite().all()
    assert not leaf.grad[0, :, 1].any()


def test_a_class_may_be_ruled_out():
    logits, target = draw((2, 19, 33, 17), device="cuda")
    logits[:, 0] = -torch.inf
    target = target.masked_fill(target == 0, 255)
    check(logits, target, "triton")
    check(channels_last(logits), target, "triton")


def test_logits_beyond_2_to_the_31():
    """Offsets are wide: the last pixels of an image of 2.2 billion logits."""
    logits = torch.zeros(1, 1030, 1460, 1460, dtype=torch.bfloat16, device="cuda")
    target = torch.full((1, 1460, 1460), 65535, device="cuda")
    logits[0, 1029, -1, -1] = 1
    target[0, -1, -1] = 1029
    leaf = logits.requires_grad_()
    sums, counts, _ = class_nll(leaf, target)
    sums.sum().backward()
    assert counts.sum(1).tolist() == [1, 1]
    assert counts[:, 1029].tolist() == [1, 1]
    expected = torch.tensor([1.0] + [0.0] * 1029).logsumexp(0) - 1
    torch.testing.assert_close(sums[1029].cpu(), expected.double())
    assert leaf.grad[0, 1029, -1, -1] < 0
    assert leaf.grad[0, :, :-1].any().logical_not()


@pytest.mark.parametrize("backend", ["triton", "chunked"])
def test_no_call_waits_for_the_device(backend):
    logits, target = draw((2, 19, 64, 64), device="cuda")
    leaf = logits.requires_grad_()
    class_nll(leaf, target, backend=backend).sums.sum().backward()  # compiled
    torch.cuda.set_sync_debug_mode("error")
    try:
        class_nll(leaf, target, backend=backend).sums.sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_compiles_with_inductor():
    logits, target = draw((2, 19, 64, 64), torch.bfloat16, "cuda")

    def recall_loss(logits):
        sums, counts, _ = class_nll(logits.float() * 2, target)
        return ((1 - counts[0] / counts[1].clamp(min=1)) * sums).sum()

    grads = []
    for loss in (recall_loss, torch.compile(recall_loss, fullgraph=True)):
        leaf = logits.clone().requires_grad_()
        loss(leaf).backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(*grads)
