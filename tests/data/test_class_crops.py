"""A class crop holds a pixel of a class drawn evenly from the image's, and is else a plain crop."""

import numpy as np
import pytest

from lit_seg.data.dataset import SegDataset
from lit_seg.data.sampling import FILLER
from lit_seg.data.transforms import TrainTransform
from lit_seg.metrics.labels import VOID
from tests.data import layouts

SIZE = (32, 48)


def crops(probability, crop=(4, 6), size=SIZE, scale=(1.0, 1.0), **options):
    return TrainTransform(size, "stretch", crop, scale, class_crops=probability, **options)


def places(size=SIZE):
    """An image that tells the row and column of each pixel, none of them black."""
    rows, columns = np.indices(size, dtype=np.uint8)
    return np.stack([rows, columns, np.full_like(rows, 99)], axis=-1)


def label_of(*pixels, rest=0, size=SIZE):
    label = np.full(size, rest, np.uint8)
    for y, x, c in pixels:
        label[y, x] = c
    return label


@pytest.mark.parametrize("pixel", [(0, 0), (0, 47), (31, 0), (31, 47), (13, 20), (1, 2), (30, 45)])
@pytest.mark.parametrize("crop", [(1, 1), (4, 6), (32, 6), (32, 48)])
def test_it_holds_the_only_labelled_pixel_wherever_that_is(pixel, crop):
    label = label_of((*pixel, 3), rest=VOID)
    transform, starts = crops(1.0, crop), set()
    for seed in range(120):
        image, cropped = transform(places(), label, seed)
        assert cropped.shape == crop == image.shape[:2]
        assert (cropped == 3).sum() == 1
        top, left = (int(n) for n in image[0, 0, :2])
        np.testing.assert_array_equal(image, places()[top : top + crop[0], left : left + crop[1]])
        np.testing.assert_array_equal(cropped, label[top : top + crop[0], left : left + crop[1]])
        starts.add((top, left))
    if crop == (4, 6):  # each place that holds the pixel and lies inside
        rows = range(max(0, pixel[0] - 3), min(pixel[0], 28) + 1)
        columns = range(max(0, pixel[1] - 5), min(pixel[1], 42) + 1)
        assert starts == {(row, column) for row in rows for column in columns}


def test_classes_are_drawn_evenly_and_void_never():
    """Class 5 has two pixels, 0 a thousand; crops of one pixel tell the class."""
    label = np.full(SIZE, VOID, np.uint8)
    label[:, :30] = 0
    label[3:9, 40:44] = 2
    label[20, 45] = label[31, 47] = 5
    transform = crops(1.0, (1, 1))
    drawn = [int(transform(places(), label, seed)[1][0, 0]) for seed in range(1500)]
    assert set(drawn) == {0, 2, 5}
    spread = np.sqrt(1500 * (1 / 3) * (2 / 3))
    for c in (0, 2, 5):
        assert abs(drawn.count(c) - 500) < 4 * spread


def test_pixels_of_a_class_are_drawn_evenly():
    label = label_of((0, 0, 1), (13, 20, 1), (31, 47, 1), rest=VOID)
    transform = crops(1.0, (1, 1))
    rows = [int(transform(places(), label, seed)[0][0, 0, 0]) for seed in range(600)]
    for row in (0, 13, 31):
        assert abs(rows.count(row) - 200) < 4 * np.sqrt(600 * (1 / 3) * (2 / 3))


@pytest.mark.parametrize("probability", [0.25, 0.75])
def test_its_probability_is_honoured(probability):
    label, count = label_of((13, 20, 3), rest=VOID), 1500
    transform = crops(probability, (1, 1))
    held = sum(transform(places(), label, seed)[1][0, 0] == 3 for seed in range(count))
    expected = probability + (1 - probability) / label.size
    assert abs(held - count * expected) < 4 * np.sqrt(count * expected * (1 - expected))


def test_an_image_of_void_is_cropped_at_random():
    label = np.full(SIZE, VOID, np.uint8)
    corners = set()
    for seed in range(400):
        image, cropped = crops(1.0)(places(), label, seed)
        assert (cropped == VOID).all()
        corners.add(tuple(image[0, 0, :2].tolist()))
    assert len(corners) > 250
    assert {row for row, _ in corners} == set(range(29))
    assert {column for _, column in corners} == set(range(43))


@pytest.mark.parametrize("scale", [0.4, 0.75])
def test_padding_counts_as_void(scale):
    """An image smaller than the crop, in one direction or in both."""
    label = np.full(SIZE, 4, np.uint8)
    seen = 0
    for seed in range(40):
        image, cropped = crops(1.0, (20, 30), scale=(scale, scale))(places() + 1, label, seed)
        np.testing.assert_array_equal(image.max(axis=-1) == 0, cropped == VOID)
        assert (cropped == 4).any()
        seen += (cropped == VOID).any()
    assert seen == (40 if scale == 0.4 else 0)


def test_padding_of_one_side_alone():
    """A wide crop of a high image: padded to the width, cropped along the height."""
    label = label_of((25, 3, 7), rest=VOID, size=(48, 8))
    for seed in range(40):
        image, cropped = crops(1.0, (6, 20), size=(48, 8))(places((48, 8)), label, seed)
        assert cropped.shape == (6, 20)
        assert (cropped == 7).sum() == 1
        assert tuple(image[cropped == 7][0, :2]) == (25, 3)


def test_image_and_labels_stay_aligned_through_all_else():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 9, SIZE).astype(np.uint8)
    image = np.stack([label * 20 + 20, 230 - label * 20, np.full_like(label, 99)], axis=-1)
    flipped = 0
    for seed in range(40):
        new_image, new_label = crops(0.5, (16, 24), flip=0.5)(image, label, seed)
        np.testing.assert_array_equal(new_image[..., 0], new_label * 20 + 20)
        np.testing.assert_array_equal(new_image[..., 1], 230 - new_label * 20)
        straight = crops(0.5, (16, 24), flip=0.0)(image, label, seed)[1]
        flipped += not np.array_equal(new_label, straight)
    assert 8 < flipped < 32


def test_equal_seeds_give_equal_crops_and_the_input_is_left_alone():
    label = np.random.default_rng(0).integers(0, 9, SIZE).astype(np.uint8)
    image, before = places(), label.copy()
    for seed in range(10):
        a, b = crops(0.5)(image, label, seed), crops(0.5)(image, label, seed)
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_array_equal(label, before)
    np.testing.assert_array_equal(image, places())


def test_a_class_crop_that_is_not_taken_is_the_plain_one():
    """Of the same seed: what comes before the choice is the same."""
    label = np.zeros(SIZE, np.uint8)
    for seed in range(20):
        never = crops(1e-12)(places(), label, seed)
        np.testing.assert_array_equal(never[0], crops(0.0)(places(), label, seed)[0])


@pytest.fixture
def streets(tmp_path, monkeypatch):
    return layouts.tiny("streets", tmp_path, monkeypatch)


def test_the_filler_and_void_as_a_class_go_through_it(streets):
    data = streets(class_crops=1.0, crop=(8, 12), void="train")
    dataset = data.train_dataloader().dataset
    assert isinstance(dataset, SegDataset)
    filler = dataset[0, FILLER, 0]
    assert (filler["target"] == VOID).all()
    assert filler["name"] == ""
    for index in range(len(dataset)):
        target = dataset[0, index, 0]["target"]
        assert target.shape == (8, 12)
        assert (target != VOID).any()


def test_rare_classes_are_seen_in_more_crops(streets):
    def held(probability):
        data = streets(class_crops=probability, crop=(8, 12), scale=(1.0, 1.0))
        dataset = data.train_dataloader().dataset
        targets = [dataset[epoch, index, 0]["target"] for epoch in range(60) for index in range(8)]
        rare = (8, 9, 10, 11)  # the tail of streets
        return sum(any((target == c).any() for c in rare) for target in targets)

    assert held(1.0) > 1.2 * held(0.0) > 0
