"""The fast augmentation against the same draws by albumentations, and how its draws are spread."""

from random import Random

import cv2
import numpy as np
import pytest

from lit_seg.data import CamVid, crops
from lit_seg.data.by_albumentations import AlbumentationsTransform
from lit_seg.data.transforms import TrainTransform
from lit_seg.metrics.labels import VOID
from tests.data import layouts

SIZE = (45, 61)


def picture(size=SIZE, channels=3, kind=np.uint8):
    """Smooth and rough parts, and a label of small and large regions."""
    rng = np.random.default_rng(0)
    top = np.iinfo(kind).max
    coarse = rng.random((size[0] // 6 + 1, size[1] // 6 + 1, channels)).astype(np.float32)
    smooth = np.stack([cv2.resize(c, size[::-1]) for c in coarse.transpose(2, 0, 1)], axis=-1)
    image = (top * (0.8 * smooth + 0.2 * rng.random((*size, channels)))).astype(kind)
    label = (smooth[..., 0] * 9).astype(np.uint8)
    return image, np.where(label == 8, np.uint8(VOID), label)


def by_albumentations(options, image, label, seed):
    """Its steps with one random state among them, so that they draw independently."""
    pipeline = AlbumentationsTransform(**options).pipeline
    pipeline.set_random_state(np.random.default_rng(seed), Random(seed))
    out = pipeline(image=image, mask=label)
    return out["image"], out["mask"]


CASES = {
    "stretch": {"size": (40, 60), "scale": (0.75, 2.0), "flip": 0.5, "jitter": 0.3},
    "shrink": {"size": (17, 20), "scale": (0.5, 1.5), "flip": 0.5, "jitter": 0.9},
    "pad": {"size": (40, 60), "fit": "pad", "crop": (50, 70), "scale": (0.5, 2.0), "jitter": 0.3},
    "class crops": {
        **{"size": (40, 60), "crop": (30, 64), "scale": (0.6, 1.5)},
        **{"flip": 0.3, "jitter": 0.3, "class_crops": 0.6},
    },
    "every class": {"size": SIZE, "crop": (30, 40), "flip": 1.0, "class_crops": 1.0},
}


@pytest.mark.parametrize("case", CASES)
def test_its_pixels_are_those_of_albumentations_for_the_same_draws(case):
    image, label = picture()
    before = image.copy(), label.copy()
    for seed in range(40):
        found = TrainTransform(**CASES[case])(image, label, seed)
        for one, other in zip(
            found, by_albumentations(CASES[case], image, label, seed), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])


@pytest.mark.parametrize(("channels", "kind"), [(1, np.uint8), (2, np.uint16), (6, np.uint8)])
def test_other_channels_too(channels, kind):
    image, label = picture(channels=channels, kind=kind)
    options = {"size": (40, 60), "crop": (44, 70), "scale": (0.5, 1.9), "flip": 0.5}
    for seed in range(20):
        found = TrainTransform(**options)(image, label, seed)
        for one, other in zip(found, by_albumentations(options, image, label, seed), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_small_crop_of_a_large_scale_is_equal_to_one_grey_level(channels, kind):
    """Where it looks at the crop alone, also of black beside white; the labels are equal."""
    image, label = picture(channels=channels, kind=kind)
    image[::2] = np.where(image[::2] > np.median(image), np.iinfo(kind).max, 0)
    options = {"size": (90, 122), "crop": (20, 30), "scale": (0.3, 4.0), "flip": 0.5}
    differ = 0
    for seed in range(60):
        found = TrainTransform(**options)(image, label, seed)
        expected = by_albumentations(options, image, label, seed)
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_allclose(found[0], expected[0].astype(int), atol=1)
        differ += (found[0] != expected[0]).any()
    assert (differ > 20) == (channels in crops.WARPED)  # or it did not take that way


def test_the_large_scale_is_never_made(monkeypatch):
    resize, made = cv2.resize, []
    monkeypatch.setattr(
        crops, "resized", lambda *args: made.append(args[1]) or resize(args[0], args[1][::-1])
    )
    image, label = picture()
    TrainTransform((90, 122), crop=(20, 30), scale=(4.0, 4.0))(image, label, 0)
    assert made == []


@pytest.fixture(scope="module")
def draws():
    """Scale, place, flip and jitter of many samples, told by the pixels of a ramp."""
    rows, columns = np.indices((96, 128))
    image = np.stack([rows + 20, columns + 20, np.full_like(rows, 99)], axis=-1).astype(np.uint8)
    transform = TrainTransform((96, 128), crop=(8, 8), scale=(1.0, 2.0), flip=0.5, jitter=0.3)
    label = rows.astype(np.uint8)
    found = []
    for seed in range(2000):
        out, ids = transform(image, label, seed)
        plain = TrainTransform((96, 128), crop=(8, 8), scale=(1.0, 2.0), flip=0.5)
        straight = plain(image, label, seed)[0].astype(int)
        flip = straight[0, 0, 1] > straight[0, 7, 1]
        scale = 7 / max(1, int(ids[7, 0]) - int(ids[0, 0]))
        place = straight[0, 7 if flip else 0, :2]
        found.append((scale, *place, flip, (out != straight).any()))
    return np.array(found, float)


def test_draws_are_spread_as_the_options_say(draws):
    _, top, left, flip, jitter = draws.T
    for share in (flip, jitter):
        assert abs(share.mean() - 0.5) < 4 * np.sqrt(0.25 / len(share))
    for place, length in ((top - 20, 96), (left - 20, 128)):
        low, middle, high = np.quantile(place, [0.01, 0.5, 0.99])
        assert low < 0.02 * length
        assert abs(middle - length / 2) < 0.06 * length
        assert high > 0.9 * length


def test_draws_do_not_depend_on_each_other(draws):
    correlations = np.corrcoef(draws.T) - np.eye(5)
    assert np.abs(correlations).max() < 0.1


def test_albumentations_repeats_older_runs_whose_steps_share_a_seed():
    """There an image is jittered if it is flipped: told in the option's text."""
    image, label = picture()
    options = {"size": SIZE, "flip": 0.5, "jitter": 0.3}
    together = set()
    for seed in range(60):
        flipped = AlbumentationsTransform(**{**options, "jitter": 0.0})(image, label, seed)[0]
        both = AlbumentationsTransform(**options)(image, label, seed)[0]
        together.add(((flipped != image).any(), (both != flipped).any()))
    assert together == {(False, False), (True, True)}


def test_the_option_chooses(tmp_path, monkeypatch):
    make = layouts.tiny("camvid", tmp_path, monkeypatch)
    assert type(make()._train) is TrainTransform
    assert type(make(augmentation="albumentations")._train) is AlbumentationsTransform
    with pytest.raises(ValueError, match=r"`augmentation` must be .*'fast'.*got 'none'"):
        CamVid(augmentation="none")
