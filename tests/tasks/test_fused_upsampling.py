"""Training, validation and prediction with and without the fused upsampling give the same."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.optim import SGD

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.losses import (
    BLVLoss,
    CrossEntropyLoss,
    FocalLoss,
    LossFactory,
    RecallLoss,
    SeesawLoss,
    SoftDiceLoss,
)
from lit_seg.losses.deferred import DeferredReweightingLoss
from lit_seg.losses.weighted_sum import WeightedSumLoss
from lit_seg.tasks import LitSegmenter
from tests.tasks.test_segmentation import batches, loader, trainer

DEEPLAB: dict[str, Any] = {
    "architecture": "deeplabv3plus",
    "encoder": "timm-mobilenetv3_small_minimal_100",
    "options": {"decoder_channels": 16},
}


class Curve(Callback):
    """Keeps the losses of the steps, and the sizes of what the loss was given."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.sizes: set[tuple[int, ...]] = set()

    def on_train_start(self, _: Any, module: LitSegmenter) -> None:  # type: ignore[override]
        module.loss.register_forward_pre_hook(self._look)

    def _look(self, _: nn.Module, inputs: tuple[Tensor, Tensor]) -> None:
        self.sizes |= {tuple(each.shape) for each in inputs}

    def on_train_batch_end(self, _: Any, __: Any, outputs: Any, *___: Any) -> None:
        self.losses.append(outputs["loss"].item())


def trained(
    folder: Path,
    loss: LossFactory,
    fused: bool,
    steps: int,
    precision: Any = "32-true",
    **network: Any,
) -> tuple[Curve, LitSegmenter, dict[str, float]]:
    torch.manual_seed(0)
    optimizer = partial(SGD, lr=0.1)
    module = LitSegmenter(
        [4, 2, 1], loss=loss, optimizer=optimizer, fused_upsampling=fused, **network
    )
    curve = Curve()
    fit = trainer(
        folder,
        precision=precision,
        max_steps=steps,
        num_sanity_val_steps=0,
        callbacks=[ClassDynamics(2), curve],
    )
    fit.fit(module, loader(batches(steps, 3)), loader(batches(2, 3)))
    return curve, module, {key: value.item() for key, value in fit.callback_metrics.items()}


both = partial(WeightedSumLoss, losses=[CrossEntropyLoss, SoftDiceLoss])


@pytest.mark.parametrize("loss", [RecallLoss, CrossEntropyLoss, FocalLoss, both])
def test_the_curve_is_the_same(loss: LossFactory, tmp_path: Path) -> None:
    """Of images that the network sees padded, 40x50 as 48x64.

    After more steps its batch norm of two values, those of the pooled images, blows rounding up.
    """
    (with_it, module, scores), (without, other, expected) = (
        trained(tmp_path, loss, fused, 2, **DEEPLAB) for fused in (True, False)
    )
    assert with_it.sizes >= {(2, 3, 12, 16), (2, 48, 64)}
    # of a loss that hands out nothing, `ClassDynamics` looks at logits of full size
    assert ((2, 3, 48, 64) in with_it.sizes) == (loss is both)
    assert without.sizes == {(2, 3, 40, 50), (2, 40, 50)}
    assert with_it.losses == pytest.approx(without.losses, rel=1e-5)
    assert scores == pytest.approx(expected, rel=2e-4, nan_ok=True)
    assert module.state_dict().keys() == other.state_dict().keys()
    (batch,) = batches(1, 3)
    with torch.no_grad():
        # of one module: the weights of two differ in their last digits
        labels = module.eval().predict_step(batch, 0)
        module.fused_upsampling = False
        assert (labels == module.predict_step(batch, 0)).float().mean() > 0.999


@pytest.mark.parametrize(
    ("loss", "size"), [(BLVLoss, (40, 50)), (SeesawLoss, (40, 50)), (RecallLoss, (12, 16))]
)
def test_what_is_upsampled_at_once_has_no_padding(loss: LossFactory, size: tuple[int, int]) -> None:
    """Such as the noise of BLV, which would be drawn for it."""
    module = LitSegmenter([4, 2, 1], loss=loss, **DEEPLAB)
    (batch,) = batches(1, 3)
    with torch.autocast("cpu", torch.bfloat16):
        logits = module.logits(batch["image"])
    by = module.loss.void, module.loss.upsampling
    given, target = logits.for_loss(batch["target"], *by)
    assert given.shape == (2, 3, *size)
    assert given.dtype == (torch.bfloat16 if loss is RecallLoss else torch.float)
    module.loss(given, target).backward()


@pytest.mark.slow
def test_the_curve_of_the_recall_paper_is_the_same(tmp_path: Path) -> None:
    """In float64: its batch norm of two values blows the rounding of one step up."""
    runs = (
        trained(tmp_path, RecallLoss, on, 2, "64-true", architecture="recall_paper")
        for on in (True, False)
    )
    (with_it, *_), (without, *_) = runs
    assert (2, 3, 10, 13) in with_it.sizes
    assert with_it.losses == pytest.approx(without.losses, rel=1e-10)


@pytest.mark.slow
def test_a_compiled_network_has_no_graph_for_logits_of_full_size(tmp_path: Path) -> None:
    torch._dynamo.reset()
    module = LitSegmenter([1, 1, 1], compile="eager", **DEEPLAB)
    trainer(tmp_path, max_steps=2, num_sanity_val_steps=0).fit(
        module, loader(batches(2, 3)), loader(batches(1, 3))
    )
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2  # training and validation
    assert not torch._dynamo.utils.counters["graph_break"]


def test_the_backend_reaches_the_parts_of_a_loss() -> None:
    """One that does not exist is refused where it arrives."""
    with pytest.raises(ValueError, match="`loss_backend` must be 'auto' or 'compiled', got 'c'"):
        LitSegmenter([4, 2], loss_backend="c")  # type: ignore[arg-type]
    for loss in (both, RecallLoss, DeferredReweightingLoss, SeesawLoss):
        part = partial(loss, loss=FocalLoss) if loss is DeferredReweightingLoss else loss
        made = part([4, 2])
        made.backend = "nowhere"
        with pytest.raises(ValueError, match="'nowhere'"):
            made(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long))
