"""The mean over pixels, as opposed to the mean over batches."""

import pickle

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss
from lit_seg.metrics import PixelMean
from lit_seg.metrics.labels import VOID
from tests.distributed import run_on_ranks
from tests.losses import oracle
from tests.losses.problems import draw

BATCHES = [(0.5, 10), (2.0, 1), (0.0, 0), (1.25, 1000)]


def filled(batches):
    metric = PixelMean()
    for mean, pixels in batches:
        metric.update(torch.tensor(mean), torch.tensor(pixels))
    return metric


def test_equals_the_slow_reading():
    values = [mean for mean, pixels in BATCHES for _ in range(pixels)]
    assert filled(BATCHES).compute().item() == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_of_cross_entropy_equals_one_batch():
    """With unequal void and a batch of only void, which is 0 over no pixels."""
    metric, loss = PixelMean(), CrossEntropyLoss([1] * 4)
    batches = [draw(seed, void=void) for seed, void in enumerate([0.0, 0.8, 1.1])]
    for logits, target in batches:
        metric.update(loss(logits, target), (target != VOID).sum())
    want = oracle.cross_entropy(*map(torch.cat, zip(*batches, strict=True)))
    assert metric.compute().item() == pytest.approx(want, rel=1e-6)


def test_no_pixel_has_no_mean():
    assert filled([(0.0, 0)]).compute().isnan()


def test_counts_are_exact_beyond_float32():
    metric = filled([(0.0, 2**24), (1.0, 1)])
    assert metric.total.tolist() == [1, 2**24 + 1]
    assert metric.compute().item() == 1 / (2**24 + 1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_model_precision_leaves_it_exact(dtype):
    """bfloat16 would make 999420 of 1000001."""
    metric = filled([(1.0, 1000001)])
    torch.nn.Sequential(metric).to(dtype)
    metric.to(dtype)
    assert metric.total.dtype == torch.float64
    assert metric.total.tolist() == [1000001, 1000001]


def test_half_precision_means_are_summed_in_double():
    metric = PixelMean()
    for _ in range(100):
        metric.update(torch.tensor(1.0, dtype=torch.float16), torch.tensor(1000))
    assert metric.total.tolist() == [100000, 100000]  # float16 ends at 65504


def test_forward_reset_pickle_clone():
    metric = PixelMean()
    for mean, pixels in ((0.5, 10), (2.0, 2)):
        assert metric(torch.tensor(mean), torch.tensor(pixels)) == mean  # of the batch
    assert metric.compute() == 0.75
    assert pickle.loads(pickle.dumps(metric)).compute() == 0.75
    clone = metric.clone()
    metric.reset()
    metric.update(torch.tensor(3.0), torch.tensor(1))
    assert metric.compute() == 3
    assert clone.compute() == 0.75
    assert not metric.state_dict()


def mean_of_rank(rank):
    return filled(BATCHES[2 * rank : 2 * rank + 2]).compute().item()


def test_two_ranks_equal_one_process():
    assert run_on_ranks(mean_of_rank) == [filled(BATCHES).compute().item()] * 2
