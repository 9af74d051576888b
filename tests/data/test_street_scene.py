"""The embedded street scenes must be reproducible, long-tailed, and not solvable by colour."""

import numpy as np
import pytest

from lit_seg.data import Streets
from lit_seg.data.datasets.streets.colours import StreetClass
from lit_seg.data.datasets.streets.streets import render_scene
from lit_seg.metrics.labels import VOID

HEIGHT, WIDTH = 128, 192
NUM_CLASSES = len(StreetClass)

# Bounds on the percentage of labelled pixels, wide enough for 120 random scenes.
PERCENT = {
    "sky": (9, 22),
    "building": (16, 32),
    "road": (25, 40),
    "sidewalk": (5, 13),
    "tree": (6, 16),
    "fence": (0.6, 3),
    "car": (2.5, 8),
    "pole": (0.5, 1.6),
    "sign": (0.2, 0.8),
    "pedestrian": (0.3, 1.0),
    "cyclist": (0.1, 0.6),
    "traffic_light": (0.05, 0.3),
}


def scene(seed: int, height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    return render_scene(np.random.default_rng(seed), height, width)


@pytest.fixture(scope="module")
def scenes() -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*(scene(seed) for seed in range(120)), strict=True)
    return np.stack(images), np.stack(labels)


def test_same_seed_gives_the_same_scene_bit_for_bit():
    for first, second in zip(scene(7), scene(7), strict=True):
        np.testing.assert_array_equal(first, second)


def test_different_seeds_give_different_scenes():
    (image, labels), (other_image, other_labels) = scene(1), scene(2)
    assert (image != other_image).mean() > 0.5
    assert (labels != other_labels).mean() > 0.05


def test_global_random_state_is_neither_read_nor_changed():
    np.random.seed(0)
    state = np.random.get_state(legacy=False)
    before = scene(3)[0]
    np.testing.assert_equal(np.random.get_state(legacy=False), state)
    np.random.seed(1)
    np.testing.assert_array_equal(before, scene(3)[0])


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (64, 96), (200, 64), (240, 320), (256, 512)]
)
def test_shapes_and_labels_at_any_size(height, width):
    for seed in range(4):
        image, labels = scene(seed, height, width)
        assert image.shape == (height, width, 3)
        assert image.dtype == np.uint8
        assert labels.shape == (height, width)
        assert labels.dtype == np.uint8
        assert set(np.unique(labels)) <= {*range(NUM_CLASSES), VOID}


def test_the_table_of_classes_is_of_what_is_drawn():
    assert Streets.names == tuple(member.name.lower() for member in StreetClass)
    assert list(StreetClass) == list(range(12))


def test_every_class_has_a_distinct_colour():
    assert len(set(Streets.colours)) == len(Streets.colours) == NUM_CLASSES == 12


def test_class_frequencies_have_a_long_tail(scenes):
    _, labels = scenes
    counts = np.bincount(labels.ravel(), minlength=256)[:NUM_CLASSES]
    percent = dict(zip(Streets.names, 100 * counts / counts.sum(), strict=True))
    for name, (low, high) in PERCENT.items():
        assert low < percent[name] < high, name
    assert percent["road"] > 100 * percent["traffic_light"]


def test_every_class_is_in_many_scenes(scenes):
    _, labels = scenes
    for c, name in enumerate(Streets.names):
        assert (labels == c).any(axis=(1, 2)).mean() > 0.25, name


def test_few_pixels_are_void(scenes):
    _, labels = scenes
    assert 0.01 < (labels == VOID).mean() < 0.04


def test_size_of_things_follows_size_of_the_image():
    """Shares of pixels, unlike counts of pixels, stay about the same when the image grows."""

    def share(height, width):
        labels = np.stack([scene(seed, height, width)[1] for seed in range(40)])
        return np.bincount(labels.ravel(), minlength=256)[:NUM_CLASSES] / labels.size

    small, large = share(64, 96), share(192, 288)
    np.testing.assert_allclose(small[:5], large[:5], rtol=0.35)


def test_colour_alone_does_not_tell_the_classes_apart(scenes):
    """The nearest mean colour is right on little more than the few classes with a colour."""
    images, labels = scenes
    pixels, targets = images[:60].reshape(-1, 3), labels[:60].ravel()
    means = np.stack([pixels[targets == c].mean(axis=0) for c in range(NUM_CLASSES)])

    pixels, targets = images[60:].reshape(-1, 3).astype(np.float64), labels[60:].ravel()
    distances = (means**2).sum(axis=1) - 2 * pixels @ means.T
    predicted = distances.argmin(axis=1)
    recalls = [(predicted[targets == c] == c).mean() for c in range(NUM_CLASSES)]
    assert np.mean(recalls) < 0.3
