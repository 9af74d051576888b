"""Image and labels must go through the same geometry, and labels must not be interpolated."""

import cv2
import numpy as np
import pytest

from lit_seg.data.transforms import EvalTransform, TrainTransform
from lit_seg.metrics.labels import VOID

IDS = (0, 3, 7, 10)


def train(height=32, width=48, resize=1.0, scale=(0.5, 2.0), flip=0.5, jitter=0.0, image=(32, 48)):
    size = round(image[0] * resize), round(image[1] * resize)
    return TrainTransform(size, "stretch", (height, width), scale, flip, jitter)


def blocks(height=32, width=48, side=8, ids=IDS):
    """An irregular pattern of square blocks, and an image whose colour tells the id."""
    rng = np.random.default_rng(0)
    coarse = rng.choice(ids, (height // side, width // side)).astype(np.uint8)
    label = coarse.repeat(side, axis=0).repeat(side, axis=1)
    return colour_of(label), label


def colour_of(label):
    label = label.astype(np.uint8)
    return np.stack([20 * label + 20, 230 - 20 * label, np.full_like(label, 99)], axis=-1)


def interior(label):
    """Pixels whose colour no neighbour can have blended into: two away from any other label."""
    window = np.ones((5, 5), np.uint8)
    inside = (cv2.erode(label, window) == label) & (cv2.dilate(label, window) == label)
    inside[:2], inside[-2:], inside[:, :2], inside[:, -2:] = False, False, False, False
    return inside & (label != VOID)


@pytest.mark.parametrize("resize", [0.5, 1.0])
def test_training_keeps_image_and_labels_aligned(resize):
    transform = train(16, 24, resize)
    seen = set()
    for seed in range(40):
        image, label = transform(*blocks(), seed)
        inside = interior(label)
        np.testing.assert_array_equal(image[inside], colour_of(label)[inside])
        seen |= set(label[inside].tolist())
    assert seen == set(IDS)


def test_one_to_one_scale_aligns_every_pixel():
    transform = train(scale=(1.0, 1.0))
    flipped = 0
    for seed in range(10):
        image, label = transform(*blocks(), seed)
        np.testing.assert_array_equal(image, colour_of(label))
        flipped += not np.array_equal(label, blocks()[1])
    assert 0 < flipped < 10


@pytest.mark.parametrize(
    "transform", [train(scale=(0.6, 2.0)), EvalTransform(23, 31), EvalTransform(50, 90)]
)
def test_labels_are_never_interpolated(transform):
    label = (np.indices((32, 48)).sum(axis=0) % 2 * 10).astype(np.uint8)  # a checkerboard
    for seed in range(20):
        out = transform(colour_of(label), label, seed)[1]
        assert out.dtype == np.uint8
        assert set(np.unique(out)) <= {0, 10, VOID}
        assert {0, 10} <= set(np.unique(out))


def test_padding_is_void_and_nothing_else_is():
    image, label = np.full((32, 48, 3), 200, np.uint8), np.full((32, 48), 3, np.uint8)
    transform = train()
    padded = []
    for seed in range(40):
        new_image, new_label = transform(image, label, seed)
        assert new_image.shape == (32, 48, 3)
        np.testing.assert_array_equal(new_image.max(axis=-1) == 0, new_label == VOID)
        assert set(np.unique(new_label)) <= {3, VOID}
        padded.append((new_label == VOID).any())
    assert 5 < sum(padded) < 35


def test_enlarging_does_not_pad():
    for seed in range(20):
        assert VOID not in train(scale=(1.0, 2.0))(*blocks(), seed)[1]


@pytest.mark.parametrize(("resize", "scale"), [(1.0, (0.5, 2.0)), (0.5, (0.75, 1.25))])
def test_scale_range_is_honoured(resize, scale):
    columns = np.arange(200, dtype=np.uint8)  # the label tells the column that a pixel comes from
    label = np.tile(columns, (8, 1))
    transform = train(8, int(200 * resize), resize, scale, flip=0.0, image=label.shape)
    found = []
    for seed in range(150):
        out = transform(colour_of(label), label, seed)[1]
        row = out[(out != VOID).any(axis=1)][0]
        row = row[row != VOID].astype(int)
        found.append(len(row) / (row[-1] - row[0] + 1) / resize)
    low, high = scale
    assert low * 0.97 < min(found) < low * 1.1
    assert high * 0.9 < max(found) < high * 1.03


def test_equal_seeds_give_equal_results_and_others_do_not():
    first = train(jitter=0.3)
    second = train(jitter=0.3)
    second(*blocks(), 5)  # what came before does not matter
    for a, b in zip(first(*blocks(), 1), second(*blocks(), 1), strict=True):
        np.testing.assert_array_equal(a, b)
    different = [first(*blocks(), seed)[0].tobytes() for seed in range(20)]
    assert len(set(different)) == 20


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_flip_probability(flip):
    expected = blocks()[1][:, ::-1] if flip else blocks()[1]
    for seed in range(5):
        label = train(scale=(1.0, 1.0), flip=flip)(*blocks(), seed)[1]
        np.testing.assert_array_equal(label, expected)


def test_jitter_changes_colours_of_about_half_and_no_label():
    transform = train(scale=(1.0, 1.0), flip=0.0, jitter=0.3)
    image, label = blocks()
    changed = 0
    for seed in range(60):
        new_image, new_label = transform(image, label, seed)
        np.testing.assert_array_equal(new_label, label)
        changed += not np.array_equal(new_image, image)
    assert 15 < changed < 45


def test_input_is_left_as_it_was():
    image, label = blocks()
    for transform in (train(jitter=0.3), EvalTransform(16, 24)):
        for seed in range(5):
            transform(image, label, seed)
    np.testing.assert_array_equal(image, blocks()[0])
    np.testing.assert_array_equal(label, blocks()[1])


@pytest.mark.parametrize("size", [(32, 48), (128, 192), (48, 96)])
def test_evaluation_resizes_both(size):
    image, label = EvalTransform(*size)(*blocks(64, 96, side=16))
    assert image.shape == (*size, 3)
    assert label.shape == size
    inside = interior(label)
    assert inside.any()
    np.testing.assert_allclose(image[inside], colour_of(label)[inside], atol=1)


def test_evaluation_at_the_same_size_changes_nothing():
    image, label = blocks()
    new_image, new_label = EvalTransform(32, 48)(image, label)
    np.testing.assert_array_equal(new_image, image)
    np.testing.assert_array_equal(new_label, label)
