"""Samplings show each image as often as slow readings of their formulas say."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lit_seg.data.dataset import SegDataset
from lit_seg.data.sampling import ClassAware, RepeatFactor, TrainSampler, shuffled
from lit_seg.errors import DataError
from tests.data import layouts

# pixels of five classes in eight images: class 2 in one image only, class 4 in none, one all void
COUNTS = np.array(
    [
        [90, 10, 0, 0, 0],
        [50, 0, 0, 50, 0],
        [99, 0, 1, 0, 0],
        [60, 40, 0, 0, 0],
        [70, 30, 0, 0, 0],
        [80, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [99, 0, 0, 1, 0],
    ]
)
EPOCHS = 2000
SAMPLINGS = [RepeatFactor(0.3), ClassAware(0.2), ClassAware(math.inf), ClassAware(1e-6)]


def fitted(which, counts=COUNTS):
    which.fit(np.asarray(counts, np.int64))
    return which


def expected_by_repeat_factor(counts, threshold):
    """Gupta et al., image by image, and then scaled to as many samples as images."""
    size, factors = len(counts), []
    for image in counts:
        factor = 1.0
        for c, pixels in enumerate(image):
            if pixels > 0:
                share = sum(other[c] > 0 for other in counts) / size
                factor = max(factor, math.sqrt(threshold / share))
        factors.append(factor)
    return [factor * size / sum(factors) for factor in factors]


def chances_by_class(counts, temperature, min_pixels):
    """Hoyer et al.: the chance of each image to be the next sample, class by class."""
    total = sum(sum(image) for image in counts)
    pixels = {c: sum(image[c] for image in counts) for c in range(len(counts[0]))}
    present = {c: n for c, n in pixels.items() if n}
    logits = {c: (1 - n / total) / temperature for c, n in present.items()}
    weights = {c: math.exp(logit) for c, logit in logits.items()}
    chances = [0.0] * len(counts)
    for c, weight in weights.items():
        images = [i for i, image in enumerate(counts) if image[c] >= min_pixels]
        images = images or [i for i, image in enumerate(counts) if image[c] > 0]
        for i in images:
            chances[i] += weight / sum(weights.values()) / len(images)
    return chances


def appearances(which, epochs=EPOCHS, seed=0):
    """How often each image comes: ``(epochs, N)``."""
    size = len(which.counts)
    orders = (which.order(seed, epoch) for epoch in range(epochs))
    return np.array([np.bincount(order, minlength=size) for order in orders])


@pytest.mark.parametrize("threshold", [0.001, 0.2, 0.5, 1.0])
def test_repeat_factor_is_its_formula(threshold):
    which = fitted(RepeatFactor(threshold))
    expected = expected_by_repeat_factor(COUNTS.tolist(), threshold)
    np.testing.assert_allclose(which.expected, expected, rtol=1e-12)
    found = appearances(which)
    assert ((found == np.floor(expected)) | (found == np.ceil(expected))).all()
    # five standard deviations of what is one of two neighbours each time
    part = np.mod(expected, 1)
    spread = np.sqrt(part * (1 - part) / EPOCHS)
    assert (abs(found.mean(axis=0) - expected) <= 5 * spread + 1e-12).all()


def test_repeat_factor_by_hand():
    """Class 1 is in one of four images, so that image comes sqrt(.5 / .25) times as often."""
    which = fitted(RepeatFactor(0.5), [[5, 5], [9, 0], [9, 0], [9, 0]])
    rare = math.sqrt(2)
    np.testing.assert_allclose(which.expected, np.array([rare, 1, 1, 1]) * 4 / (3 + rare))


def test_no_rare_class_is_the_plain_sampling_of_every_image_once():
    which = fitted(RepeatFactor(0.1))
    assert (appearances(which, 50) == 1).all()


@pytest.mark.parametrize(
    ("temperature", "min_pixels"), [(0.2, 1), (1.0, 10), (0.05, 1000), (1e6, 1), (0.2, 31)]
)
def test_class_aware_is_its_formula(temperature, min_pixels):
    which = fitted(ClassAware(temperature, min_pixels))
    chances = np.array(chances_by_class(COUNTS.tolist(), temperature, min_pixels))
    draws = EPOCHS * len(COUNTS)
    found = appearances(which).sum(axis=0)
    spread = np.sqrt(draws * chances * (1 - chances))
    assert (abs(found - draws * chances) <= 5 * spread + 1e-9).all()
    assert found[6] == 0  # all void


def test_class_aware_by_hand():
    """Three quarters and one quarter: e^(1/4) to e^(3/4) at temperature 1."""
    which = fitted(ClassAware(1.0), [[60, 0], [30, 30]])
    np.testing.assert_allclose(which.chances, [1 / (1 + math.sqrt(math.e)), 0.62245933])
    assert [images.tolist() for images in which.images] == [[0, 1], [1]]


def test_a_class_needs_min_pixels_where_an_image_has_as_many():
    which = fitted(ClassAware(1.0, min_pixels=30))
    assert [images.tolist() for images in which.images] == [
        [0, 1, 2, 3, 4, 5, 7],
        [3, 4],
        [2],  # one pixel at most: any
        [1],
    ]


@pytest.mark.parametrize("temperature", [1e-6, 1e-300])
def test_the_coldest_draws_the_rarest_class_alone(temperature):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        which = fitted(ClassAware(temperature))
    assert which.chances.tolist() == [0, 0, 1, 0]
    assert set(which.order(0, 0)) == {2}


def test_classes_equally_rare_share_at_any_temperature():
    which = fitted(ClassAware(1e-6), [[5, 5, 90], [5, 5, 90]])
    assert which.chances.tolist() == [0.5, 0.5, 0]


def test_the_hottest_draws_all_classes_alike():
    assert fitted(ClassAware(math.inf)).chances.tolist() == [0.25] * 4


@pytest.mark.parametrize("which", SAMPLINGS)
@pytest.mark.parametrize("counts", [[[7]], [[3, 4]], [[1], [2], [0]], [[0, 2], [0, 1]]])
def test_few_images_and_few_classes(which, counts):
    order = fitted(which, counts).order(0, 0)
    assert len(order) == len(counts)
    assert set(order) <= set(range(len(counts)))


def test_all_void_cannot_be_sampled_by_class_but_by_image():
    nothing = np.zeros((5, 3), np.int64)
    with pytest.raises(DataError, match=r"ClassAware.*all training labels are void.*leave"):
        fitted(ClassAware(), nothing)
    assert sorted(fitted(RepeatFactor(), nothing).order(0, 0)) == [0, 1, 2, 3, 4]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    counts=arrays.arrays(
        np.int64, st.tuples(st.integers(1, 60), st.integers(1, 6)), elements=st.integers(0, 3)
    ),
    threshold=st.floats(1e-6, 1),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 10**6),
)
def test_an_epoch_has_as_many_samples_as_there_are_images(counts, threshold, seed, epoch):
    which = fitted(RepeatFactor(threshold), counts)
    times = np.bincount(which.order(seed, epoch), minlength=len(counts))
    assert times.sum() == len(times) == len(counts)
    assert (abs(times - which.expected) < 1 + 1e-9).all()
    if counts.any():
        order = fitted(ClassAware(threshold), counts).order(seed, epoch)
        assert len(order) == len(counts)
        assert counts[order].any(axis=1).all()


class Offset:
    """A generator that shuffles nothing and whose numbers are all the same."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value

    def permutation(self, x):
        return np.arange(x) if np.ndim(x) == 0 else np.asarray(x)


@pytest.mark.parametrize("offset", [0.0, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 49, 1000])
def test_an_epoch_keeps_its_length_whatever_is_rounded(monkeypatch, offset, size):
    """The largest offset below 1, added to a whole number, is rounded to the next one."""
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Offset(offset))
    for rare in range(1, min(size, 8)):
        counts = np.ones((size, 2), np.int64)
        counts[rare:, 1] = 0
        assert len(fitted(RepeatFactor(0.7), counts).order(0, 0)) == size
    assert len(fitted(RepeatFactor(), np.ones((size, 1))).order(0, 0)) == size


def test_a_share_is_exact_where_it_meets_the_threshold():
    """A class in exactly the share of images that is rare is not rare."""
    for size in range(1, 40):
        for images in range(1, size + 1):
            counts = np.zeros((size, 1), np.int64)
            counts[:images] = 1
            which = fitted(RepeatFactor(float(Fraction(images, size))), counts)
            assert (which.expected == 1).all()


@pytest.mark.parametrize("which", SAMPLINGS)
def test_order_is_a_function_of_seed_and_epoch_alone(which):
    counts = np.random.default_rng(0).integers(0, 3, (60, 4))
    orders = {(s, e): fitted(which, counts).order(s, e).tolist() for s in (0, 1) for e in (0, 1, 5)}
    assert len({tuple(order) for order in orders.values()}) == 6
    other = fitted(type(which)(*list(vars(which).values())[:1]), counts)
    for s, e in reversed(orders):  # another object, in another sequence
        np.testing.assert_array_equal(other.order(s, e), orders[s, e])
    before = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
    which.order(3, 4)
    assert random.getstate() == before[0]
    np.testing.assert_equal(np.random.get_state(legacy=False), before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_repeat_factor_order_is_shuffled():
    """Else the copies of an image would be neighbours, in one batch."""
    counts = np.ones((100, 2), np.int64)
    counts[10:, 1] = 0
    order = fitted(RepeatFactor(1.0), counts).order(0, 0)
    neighbours = (np.diff(order) == 0).sum()
    assert np.bincount(order).max() >= 2
    assert neighbours <= 3
    rare_places = np.flatnonzero(order < 10)
    assert rare_places.min() < 25
    assert rare_places.max() >= 75


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("which", SAMPLINGS[:2])
def test_ranks_share_one_order_and_a_resumed_epoch_its_rest(which, ranks):
    fitted(which, np.random.default_rng(0).random((42, 4)) < (1, 0.3, 0.1, 0.05))
    order = lambda epoch: which.order(0, epoch).tolist()  # noqa: E731
    alone = list(TrainSampler(order, 42, epoch=3))
    assert [index for _, index, _ in alone] == order(3)
    for _, index, time in alone:
        assert time < order(3).count(index)
    assert len(set(alone)) == len(alone) == 42  # a repeated image has another time, so other looks
    assert max(time for *_, time in alone) >= 1
    parts = [list(TrainSampler(order, 42, rank, ranks, epoch=3)) for rank in range(ranks)]
    assert [key for step in zip(*parts, strict=True) for key in step] == alone
    rest = [list(TrainSampler(order, 42, rank, ranks, epoch=3, done=12)) for rank in range(ranks)]
    assert [key for step in zip(*rest, strict=True) for key in step] == alone[12:]


class Noise:
    """A split of one small image, as often as asked for."""

    def __len__(self):
        return 9

    def name(self, index):
        return str(index)

    def load(self, index):
        return np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)


def seeds_of(keys, seed=0):
    seen = []

    def transform(image, label, seed):
        seen.append(seed)
        return image, label

    dataset = SegDataset(Noise(), transform, seed)
    for key in keys:
        dataset[key]
    return seen


def test_a_repeated_image_looks_different_each_time():
    keys = [(epoch, 3, time) for epoch in range(4) for time in range(6)]
    assert len(set(seeds_of(keys))) == len(keys)


def test_without_sampling_all_is_as_it_was_before_there_was_one():
    plain = np.random.default_rng(np.random.SeedSequence((5, 2))).permutation(40)
    np.testing.assert_array_equal(shuffled(40, 5, 2), plain)
    assert shuffled(10, 0, 0).tolist() == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]
    words = np.random.SeedSequence((7, 2, 4)).generate_state(1)  # of seed, epoch and index
    assert seeds_of([(2, 4, 0)], seed=7) == [int(words[0])]


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield layouts.tiny("streets", tmp_path_factory.mktemp("streets"), patch)


def test_a_data_module_shows_what_its_sampling_says(streets):
    for which in (RepeatFactor(1.0), ClassAware(0.1)):
        data = streets(sampling=which, seed=3)
        loader = data.train_dataloader()
        loader.sampler.set_epoch(1)
        names = [name for batch in loader for name in batch["name"]]
        by_hand = fitted(type(which)(*list(vars(which).values())[:1]), data.image_counts[:, :-1])
        assert which.counts.shape == (8, 12)  # void is no class to sample by
        assert names == [f"scene_{index:04d}" for index in by_hand.order(3, 1)]
        assert len(loader) == len(streets().train_dataloader()) == 4


def test_a_repeated_image_is_augmented_anew_in_the_loader(streets):
    loader = streets(sampling=ClassAware(1e-6)).train_dataloader()
    images = {}
    for batch in loader:
        for name, image in zip(batch["name"], batch["image"], strict=True):
            images.setdefault(name, []).append(image.numpy().tobytes())
    assert max(map(len, images.values())) >= 2
    assert all(len(set(found)) == len(found) for found in images.values())


def test_without_sampling_a_data_module_shows_every_image_once(streets):
    data = streets(seed=3)
    keys = list(data.train_dataloader().sampler)
    assert keys == [(0, index, 0) for index in shuffled(8, 3, 0)]
    assert "image_counts" not in vars(data)  # nothing was counted for it


@pytest.mark.parametrize("void", ["ignore", "train"])
def test_void_is_not_sampled_by(streets, void):
    which = RepeatFactor()
    streets(sampling=which, void=void).train_dataloader()
    assert which.counts.shape == (8, 12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RepeatFactor(0), r"`threshold` must be in \(0, 1\], got 0"),
        (lambda: RepeatFactor(1.1), r"`threshold` must be in \(0, 1\], got 1.1"),
        (lambda: RepeatFactor(math.nan), r"`threshold` must be in \(0, 1\], got nan"),
        (lambda: ClassAware(0), "`temperature` must be above 0, got 0"),
        (lambda: ClassAware(-1), "`temperature` must be above 0, got -1"),
        (lambda: ClassAware(math.nan), "`temperature` must be above 0, got nan"),
        (lambda: ClassAware(min_pixels=0), "`min_pixels` must be at least 1, got 0"),
    ],
)
def test_bad_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
