"""Two hosts, each in a network namespace of its own with one cable between them, train as one.

`torchrun` runs on both, as it does on the nodes of a cluster; all that they share is the disk.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.test_lost_ranks import GRACE, MARGIN, TIMEOUT, processes
from tests.test_ranks import SCRIPT, alone, arguments, at_the_end

__all__ = ["alone"]  # the fixture: the same run on one host, in one process
pytestmark = pytest.mark.slow
ADDRESSES = ("10.231.7.1", "10.231.7.2")  # in the namespaces only
PORT = 29400


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """The names of two namespaces, ``ip netns exec`` runs programs in them."""
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip` program to make network namespaces with")
    tag = uuid.uuid4().hex[:6]
    names = [f"litseg-{tag}-{i}" for i in range(2)]
    cables = [f"ls{tag}{i}" for i in range(2)]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
        for name, cable, address in zip(names, cables, ADDRESSES, strict=True):
            ip("link", "set", cable, "netns", name)
            ip("-n", name, "link", "set", cable, "name", "cable0")
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable0")
            for device in ("lo", "cable0"):
                ip("-n", name, "link", "set", device, "up")
    except subprocess.CalledProcessError as error:
        remove(names, cables)
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
    yield names
    remove(names, cables)


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True, text=True)


def remove(names: list[str], cables: list[str]) -> None:
    for name in names:  # with the end of the cable that is in it
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)
    subprocess.run(["ip", "link", "delete", cables[0]], capture_output=True)


def start(host: str, node: int, folder: Path, *more: str) -> subprocess.Popen[str]:
    """What a node runs: `torchrun`, and under it one rank."""
    return subprocess.Popen(
        [
            *("ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run"),
            *("--nnodes", "2", "--nproc_per_node", "1", "--node_rank", str(node)),
            *("--master_addr", ADDRESSES[0], "--master_port", str(PORT)),
            *(str(SCRIPT), *arguments(folder, "recall", ranks=2)),
            *("--trainer.devices", "1", "--trainer.num_nodes", "2", *more),
        ],
        env={
            **os.environ,
            "WANDB_MODE": "disabled",
            "GLOO_SOCKET_IFNAME": "cable0",
            "RECALL_FOLDER": str(folder),
        },
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_hosts_equal_one(hosts: list[str], alone: dict[str, Path], tmp_path: Path) -> None:
    nodes = [start(host, node, tmp_path) for node, host in enumerate(hosts)]
    try:
        outputs = [node.communicate(timeout=300)[1] for node in nodes]
    finally:
        end(tmp_path)
    assert [node.returncode for node in nodes] == [0, 0], outputs
    one = alone["recall"]
    assert (tmp_path / "run/classes.csv").read_bytes() == (one / "run/classes.csv").read_bytes()
    weights = at_the_end(tmp_path)
    for name, weight in at_the_end(one).items():
        torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-9, equal_nan=True)
    scored = [torch.load(tmp_path / f"rank{rank}.pt")["confusion"] for rank in range(2)]
    expected = torch.load(one / "rank0.pt")["confusion"]
    assert torch.equal(scored[0], expected)
    assert torch.equal(scored[1], expected)


def test_a_host_that_cannot_be_reached_ends_the_job(hosts: list[str], tmp_path: Path) -> None:
    """No connection is closed here, as none is when a machine loses its power."""
    options = ["--rank_timeout", str(TIMEOUT), "--trainer.max_epochs", "10000"]
    nodes = [start(host, node, tmp_path, *options) for node, host in enumerate(hosts)]
    try:
        deadline = time.monotonic() + 300
        while not (tmp_path / "run/checkpoints/last.ckpt").exists():
            assert time.monotonic() < deadline
            assert all(node.poll() is None for node in nodes)
            time.sleep(0.1)
        ip("-n", hosts[1], "link", "set", "cable0", "down")
        cut = time.monotonic()
        for rank, node in enumerate(nodes):
            errors = node.communicate(timeout=120)[1]
            assert node.returncode not in (0, None)
            assert f"error: rank {rank} of 2 lost another rank" in errors
        assert time.monotonic() - cut < TIMEOUT + GRACE + MARGIN
        assert not processes(tmp_path)
    finally:
        end(tmp_path)


def end(folder: Path) -> None:
    for pid in processes(folder):
        os.kill(pid, signal.SIGKILL)
