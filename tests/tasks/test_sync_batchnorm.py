"""Batch statistics over all GPUs: which layers are exchanged, and that nothing else changes.

No GPU is needed: the conversion asks the trainer for its ranks and the module for its device.
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from lit_seg.tasks import LitSegmenter
from tests.distributed import run_on_ranks

ENCODERS = ["resnet18", "timm-mobilenetv3_small_minimal_100"]  # timm's layers hold activations


def set_up(encoder: str, ranks: int, device: str, **options: Any) -> LitSegmenter:
    torch.manual_seed(0)
    decoder = {"decoder_channels": [8, 8, 8, 8, 8]}
    module = LitSegmenter([1, 1, 1], encoder=encoder, options=decoder, **options)
    module._trainer = SimpleNamespace(world_size=ranks)  # type: ignore[assignment]
    module._device = torch.device(device)  # as Lightning says it before it moves the module
    module.setup("fit")
    return module.eval()


def norms(module: LitSegmenter) -> set[bool]:
    """Whether batch norms are synced; both, if some are."""
    layers = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return {isinstance(layer, nn.SyncBatchNorm) for layer in layers}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_several_gpus_share_their_batch_statistics_and_nothing_else_changes(encoder: str) -> None:
    one, several = set_up(encoder, 1, "cuda:0"), set_up(encoder, 2, "cuda:0")
    assert norms(one) == {False}
    assert norms(several) == {True}
    image = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(several(image), one(image))
    assert several.state_dict().keys() == one.state_dict().keys()  # checkpoints fit both


def test_it_can_be_switched_off_and_cpus_have_none() -> None:
    assert norms(set_up("resnet18", 2, "cuda:0", sync_batchnorm=False)) == {False}
    assert norms(set_up("resnet18", 2, "cpu")) == {False}


def scored_statistics(rank: int) -> list[float]:
    """The batch statistics of a rank at the start of a validation, where they were its number."""
    module = set_up("resnet18", 2, "cpu")
    for buffer in module.network.buffers():
        buffer.fill_(rank)
    module.on_validation_epoch_start()
    return sorted(
        {float(value) for buffer in module.network.buffers() for value in buffer.view(-1)}
    )


def test_without_it_all_ranks_score_what_the_checkpoint_holds() -> None:
    """A validation that is held again gives the same, whatever statistics other ranks had."""
    assert run_on_ranks(scored_statistics) == [[0.0], [0.0]]
