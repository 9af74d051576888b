"""NCCL with one process: what a machine with one GPU can show of several."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from timm.layers import convert_sync_batchnorm
from torch import nn

from lit_seg.losses import LovaszSoftmaxLoss, RecallLoss, SegLoss, SoftDiceLoss
from lit_seg.metrics import collectives
from lit_seg.models.build import build_network
from tests.gpu.training import differing, fit, last

pytestmark = pytest.mark.gpu


@pytest.fixture
def group(device: torch.device, tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone: NCCL on a GPU, gloo on a CPU."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("loss", [RecallLoss, SoftDiceLoss])
def test_ddp_trains_as_one_process_does(
    loss: type[SegLoss], device: torch.device, few_streets: None, tmp_path: Path
) -> None:
    fit(device, tmp_path / "alone", 3, loss, deterministic=True)
    fit(device, tmp_path / "ddp", 3, loss, deterministic=True, strategy="ddp")
    assert dist.get_backend() == ("nccl" if device.type == "cuda" else "gloo")
    assert differing(last(tmp_path / "alone"), last(tmp_path / "ddp")) == []


def test_what_ranks_exchange(
    group: None, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if there were more of them: integers, float64 and bool go through the backend."""
    monkeypatch.setattr(collectives, "world_size", lambda: 2)
    for values in (torch.tensor([2**40, 1]), torch.tensor([1.5], dtype=torch.float64)):
        there = values.to(device)
        total = collectives.sum_over_ranks(there)
        assert torch.equal(total.cpu(), values)
        assert total is not there
    flags = [torch.tensor([True, False], device=device), torch.tensor(7, device=device)]
    collectives.take_from_first_rank(flags)
    assert [flag.tolist() for flag in flags] == [[True, False], 7]
    monkeypatch.undo()
    monkeypatch.setattr(collectives, "world_size", dist.get_world_size)
    assert collectives.gather_over_ranks([("name", torch.ones(2))])[0][0] == "name"


@pytest.mark.parametrize("cls", [RecallLoss, SoftDiceLoss, LovaszSoftmaxLoss])
def test_losses_in_a_group_of_one(cls: type[SegLoss], group: None, device: torch.device) -> None:
    logits, target = torch.randn(2, 4, 8, 8, device=device), torch.zeros(2, 8, 8).long().to(device)
    value = cls([1] * 4).to(device)(logits, target)
    dist.destroy_process_group()
    torch.testing.assert_close(value, cls([1] * 4).to(device)(logits, target))
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [
        ("unet", "timm-mobilenetv3_small_minimal_100"),
        ("unet", "resnet18"),
        ("deeplabv3plus", "resnet18"),
    ],
)
def test_synced_batch_norm(
    architecture: str, encoder: str, device: torch.device, request: pytest.FixtureRequest
) -> None:
    """Converted networks give the same, forward and backward, in bfloat16 and channels_last."""
    if device.type == "cuda":  # on a CPU torch refuses them in a group
        request.getfixturevalue("group")
    torch.manual_seed(0)
    plain = build_network(architecture, encoder, 5, {}).to(device)
    for module in plain.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    synced = convert_sync_batchnorm(copy.deepcopy(plain))
    norms = [m for m in synced.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {isinstance(norm, nn.SyncBatchNorm) for norm in norms} == {True}
    assert synced.state_dict().keys() == plain.state_dict().keys()
    image = torch.randn(2, 3, 64, 96, device=device)
    outputs, gradients = [], []
    for network in (plain, synced):
        network.train().to(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = network(image.contiguous(memory_format=torch.channels_last))
        logits.float().square().mean().backward()
        outputs.append(logits.float())
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    torch.testing.assert_close(outputs[1], outputs[0], rtol=0.05, atol=0.05)
    assert gradients[1].isfinite().all()
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.99
