"""Batches are functions of (seed, epoch, index), for one order and for two."""

import numpy as np
import pytest
import torch
from torch.utils.data import SequentialSampler

from lit_seg.classification.class_sampling import ByPower, ClassCycles
from lit_seg.classification.data import DigitsLT
from lit_seg.classification.data.image_transforms import CropAndJitter, ShiftAndFlip
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID

KINDS = {
    "one": dict,
    "by class": lambda: {"sampling": ClassCycles(4)},
    "two": lambda: {"second_sampling": ByPower(-1)},
}


def digits(kind="one", **options):
    return DigitsLT(**{"batch_size": 16, "num_workers": 0, "shift": 1, **KINDS[kind](), **options})


def batches(data, epoch=0):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def equal(first, second):
    assert len(first) == len(second)
    return all(
        a["name"] == b["name"] and all(torch.equal(a[k], b[k]) for k in a if k != "name")
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_a_function_of_seed_and_epoch(kind):
    first = batches(digits(kind, seed=3), epoch=2)
    assert len(first) == 342 // 16
    assert equal(first, batches(digits(kind, seed=3), epoch=2))
    assert not equal(first, batches(digits(kind, seed=3), epoch=1))
    assert not equal(first, batches(digits(kind, seed=4), epoch=2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_epoch_ends_as_the_whole_one(kind):
    data = digits(kind)
    assert data.start_at(epoch=1, done=5 * 16) == 5
    rest = list(data.train_dataloader())
    assert equal(rest, batches(digits(kind), epoch=1)[5:])
    again = data.train_dataloader()
    again.sampler.set_epoch(2)
    assert equal(list(again), batches(digits(kind), epoch=2))


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_share_the_batches_of_one_process(kind, monkeypatch):
    whole = batches(digits(kind))
    shares = []
    for rank in range(2):
        place = (rank, 2)
        monkeypatch.setattr("lit_seg.data.resumable.rank_and_ranks", lambda place=place: place)
        monkeypatch.setattr("lit_seg.classification.data.base.rank_and_ranks", lambda p=place: p)
        shares.append(batches(digits(kind, batch_size=8)))
    assert len(shares[0]) == len(shares[1]) == len(whole)
    for batch, *parts in zip(whole, *shares, strict=True):
        assert all(torch.equal(batch["image"][rank::2], parts[rank]["image"]) for rank in range(2))


def test_the_second_order_is_of_its_own():
    """Its samples follow its own sampling, and one of both orders is augmented in two ways."""
    data = digits("two")
    targets = torch.cat([batch["target2"] for batch in batches(data)])
    counts = np.array(data.class_counts.pixels)
    share = np.bincount(targets.numpy(), minlength=10) / len(targets)
    expected = 1 / counts / (1 / counts).sum()
    assert np.abs(share - expected).max() < 4 * np.sqrt(0.25 / len(targets))
    dataset = data.train_dataloader().dataset
    pairs = [dataset[(0, i, 0), (0, i, 0)] for i in range(20)]
    assert any(not torch.equal(pair["image"], pair["image2"]) for pair in pairs)
    alike = DigitsLT(sampling=ByPower(0), second_sampling=ByPower(0), num_workers=0)
    batch = next(iter(alike.train_dataloader()))
    assert not torch.equal(batch["target"], batch["target2"])


def test_a_batch_has_the_promised_types(monkeypatch):
    batch = next(iter(digits("two").train_dataloader()))
    for image, target in (("image", "target"), ("image2", "target2")):
        assert (batch[image].dtype, batch[image].shape) == (torch.uint8, (16, 1, 8, 8))
        assert (batch[target].dtype, batch[target].shape) == (torch.int64, (16,))
    place = (600, 601)  # a rank for which no test image is left
    monkeypatch.setattr("lit_seg.data.resumable.rank_and_ranks", lambda: place)
    (filler,) = digits().test_dataloader()
    assert (filler["target"].tolist(), filler["name"]) == ([VOID], [""])


def test_whole_splits_are_in_order_and_not_augmented():
    data = digits()
    split = data.split("train")
    found = torch.cat([batch["image"] for batch in data.whole("train")]).numpy()
    assert np.array_equal(found[:, 0], np.stack([split.load(i) for i in range(342)])[..., 0])
    assert not isinstance(data.val_dataloader().sampler, SequentialSampler)


def test_other_data_are_refused(monkeypatch):
    from pytorch_lightning.trainer.states import TrainerFn

    data = digits(seed=1)
    data.trainer = type("", (), {"state": type("", (), {"fn": TrainerFn.FITTING})})
    data.load_state_dict(digits(seed=1).state_dict())
    with pytest.raises(DataError, match="train and val images or labels of digits_lt are not"):
        data.load_state_dict(digits(seed=2).state_dict())


def test_a_shift_is_a_window_of_the_padded_image():
    image = np.random.default_rng(0).integers(1, 256, (6, 5, 3), np.uint8)
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    windows = [padded[y : y + 6, x : x + 5] for y in range(5) for x in range(5)]
    transform, seen = ShiftAndFlip(2, flip=0.5), set()
    for seed in range(400):
        out = transform(image, seed)
        found = [i for i, w in enumerate(windows) if np.array_equal(w, out)]
        found += [25 + i for i, w in enumerate(windows) if np.array_equal(w[:, ::-1], out)]
        assert len(found) == 1
        seen.add(found[0])
        assert np.array_equal(out, transform(image, seed))
    assert len(seen) == 50


def test_a_photo_crop_is_a_function_of_the_seed():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    transform = CropAndJitter(16)
    first = [transform(image, seed) for seed in range(4)]
    assert {(out.shape, out.dtype.name) for out in first} == {((16, 16, 3), "uint8")}
    assert all(
        np.array_equal(a, b)
        for a, b in zip(first, map(transform, [image] * 4, range(4)), strict=True)
    )
    assert len({out.tobytes() for out in first}) == 4
    plain = CropAndJitter(40, scale=(1, 1), flip=0, jitter=0)
    square = np.ascontiguousarray(image[:, :40])
    assert any(np.array_equal(plain(square, seed), square) for seed in range(30))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: ShiftAndFlip(-1), "`shift`"),
        (lambda: ShiftAndFlip(flip=2), "`flip`"),
        (lambda: CropAndJitter(8, scale=(0, 1)), "`scale`"),
        (lambda: CropAndJitter(8, jitter=1), "`jitter`"),
    ],
)
def test_options_out_of_range_are_refused(make, word):
    with pytest.raises(ValueError, match=word):
        make()
