"""The device of these tests, and what they leave behind for the next one."""

import os
from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist

# what deterministic matrix products ask for, before the first of them
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The GPU; with ``LIT_SEG_TEST_DEVICE=cpu`` the same tests are tried on a CPU."""
    if os.environ.get("LIT_SEG_TEST_DEVICE") == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("no GPU: `CUDA_VISIBLE_DEVICES=0 pytest -m gpu tests/gpu` runs this on one")
    return torch.device("cuda")


@pytest.fixture
def cuda(device: torch.device) -> torch.device:
    """The GPU, where a test is about something that only a GPU has."""
    if device.type != "cuda":
        pytest.skip("a CPU has nothing of the kind")
    return device


@pytest.fixture(autouse=True)
def _plain_torch() -> Iterator[None]:
    """Settings of the whole process, which a trainer makes, end with the test."""
    yield
    torch.use_deterministic_algorithms(False)
    if dist.is_initialized():
        dist.destroy_process_group()
