"""The Triton kernels on the CPU, by Triton's interpreter, on logits of a few pixels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHAPES = [
    (2, 3, 2, 70),  # more than one block to an image, the last one in part
    (2, 2, 1, 1),
    (5, 7),
    (1, 3, 2, 3, 4),
    (1, 70, 2, 3),  # too many classes to be read one by one with channels last
]


def test_kernels_equal_the_reference():
    """In a process of its own, since Triton reads the variable when it is imported."""
    # the interpreter of older ones fails with the NumPy of today
    pytest.importorskip("triton", minversion="3.7")
    env = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-W", "ignore", __file__]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def main() -> None:
    import torch

    from tests.ops.agreement import channels_last, check, draw

    for shape in SHAPES:
        logits, target = draw(shape)
        check(logits, target, "triton")
        check(channels_last(logits), target, "triton")
    check(logits, torch.full_like(target, 255), "triton")
    check(logits[:0], target[:0], "triton")
    logits[:, 0] = -torch.inf  # a class that is ruled out
    check(logits, target.masked_fill(target == 0, 255), "triton")
    for dtype in (torch.half, torch.bfloat16):
        logits, target = draw((1, 3, 3, 5), dtype)
        check(logits, target, "triton")
        check(channels_last(logits), target, "triton")
    logits[0, 1, 0, 1] = torch.nan
    target[0, 0, 1] = -1
    check_finite(logits, target)
    check_finite(channels_last(logits), target)


def check_finite(logits, target) -> None:
    from lit_seg.ops import class_nll

    leaf = logits.detach().requires_grad_()
    sums = class_nll(leaf, target, backend="triton").sums
    sums.sum().backward()
    assert sums.isfinite().all()
    assert leaf.grad.isfinite().all()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
