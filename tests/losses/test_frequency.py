"""The class weights themselves: each scheme against its slow reading, and what is refused."""

import math
import warnings

import pytest

from lit_seg.losses import ClassCounts
from lit_seg.losses.frequency import class_balanced_weights, frequency_weights, pixels_of
from tests.losses import oracle_pixelwise as slow

PIXELS = {
    "few": [90, 30, 10, 5],
    "even": [7, 7, 7],
    "absent": [90, 0, 10, 0, 5],
    "one class": [0, 12],
    "one pixel": [0, 1, 0],
    "odd number": [5, 1, 3],
    "a dataset": [2_036_416_525, 336_090_793, 1_259_776_093, 33_985_010, 547_202],
}
SCHEMES = ["inverse", "sqrt_inverse", "median", "segnet", "enet"]
BETAS = [None, 0.0, 0.5, 0.9, 0.999, 0.9999, 1 - 1e-9, 1 - 2**-53]


def counted(pixels):
    """With images that hold up to seven pixels of a class, and image pixels of no pattern."""
    images = [-(-n // 7) for n in pixels]
    image_pixels = [9 * n + k * k for n, k in zip(pixels, images, strict=True)]
    return ClassCounts(pixels, images, image_pixels)


def quiet_weights(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return class_balanced_weights(*args, **options).tolist()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PIXELS)
def test_schemes_equal_the_slow_reading(name, scheme):
    counts = counted(PIXELS[name])
    want = slow.frequency_weights(counts.pixels, scheme, counts.image_pixels)
    assert frequency_weights(counts, scheme).tolist() == pytest.approx(want, rel=1e-12)
    if scheme != "segnet":
        assert frequency_weights(counts.pixels, scheme).tolist() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("name", PIXELS)
def test_class_balanced_equals_the_slow_reading(name, beta):
    counts = counted(PIXELS[name])
    for unit in ("pixels", "images"):
        want = slow.class_balanced_weights(getattr(counts, unit), beta)
        assert quiet_weights(counts, beta, unit) == pytest.approx(want, rel=1e-12)


def test_schemes_by_hand():
    """Four different things, of the frequencies 1/2, 1/4, 1/8, 1/8."""
    counts = ClassCounts([400, 200, 100, 100], [8, 2, 4, 1], [800, 250, 400, 100])
    want = {
        "inverse": [0.5, 1, 2, 2],  # the mean pixel weighs 1
        "median": [0.375, 0.75, 1.5, 1.5],  # the median is 3/16
        "segnet": [1.3, 0.8125, 2.6, 0.65],  # of 1/2, 4/5, 1/4 and 1 it is 0.65
        "enet": [1 / math.log(1.02 + f) for f in (1 / 2, 1 / 4, 1 / 8, 1 / 8)],
    }
    for scheme, weights in want.items():
        assert frequency_weights(counts, scheme).tolist() == pytest.approx(weights)
    root = frequency_weights([900, 100], "sqrt_inverse")
    assert (root[1] / root[0]).item() == pytest.approx(3)


@pytest.mark.parametrize("scheme", ["inverse", "sqrt_inverse"])
def test_mean_pixel_weighs_one(scheme):
    """So that the learning rate of cross-entropy fits."""
    pixels = PIXELS["absent"]
    weights = frequency_weights(pixels, scheme).tolist()
    weighed = sum(n * w for n, w in zip(pixels, weights, strict=True))
    assert weighed == pytest.approx(sum(pixels))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_absent_class_weighs_nothing_and_changes_nothing(scheme):
    counts, more = counted([90, 10, 5]), counted([90, 0, 10, 5])
    weights = frequency_weights(counts, scheme).tolist()
    weights.insert(1, 0.0)
    assert frequency_weights(more, scheme).tolist() == pytest.approx(weights, rel=1e-12)
    balanced = class_balanced_weights(counts).tolist()
    balanced.insert(1, 0.0)
    assert class_balanced_weights(more).tolist() == pytest.approx(balanced, rel=1e-12)


def test_class_without_images_weighs_nothing():
    counts = ClassCounts([90, 10, 0], images=[6, 2, 0])
    want = slow.class_balanced_weights([6, 2, 0])
    assert class_balanced_weights(counts, unit="images").tolist() == pytest.approx(want)
    assert want[2] == 0


def test_class_balanced_lies_between_uniform_and_inverse_frequency():
    """The paper's section 3: beta 0 and beta towards 1."""
    pixels = [900, 90, 10]
    assert quiet_weights(pixels, beta=0.0) == [1, 1, 1]
    inverse = frequency_weights(pixels, "inverse")
    want = (3 * inverse / inverse.sum()).tolist()
    assert quiet_weights(pixels, beta=1 - 1e-9) == pytest.approx(want, rel=1e-6)
    rarest = [quiet_weights(pixels, beta)[2] for beta in (0.0, 0.9, 0.99, 0.999, 1 - 1e-9)]
    assert rarest == sorted(set(rarest))


def test_default_beta_is_that_of_all_samples():
    counts = ClassCounts([600, 300, 100], images=[20, 15, 5])
    by_default = class_balanced_weights(counts), class_balanced_weights(counts, unit="images")
    assert by_default[0].tolist() == pytest.approx(quiet_weights(counts, 999 / 1000))
    assert by_default[1].tolist() == pytest.approx(quiet_weights(counts, 39 / 40, "images"))


def test_paper_beta_with_pixel_counts_is_warned_of():
    """Every class has all the 10000 effective samples there can be: plain cross-entropy."""
    message = "all alike with beta=0.9999 and counts of pixels from 1000000 to 3000000"
    with pytest.warns(UserWarning, match=message):
        weights = class_balanced_weights([3_000_000, 1_000_000, 0], beta=0.9999)
    assert weights.tolist() == pytest.approx([1, 1, 0])


@pytest.mark.parametrize(
    ("counts", "beta"),
    [
        ([3_000_000, 1_000_000], None),
        ([3000, 500, 100], 0.9999),  # of images, as in the paper
        ([1_000_000, 900_000], 0.9999),  # alike they should be
        ([1_000_000, 0], 0.9999),
        ([3_000_000, 1_000_000], 0.0),  # asked for
    ],
)
def test_no_warning_without_a_reason(counts, beta):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        class_balanced_weights(counts, beta)


@pytest.mark.parametrize("beta", [1.0, -0.1, 1.5, math.nan])
def test_bad_beta_is_named(beta):
    with pytest.raises(ValueError, match=rf"`beta` must be a number in .*, got {beta}"):
        class_balanced_weights([3, 2], beta)


def test_bad_choices_are_named():
    with pytest.raises(ValueError, match=r"`scheme` must be 'inverse', .* or 'enet', got 'log'"):
        frequency_weights([3, 2], "log")
    with pytest.raises(ValueError, match="`unit` must be 'pixels' or 'images', got 'objects'"):
        class_balanced_weights([3, 2], unit="objects")


@pytest.mark.parametrize("counts", [[3, 2], ClassCounts([3, 2])], ids=["list", "object"])
def test_missing_images_are_named(counts):
    with pytest.raises(ValueError, match=r"'segnet' needs .* `image_pixels`, or take 'median'"):
        frequency_weights(counts, "segnet")
    with pytest.raises(ValueError, match=r"'images' needs .* `images`, or take 'pixels'"):
        class_balanced_weights(counts, unit="images")


@pytest.mark.parametrize("weigh", [pixels_of, class_balanced_weights])
def test_no_pixels_at_all_are_named(weigh):
    for counts in ([0, 0], ClassCounts([0, 0])):
        with pytest.raises(ValueError, match=r"must hold pixels of some class, got \[0, 0\]"):
            weigh(counts)
