"""The Triton kernels on the CPU, by Triton's interpreter, on logits of a few pixels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("cases", ["few", pytest.param("all", marks=pytest.mark.slow)])
def test_kernels_equal_the_reference(cases):
    """In a process of its own, since Triton reads the variable when it is imported."""
    # the interpreter of older ones fails with the NumPy of today
    pytest.importorskip("triton", minversion="3.7")
    env = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-W", "ignore", __file__, cases]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def few() -> None:
    import torch

    from tests.ops.agreement import channels_last, check, draw

    # two blocks to an image, one of them in part
    check(*draw((1, 2, 2, 70), torch.bfloat16), "triton", margin=2)
    # many classes that lie side by side are not read one by one
    logits, target = draw((1, 65, 1, 2))
    check(channels_last(logits), target, "triton", margin=2)
    small, labels = draw((1, 2, 2, 3), full=(3, 7))
    check(small, labels, "triton", align_corners=True, margin=2)
    logits, target = draw((1, 3, 3, 5))
    check(channels_last(logits), target, "triton")
    logits[0, 1, 0, 1] = torch.nan
    target[0, 0, 1] = -1
    check_finite(logits, target)
    check_finite(channels_last(logits), target)


def all_but_few() -> None:
    import torch

    from tests.ops.agreement import channels_last, check, draw

    for shape in ((2, 3, 5, 45), (2, 2, 1, 1), (5, 7), (1, 3, 2, 3, 4), (1, 65, 2, 2)):
        logits, target = draw(shape)
        check(logits, target, "triton", margin=2)
        check(channels_last(logits), target, "triton", margin=2)
        check(logits, target, "triton")
    check(logits, torch.full_like(target, 255), "triton")
    check(logits[:0], target[:0], "triton")
    logits, target = draw((1, 3, 3, 5), torch.half)
    check(logits, target, "triton")
    logits[:, 0] = -torch.inf  # a class that is ruled out
    check(logits, target.masked_fill(target == 0, 255), "triton")
    for shape, full in (((1, 3, 2, 3), (4, 9)), ((1, 2, 1, 1), (2, 2)), ((1, 2, 3, 4), (2, 2))):
        for align_corners in (False, True):
            small, labels = draw(shape, full=full)
            check(small, labels, "triton", align_corners)
            check(channels_last(small), labels, "triton", align_corners)


def check_finite(logits, target) -> None:
    from lit_seg.ops import class_nll

    leaf = logits.detach().requires_grad_()
    sums = class_nll(leaf, target, backend="triton").sums
    sums.sum().backward()
    assert sums.isfinite().all()
    assert leaf.grad.isfinite().all()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    few() if sys.argv[1] == "few" else all_but_few()
