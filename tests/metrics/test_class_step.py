"""Statistics of a step, against a slow reading of their definitions."""

import math

import pytest
import torch
from torch import Tensor

from lit_seg.metrics import PixelMean
from lit_seg.metrics.class_step import class_step, class_sums, gradient_sums
from lit_seg.metrics.labels import VOID
from lit_seg.ops import precision
from tests.losses.test_contract import NoFloat64

C = 4


def batch(seed: int = 0, images: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels with void in which class 3 is absent, and a gradient."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, C, 5, 6, generator=generator)
    target = torch.randint(0, 3, (images, 5, 6), generator=generator)
    target[:, 0] = VOID
    return logits, target, torch.randn(images, C, 5, 6, generator=generator)


def slowly(
    logits: Tensor, target: Tensor, gradient: Tensor, gamma: float
) -> dict[str, list[float]]:
    """Pixel by pixel and class by class."""
    pixels = [
        (int(target[n, i, j]), logits[n, :, i, j].tolist(), gradient[n, :, i, j].tolist())
        for n in range(len(target))
        for i in range(target.shape[1])
        for j in range(target.shape[2])
        if target[n, i, j] != VOID
    ]
    stats: dict[str, list[float]] = {}
    total_gradient = sum(abs(g) for _, _, gs in pixels for g in gs)
    for c in range(C):
        own = [(z, g) for y, z, g in pixels if y == c]
        p = [math.exp(z[c]) / sum(map(math.exp, z)) for z, _ in own]
        hits = sum(z[c] == max(z) for z, _ in own)
        predicted = sum(z[c] == max(z) for _, z, _ in pixels)
        n = len(own)
        values = {
            "recall": hits / n if n else math.nan,
            "miss": 1 - hits / n if n else math.nan,
            "focal": sum((1 - q) ** gamma for q in p) / n if n else math.nan,
            "confidence": sum(p) / n if n else math.nan,
            "fpr": (predicted - hits) / (len(pixels) - n),
            "precision": hits / predicted if predicted else math.nan,
            "gradient_share": (
                sum(abs(g) for _, gs in own for g in gs) / total_gradient if n else math.nan
            ),
        }
        for name, value in values.items():
            stats.setdefault(name, []).append(value)
    for name in list(stats)[:6]:
        total = sum(v for v in stats[name] if v == v)
        stats[f"{name}_norm"] = [v / total for v in stats[name]]
    stats["recall_focal_ratio"] = [
        m / f for m, f in zip(stats["miss_norm"], stats["focal_norm"], strict=True)
    ]
    return stats


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_statistics_equal_their_definitions(gamma: float) -> None:
    logits, target, gradient = batch()
    found = class_step(class_sums(logits, target, gamma) + gradient_sums(gradient, target))
    expected = slowly(logits, target, gradient, gamma)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].tolist() == pytest.approx(values, rel=1e-5, nan_ok=True), name


def test_sums_of_batches_add_up_to_those_of_all() -> None:
    (a, ta, ga), (b, tb, gb) = batch(1, images=1), batch(2, images=3)
    parts = [class_sums(z, t) + gradient_sums(g, t) for z, t, g in ((a, ta, ga), (b, tb, gb))]
    z, t, g = torch.cat([a, b]), torch.cat([ta, tb]), torch.cat([ga, gb])
    assert torch.allclose(sum(parts, torch.zeros(())), class_sums(z, t) + gradient_sums(g, t))


def test_void_pixels_do_not_count() -> None:
    logits, target, gradient = batch()
    other = torch.where((target == VOID).unsqueeze(1), 100 * torch.randn_like(logits), logits)
    assert torch.equal(class_sums(logits, target), class_sums(other, target))
    spoilt = torch.where((target == VOID).unsqueeze(1), torch.nan, gradient)
    assert torch.equal(gradient_sums(gradient, target), gradient_sums(spoilt, target))


def test_layout_and_precision_change_nothing_that_is_counted() -> None:
    logits, target, _ = batch()
    half = logits.bfloat16()
    plain = class_sums(half.float(), target)
    assert torch.equal(class_sums(half.to(memory_format=torch.channels_last), target), plain)


def test_only_void_has_no_statistics() -> None:
    logits, target, gradient = batch()
    target = torch.full_like(target, VOID)
    stats = class_step(class_sums(logits, target) + gradient_sums(gradient, target))
    assert all(values.isnan().all() for values in stats.values())


def test_without_misses_there_is_no_ratio() -> None:
    target = torch.tensor([[0, 1]])
    logits = 50 * torch.nn.functional.one_hot(target).movedim(-1, 1).float()
    stats = class_step(class_sums(logits, target))
    assert stats["recall"].tolist() == [1, 1]
    assert not stats["recall_focal_ratio"].isfinite().any()


@pytest.mark.parametrize("label", [-1, C, 254])
def test_a_label_that_is_no_class_is_left_out(label: int) -> None:
    """The loss refuses it, but after this; an index out of range would be the end of CUDA."""
    logits, target, gradient = batch()
    other = torch.where(target == VOID, label, target)
    assert torch.equal(class_sums(logits, other), class_sums(logits, target))
    assert torch.equal(gradient_sums(gradient, other), gradient_sums(gradient, target))


def test_a_device_without_float64_sums_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Apple's GPUs; they are not asked for more."""
    logits, target, gradient = batch()
    want = class_sums(logits, target) + gradient_sums(gradient, target)
    monkeypatch.setattr(precision, "_WITHOUT_FLOAT64", {"cpu"})
    mean = PixelMean().to("cpu")
    with NoFloat64():
        sums = class_sums(logits, target) + gradient_sums(gradient, target)
        mean.update(torch.tensor(2.0), torch.tensor(3))
    torch.testing.assert_close(sums.double(), want, rtol=1e-6, atol=1e-6)
    assert mean.compute() == 2
