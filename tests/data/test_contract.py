"""What every dataset promises, run on a tiny copy of each that ``lit_seg.data`` offers."""

import pickle
from itertools import islice

import numpy as np
import pytest
import torch

from lit_seg.data import DATASETS
from lit_seg.data.counting.count import class_counts
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.transforms import EvalTransform
from lit_seg.metrics.labels import VOID
from tests.data import layouts


@pytest.fixture(scope="module", params=[*DATASETS, "nyuv2:mat", "nyuv2:mtan"])
def make(request, tmp_path_factory):
    """Makes the DataModule, with options if given."""
    with pytest.MonkeyPatch.context() as patch:
        yield layouts.tiny(request.param, tmp_path_factory.mktemp("data"), patch)


def samples(loader, count=6, epoch=0):
    """The first samples of an epoch as (name, image, target), whatever the batches were."""
    if hasattr(loader.sampler, "set_epoch"):
        loader.sampler.set_epoch(epoch)
    found = []
    for batch in islice(loader, -(-count // loader.batch_size)):
        found += zip(batch["name"], batch["image"], batch["target"], strict=True)
    return found[:count]


def equal(first, second):
    assert len(first) == len(second)
    return all(
        a[0] == b[0] and torch.equal(a[1], b[1]) and torch.equal(a[2], b[2])
        for a, b in zip(first, second, strict=True)
    )


def test_samples_have_the_promised_types_and_labels(make):
    data = make(height=16, width=24)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.predict_dataloader()):
        for batch in islice(loader, 3):
            assert set(batch) == {"image", "target", "name"}
            assert batch["image"].shape[1:] == (3, 16, 24)
            assert batch["image"].dtype == torch.uint8
            assert batch["target"].shape[1:] == (16, 24)
            assert batch["target"].dtype == torch.uint8
            assert data.on_after_batch_transfer(batch, 0)["target"].dtype == torch.int64
            assert len(batch["image"]) == len(batch["target"]) == len(batch["name"])
            assert all(isinstance(name, str) and name for name in batch["name"])
            legal = {*range(len(data.class_names)), VOID}
            assert set(batch["target"].unique().tolist()) <= legal


def test_size_is_native_unless_asked_for(make):
    image, target = samples(make().val_dataloader(), 1)[0][1:]
    assert image.shape[1:] == target.shape == make().native_size


@pytest.mark.parametrize("void", ["ignore", "train"])
def test_facts_agree_with_each_other(make, void):
    data = make(void=void)
    names, palette, counts = data.class_names, data.palette, data.class_counts
    assert len(names) == len(palette) == len(counts)
    assert len(set(names)) == len(names)
    assert len(set(palette)) == len(palette)
    assert all(0 <= channel <= 255 for colour in palette for channel in colour)
    assert all(pixels > 0 for pixels in counts.pixels)


def test_training_void_adds_one_class_at_the_end(make):
    ignoring, training = make(), make(void="train")
    assert training.class_names == [*ignoring.class_names, "void"]
    assert training.palette[:-1] == ignoring.palette
    counted = class_counts(ignoring.image_counts)  # what is published is of the whole set
    assert training.class_counts.pixels[:-1] == counted.pixels
    assert training.class_counts.pixels[-1] == ignoring.image_counts[:, -1].sum()
    whole = ignoring.image_counts.sum(axis=1)
    assert training.class_counts.image_pixels[0] == whole[ignoring.image_counts[:, 0] > 0].sum()


def test_training_void_trains_void_pixels_but_not_padding(make):
    options = {"scale": (0.5, 0.5), "jitter": 0.0}
    ignored = samples(make(**options).train_dataloader())
    trained = samples(make(void="train", **options).train_dataloader())
    num_classes = len(make().class_names)
    void_pixels = 0
    for (_, image, old), (_, _, new) in zip(ignored, trained, strict=True):
        assert torch.equal(old[old != VOID], new[old != VOID])
        assert set(new[old == VOID].tolist()) <= {num_classes, VOID}
        assert (new == VOID).sum() == new.numel() * 3 // 4  # half the height and half the width
        assert image[:, new == VOID].max() == 0
        void_pixels += (new == num_classes).sum()
    assert void_pixels > 0


def test_training_void_in_evaluation_leaves_no_void(make):
    targets = torch.stack([s[2] for s in samples(make(void="train").val_dataloader())])
    assert targets.max() == len(make().class_names)


def test_training_is_a_function_of_seed_and_epoch(make):
    first = samples(make(seed=3).train_dataloader(), epoch=2)
    assert equal(first, samples(make(seed=3).train_dataloader(), epoch=2))
    assert not equal(first, samples(make(seed=4).train_dataloader(), epoch=2))
    assert not equal(first, samples(make(seed=3).train_dataloader(), epoch=1))


def test_every_sample_of_every_epoch_has_an_augmentation_of_its_own(make):
    """Were it of the epoch alone, all images would be cropped at the same place."""
    seeds = []

    def spy(image, label, seed):
        seeds.append(seed)
        return image, label

    for seed in (0, 1):
        dataset = make(seed=seed).train_dataloader().dataset
        dataset.transform = spy
        for epoch in range(3):
            for index in range(5):
                dataset[epoch, index, 0]
    assert len(set(seeds)) == 2 * 3 * 5


def test_epochs_and_seeds_augment_the_same_image_differently(make):
    data = make()
    for other in (make(seed=1).train_dataloader().dataset, data.train_dataloader().dataset):
        epoch = 1 if other.seed == 0 else 0
        first = data.train_dataloader().dataset[0, 5, 0]["image"]
        assert not torch.equal(first, other[epoch, 5, 0]["image"])


def test_augmentation_knows_neither_workers_nor_batches_nor_global_seeds(make):
    alone = samples(make().train_dataloader(), epoch=1)
    assert equal(alone, samples(make(num_workers=2).train_dataloader(), epoch=1))
    torch.manual_seed(99)
    np.random.seed(99)
    assert equal(alone, samples(make(batch_size=3).train_dataloader(), epoch=1))


def test_a_sample_does_not_depend_on_those_before_it(make):
    data = make().train_dataloader().dataset
    fresh = make().train_dataloader().dataset[0, 4, 0]
    for index in (2, 0, 4, 4):
        last = data[0, index, 0]
    assert torch.equal(fresh["image"], last["image"])
    assert torch.equal(fresh["target"], last["target"])


def test_loading_leaves_global_random_state_alone(make):
    torch.manual_seed(0)
    before = torch.get_rng_state(), np.random.get_state(legacy=False)
    samples(make().train_dataloader())
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_equal(np.random.get_state(legacy=False), before[1])


def test_training_batches_are_full(make):
    """Else ranks could end an epoch after different numbers of steps."""
    assert {len(batch["name"]) for batch in make(batch_size=5).train_dataloader()} == {5}


def test_training_at_scale_one_shows_what_evaluation_shows(make):
    height, width = make().native_size
    data = make(height=height // 2, width=width // 2, scale=(1.0, 1.0), flip=0.0, jitter=0.0)
    dataset = data.train_dataloader().dataset
    for i in range(3):
        resized = EvalTransform(data.height, data.width)(*dataset.split.load(i))
        np.testing.assert_array_equal(dataset[0, i, 0]["image"].permute(1, 2, 0), resized[0])
        np.testing.assert_array_equal(dataset[0, i, 0]["target"], resized[1])


def test_evaluation_knows_no_seed(make):
    assert equal(samples(make(seed=0).val_dataloader()), samples(make(seed=7).val_dataloader()))


def test_evaluation_sees_the_split_untouched_and_in_order(make):
    """Also after training from it: a split may keep its images in memory."""
    data = make()
    samples(data.train_dataloader(), 8)
    split = data.split("val")
    for i, (name, image, target) in enumerate(samples(data.val_dataloader(), 3)):
        assert name == split.name(i)
        original, label = split.load(i)
        np.testing.assert_array_equal(image.permute(1, 2, 0), original)
        np.testing.assert_array_equal(target, label)
    fresh, train = make().split("train"), data._split("train")
    for i in range(6):
        np.testing.assert_array_equal(fresh.load(i)[0], train.load(i)[0])
        np.testing.assert_array_equal(fresh.load(i)[1], train.load(i)[1])


def test_training_and_validation_share_no_image(make):
    data = make()
    train, val = data.split("train"), data.split("val")
    if hasattr(train, "images"):  # rendered
        assert not any(np.array_equal(t, v) for t in train.images for v in val.images)
        return
    if hasattr(train, "pairs"):
        assert not {image for image, _ in train.pairs} & {image for image, _ in val.pairs}
    names = [split.name(i) for split in (train, val) for i in range(len(split))]
    assert len(set(names)) == len(names)


def test_bad_options_are_named(make):
    for name, value in (
        *(("batch_size", 0), ("height", -1), ("num_workers", -1), ("scale", (0.0, 1.0))),
        *(("scale", (2.0, 1.0)), ("flip", 1.5), ("jitter", 1.0), ("void", "drop")),
    ):
        with pytest.raises(ValueError, match=name):
            make(**{name: value})


def test_labels_alone_are_those_of_the_sample(make):
    data = make()
    for name in ("train", "val"):
        split = data.split(name)
        for i in range(0, len(split), max(1, len(split) // 3)):
            image, label = split.load(i)
            assert image.dtype == label.dtype == np.uint8
            assert image.shape == (*label.shape, 3)
            np.testing.assert_array_equal(split.label(i), label)


def test_counts_are_those_of_the_labels(make):
    data = make()
    classes, split = len(data.names), data.split("train")
    expected = np.zeros((len(split), classes + 1), np.int64)
    for i in range(len(split)):
        for value, number in zip(*np.unique(split.label(i), return_counts=True), strict=True):
            expected[i, classes if value == VOID else value] = number
    np.testing.assert_array_equal(data.image_counts, expected)
    assert expected[:, classes].any()
    counted = data if data.counts is None else make(count_labels=True)
    assert counted.class_counts.pixels == tuple(expected[:, :classes].sum(axis=0))


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_validate_every_image_once_and_train_none_twice(make, ranks, monkeypatch):
    scored, trained = [], []
    for rank in range(ranks):
        monkeypatch.setattr(
            "lit_seg.data.resumable.rank_and_ranks", lambda rank=rank: (rank, ranks)
        )
        data = make(batch_size=1)
        scored += [name for batch in data.val_dataloader() for name in batch["name"] if name]
        trained += [index for _, index, _ in data.train_dataloader().sampler]
    split = data.split("val")
    assert sorted(scored) == sorted(split.name(i) for i in range(len(split)))
    assert len(set(scored)) == len(scored)
    assert len(set(trained)) == len(trained) == len(data.split("train")) // ranks * ranks


@pytest.mark.parametrize("void", ["ignore", "train"])
def test_labels_are_written_as_the_dataset_stores_them(make, void):
    """Predictions are read back by the map that reads the dataset's own label files."""
    data = make(void=void)
    ids, read = data.data_format.ids, getattr(data.split("val"), "read_label", None)
    assert len(ids) == len(data.class_names)
    if not isinstance(read, LabelMap):  # colours, arrays, or rendered: there are no files of ids
        assert ids in (list(range(len(ids))), [*range(len(ids) - 1), VOID], _ids_of_nyuv2(data))
        return
    read_back = read.map(np.array([ids], np.uint16), "predictions")[0].tolist()
    expected = list(range(len(data.names)))
    assert read_back == [*expected, *([VOID] if void == "train" else [])]


def _ids_of_nyuv2(data):
    """Those of the PNGs, also where the labels come from the .mat or from arrays."""
    return [*range(1, len(data.names) + 1), *([0] if data.void == "train" else [])]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ids": {"a": 7, "b": [300, 301]}, "ignore": 9}, [7, 300, 9]),
        ({"ids": {"a": 0, "b": [254, 255]}, "ignore": 9}, [0, 254, 9]),
        ({"ids": {"a": -1, "b": 1}}, [0, 1, 255]),  # no PNG holds -1
        ({"colours": {"a": [0, 0, 0], "b": [9, 9, 9]}}, [0, 1, 255]),
    ],
)
def test_the_ids_of_own_masks(options, expected, tmp_path):
    data = DATASETS["folder"](root=str(tmp_path), height=8, width=8, void="train", **options)
    assert data.data_format.ids == expected


def test_a_split_travels_to_other_processes(make):
    for name in ("train", "val"):
        split = make().split(name)
        split.load(0)
        copy = pickle.loads(pickle.dumps(split))
        assert len(copy) == len(split)
        np.testing.assert_array_equal(copy.load(1)[0], split.load(1)[0])


def test_nothing_is_written_into_the_data(make):
    def state():
        return {path: path.lstat().st_mtime_ns for path in data.root.rglob("*")}

    data = make(num_workers=1)
    before = state()
    assert data.class_counts
    assert data.image_counts.any()
    samples(data.train_dataloader())
    samples(data.val_dataloader())
    assert state() == before


def test_the_card_tells_what_a_user_must_know(make):
    card = make().card
    for text in (card.what, card.licence, card.citation, card.how_to_get):
        assert text == " ".join(text.split())
        assert text
    assert len(card.what) < 90
    assert set(card.images) <= {"train", "val", "test"}
