"""Images are scored by the options of an evaluation, and by default as a training validates."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.data import Streets
from lit_seg.data.dataset import Sample
from lit_seg.images.data_format import DataFormat
from lit_seg.inference.views import Views
from lit_seg.metrics.boundary import boundary_counts
from lit_seg.metrics.labels import VOID
from lit_seg.tasks import LitSegmenter
from lit_seg.tasks.scoring import TAUS, Scoring

PIXELS = [900, 90, 10]
CONTENT = {(40, 60): (16, 24), (44, 33): (16, 12)}
"""Sizes of labels, and of their images' content in 16 x 24."""


NETWORKS = {
    "unet": {"encoder_depth": 3, "decoder_channels": [8, 8, 8]},
    # its logits are upsampled while they are scored, of an image that it sees padded
    "upernet": {"decoder_channels": 8},
}


@pytest.fixture(scope="module", params=NETWORKS)
def module(request: pytest.FixtureRequest) -> LitSegmenter:
    torch.manual_seed(0)
    data_format = DataFormat("x", [(0, 0, 0)] * 3, [0, 1, 2], 16, 24, "pad")
    module = LitSegmenter(
        PIXELS,
        architecture=request.param,
        encoder="tu-test_byobnet",
        options=NETWORKS[request.param],
        data_format=data_format,
    )
    return module.eval()


def batch_of(size: tuple[int, int], number: int = 1) -> Sample:
    random = torch.Generator().manual_seed(size[0])
    target = torch.randint(0, 3, (number, *size), generator=random)
    target[:, :2] = VOID
    image = torch.randint(0, 256, (number, 3, 16, 24), generator=random, dtype=torch.uint8)
    return {"image": image, "target": target, "name": [str(size)] * number}  # type: ignore[typeddict-item]


def confusion_of(labels: Tensor, target: Tensor) -> Tensor:
    pairs = [(labels == b) & (target == a) for a in range(3) for b in range(3)]
    return torch.stack([pair.sum() for pair in pairs]).view(3, 3)


def test_by_default_the_logits_of_the_network_are_scored(module: LitSegmenter) -> None:
    module.score_by(Scoring())
    batch = batch_of((16, 24), 2)
    module.validation_step(batch, 0)
    scores, values = module.evaluation.compute("val")
    with torch.no_grad():
        logits = module(batch["image"])
    assert torch.equal(scores.confusion, confusion_of(logits.argmax(1), batch["target"]))
    expected = F.cross_entropy(logits, batch["target"], ignore_index=VOID)
    assert values["ce"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert module.evaluation.boundary_counts() is None


def test_labels_of_any_size_are_scored_as_they_are(module: LitSegmenter) -> None:
    views = Views(flip=True)
    module.score_by(Scoring(views, True, tau=0.5, tau_sweep=True, boundary_iou=True))
    expected = torch.zeros(len(TAUS), 3, 3, dtype=torch.long)
    near = np.zeros((3, 3), np.int64)
    prior = (torch.tensor(PIXELS) / 1000).log().view(1, 3, 1, 1)
    for size, (height, width) in CONTENT.items():
        batch = batch_of(size)
        module.validation_step(batch, 0)
        with torch.no_grad():
            two = module(batch["image"]), module(batch["image"].flip(-1)).flip(-1)
        cut = (logits[:, :, :height, :width] for logits in two)
        large = [F.interpolate(logits, size=size, mode="bilinear").softmax(1) for logits in cut]
        for i, tau in enumerate(TAUS):
            labels = ((large[0] + large[1]).div(2).log() - tau * prior).argmax(1)
            expected[i] += confusion_of(labels, batch["target"])
            if tau == 0.5:
                near += boundary_counts(labels[0].numpy(), batch["target"][0].numpy(), 3)
    scores, _ = module.evaluation.compute("val")
    # of equal scores, rounding decides
    assert (module.evaluation.confusion_of_taus() - expected).abs().sum() <= 4
    assert torch.equal(scores.confusion, module.evaluation.confusion_of_taus()[TAUS.index(0.5)])
    found = module.evaluation.boundary_counts()
    assert found is not None
    assert np.abs(found.numpy() - near).sum() <= 100
    assert set(module.evaluation.counts_per_image()) == {str(size) for size in CONTENT}
    module.evaluation.reset()
    assert not any(each.confusion.any() for each in module.evaluation.of_taus)
    assert not module.evaluation.boundary_counts().any()  # type: ignore[union-attr]


@pytest.mark.parametrize("size", CONTENT)
def test_logits_of_one_view_are_resized_to_the_labels(
    module: LitSegmenter, size: tuple[int, int]
) -> None:
    module.score_by(Scoring(original_size=True))
    batch, (height, width) = batch_of(size), CONTENT[size]
    with torch.no_grad():
        part = module(batch["image"])[:, :, :height, :width].contiguous()
    logits = F.interpolate(part, size=size, mode="bilinear")
    assert (module.predict_step(batch, 0) == logits.argmax(1)).float().mean() > 0.999
    module.validation_step(batch, 0)
    _, values = module.evaluation.compute("val")
    expected = F.cross_entropy(logits, batch["target"], ignore_index=VOID)
    assert (values["loss"].item(), values["ce"].item()) == pytest.approx((expected.item(),) * 2)


@pytest.mark.usefixtures("few_streets")
def test_labels_keep_their_size_and_images_that_of_the_network() -> None:
    data = Streets(height=32, width=48, num_workers=0)
    usual = next(iter(data.val_dataloader()))
    data.original_labels = True
    batch = next(iter(data.val_dataloader()))
    assert batch["image"].shape == (1, 3, 32, 48)
    assert torch.equal(batch["image"][0], usual["image"][0])
    assert torch.equal(batch["target"][0], torch.from_numpy(data.split("val").load(0)[1]).long())
    assert len(data.val_dataloader()) == 6


@pytest.mark.parametrize("tau", [-1, float("nan"), float("inf")])
def test_a_strength_that_cannot_be_is_refused(tau: float) -> None:
    with pytest.raises(ValueError, match=f"tau.*{tau}"):
        Scoring(tau=tau)
