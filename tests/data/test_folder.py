"""A user's own folder as a DataModule: from one YAML to batches and counts."""

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from PIL import Image

from lit_seg.data import DATASETS, Folder, SegDataModule
from lit_seg.metrics.labels import VOID
from tests.data.layout_of_folder import (
    COLOURS,
    NAMES,
    folder,
    palette_png,
    stems,
    write_folder,
    write_pair,
)
from tests.data.layouts import save

RED, BLUE = [255, 0, 0], [0, 0, 255]
SIZES = [(12, 16), (16, 12), (7, 30), (40, 40), (12, 17), (5, 5)]
HALF = {"train": 0.5, "val": 0.5}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Images of six sizes in which no pixel is black or void."""
    root = tmp_path_factory.mktemp("mixed")
    for i, size in enumerate(SIZES * 2):
        write_pair(root, f"images/{i:02}.png", f"masks/{i:02}.png", size, seed=i)
    (root / "train.txt").write_text("\n".join(f"{i:02}" for i in range(6)))
    (root / "val.txt").write_text("\n".join(f"{i:02}" for i in range(6, 12)))
    return root


def dumped(options):
    data = {"class_path": "lit_seg.data.Folder", "init_args": options}
    return yaml.safe_dump({"data": data}, sort_keys=False)


def parsed(tmp_path, text):
    """What the command line makes of a YAML file."""
    parser = ArgumentParser()
    parser.add_subclass_arguments(SegDataModule, "data")
    (tmp_path / "mine.yaml").write_text(text)
    parser.add_argument("--config", action="config")
    return parser.instantiate_classes(
        parser.parse_args(["--config", str(tmp_path / "mine.yaml")])
    ).data


def test_folder_is_a_dataset_of_the_project():
    assert DATASETS["folder"] is Folder
    with pytest.raises(ValueError, match=r"`height` must be .*differ in size"):
        Folder(ids=NAMES)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"ids": NAMES}, NAMES),
        ({"ids": {"sky": 0, "rest": [1, 2]}}, ["sky", "rest"]),
        ({"ids": {"sky": [0], "car": 2}, "ignore": [1]}, ["sky", "car"]),
        ({"ids": NAMES, "colours": COLOURS}, NAMES),
    ],
)
def test_ids_come_through_yaml(tmp_path, options, names):
    write_folder(tmp_path)
    init = {"root": str(tmp_path), "height": 12, "width": 16, **options}
    text = dumped(init)
    data = parsed(tmp_path, text)
    assert data.class_names == names
    assert len(data.palette) == len(names)
    label = data.split("train").load(0)[1]
    void = {VOID} if "ignore" in options else set()
    assert set(label.ravel().tolist()) == {*range(len(names))} | void


@pytest.mark.parametrize(
    ("colours", "ignore"),
    [
        ({"a": [1, 2, 3], "b": [4, 5, 6]}, None),
        ({"a": [[1, 2, 3], [7, 8, 9]], "b": [4, 5, 6, 255]}, [[0, 0, 0]]),
        ({"a": [1, 2, 3], "b": [4, 5, 6]}, [[0, 0, 0, 0], [9, 9, 9]]),
    ],
)
def test_colours_come_through_yaml(tmp_path, colours, ignore):
    values = [[1, 2, 3], [4, 5, 6]]
    write_folder(tmp_path, values=values)
    options = {"root": str(tmp_path), "height": 12, "width": 16, "colours": colours}
    options |= {"ignore": ignore} if ignore else {}
    text = dumped(options)
    data = parsed(tmp_path, text)
    assert data.palette == [(1, 2, 3), (4, 5, 6)]
    assert set(data.split("train").load(0)[1].ravel().tolist()) == {0, 1}


def test_splits_come_through_yaml(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "held.txt").write_text("a\nb")
    data = parsed(
        tmp_path,
        f"""
data:
  class_path: lit_seg.data.Folder
  init_args:
    root: {tmp_path}
    ids: [sky, road, car]
    splits: {{train: .75, val: 0.25, test: held.txt}}
    height: 12
    width: 16
    fit: stretch
    void: train
    sampling: {{class_path: lit_seg.data.sampling.RepeatFactor}}
""",
    )
    assert stems(data, "test") == ["a", "b"]
    assert len(stems(data, "train")) == 6
    assert data.fit == "stretch"
    assert data.class_names == [*NAMES, "void"]
    assert len(next(iter(data.train_dataloader()))["name"]) == 6


def test_samples_are_what_the_files_hold(tmp_path):
    write_folder(tmp_path, "abcd")
    data = folder(tmp_path, splits=HALF)
    for batch in data.val_dataloader():
        for name, image, target in zip(*map(batch.get, ("name", "image", "target")), strict=True):
            assert name.startswith("images/")
            stem = name.removeprefix("images/")
            stored = np.asarray(Image.open(tmp_path / f"images/{stem}.png"))
            np.testing.assert_array_equal(image.permute(1, 2, 0), stored)
            mask = np.asarray(Image.open(tmp_path / f"masks/{stem}.png"))
            np.testing.assert_array_equal(target, mask)


def test_kinds_of_masks_may_be_mixed(tmp_path):
    """Each mask of a folder is read by what it holds."""
    write_folder(tmp_path, "abcd")
    stored = np.asarray(Image.open(tmp_path / "masks/a.png"))
    save(tmp_path / "masks/b.png", stored.astype(np.uint16))
    palette_png(tmp_path / "masks/c.png", stored, [*RED, *BLUE, 1, 2, 3])
    (tmp_path / "masks/d.png").unlink()
    save(tmp_path / "masks/d.tif", stored)
    data = folder(tmp_path, splits={"train": 0.75, "val": 0.25})
    for name in ("train", "val"):
        split = data.split(name)
        for i in range(len(split)):
            np.testing.assert_array_equal(split.label(i), stored)


# void


@pytest.mark.parametrize(
    "options", [{"ids": ["sky", "road"], "ignore": [2]}, {"ids": {"sky": 0, "road": 1}}]
)
def test_void_pixels_train_as_one_more_class(tmp_path, options):
    write_folder(tmp_path, values=(0, 1, 2 if "ignore" in options else 255))
    plain = folder(tmp_path, **options)
    assert plain.class_names == ["sky", "road"]
    assert plain.val_dataloader().dataset[0, 0, 0]["target"].unique().tolist() == [0, 1, VOID]
    trained = folder(tmp_path, void="train", **options)
    assert trained.class_names == ["sky", "road", "void"]
    assert trained.val_dataloader().dataset[0, 0, 0]["target"].unique().tolist() == [0, 1, 2]
    assert plain.class_counts.pixels == trained.class_counts.pixels[:2]
    assert sum(trained.class_counts.pixels) == 12 * 16 * 8


def test_254_classes_and_void_train(tmp_path):
    """Class 254 is void; 255 is what neither loss nor metric looks at."""
    write_folder(tmp_path, "ab", size=(16, 16), values=range(256))
    names = [f"c{i}" for i in range(254)]
    options = {"ids": names, "ignore": [254], "height": 16, "width": 16, "splits": HALF}
    data = folder(tmp_path, void="train", **options)
    assert len(data.class_counts) == 255
    assert data.class_counts.pixels == (*[1] * 254, 2)
    assert data.val_dataloader().dataset[0, 0, 0]["target"].unique().tolist() == [*range(255)]


# sizes


def test_padding_alone_is_void(mixed):
    data = folder(mixed, height=24, width=32)
    assert data.fit == "pad"
    sizes = set()
    for index, (height, width) in enumerate(SIZES):
        sample = data.val_dataloader().dataset[0, index, 0]
        image, target = sample["image"], sample["target"]
        assert image.shape == (3, 24, 32)
        factor = min(24 / height, 32 / width)
        rows, columns = round(height * factor), round(width * factor)
        inner = target[:rows, :columns]
        assert inner.unique().tolist() == [0, 1, 2]
        assert (target == VOID).sum() == 24 * 32 - rows * columns
        assert image[:, target == VOID].sum() == 0
        assert image[:, :rows, :columns].amax(dim=0).min() > 0
        sizes.add((rows, columns))
    assert len(sizes) > 3


def test_stretching_leaves_no_void_and_makes_no_class(mixed, tmp_path):
    data = folder(mixed, height=24, width=32, fit="stretch")
    for batch in data.val_dataloader():
        assert batch["image"].shape[1:] == (3, 24, 32)
        assert batch["target"].unique().tolist() == [0, 1, 2]


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_masks_are_never_interpolated(tmp_path, fit):
    """Between 0 and 200 nothing may appear, neither in evaluation nor in training."""
    for i, size in enumerate(SIZES):
        write_pair(tmp_path, f"images/{i}.png", f"masks/{i}.png", size, i, (0, 200))
    ids = {f"c{i}": i for i in range(201)}
    splits = {"train": 0.5, "val": 0.5}
    data = folder(tmp_path, ids=ids, height=19, width=23, fit=fit, splits=splits, crop=(15, 15))
    for loader in (data.train_dataloader(), data.val_dataloader()):
        for _ in range(3):
            for batch in loader:
                assert set(batch["target"].unique().tolist()) <= {0, 200, VOID}


def test_training_batches_are_of_one_size(mixed):
    data = folder(mixed, height=24, width=32, crop=(20, 28), scale=(0.5, 2.0), class_crops=0.5)
    shapes = {tuple(batch["image"].shape) for batch in data.train_dataloader()}
    assert shapes == {(2, 3, 20, 28)}


# counts


def test_counts_are_of_the_stored_masks(mixed):
    """Not of padded or resized ones."""
    pixels = folder(mixed).class_counts.pixels
    assert sum(pixels) == sum(height * width for height, width in SIZES)
    split = folder(mixed).split("train")
    labels = [split.label(i).ravel() for i in range(len(split))]
    assert list(pixels) == np.bincount(np.concatenate(labels), minlength=3).tolist()


def test_counts_are_made_again_when_a_mask_changes_but_not_its_size(tmp_path):
    write_folder(tmp_path, "ab")
    (tmp_path / "train.txt").write_text("a")
    (tmp_path / "val.txt").write_text("b")
    path = tmp_path / "masks" / "a.png"
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(path, compress_level=0)
    assert folder(tmp_path).class_counts.pixels == (192, 0, 0)
    size = path.stat().st_size
    Image.fromarray(np.full((12, 16), 2, np.uint8)).save(path, compress_level=0)
    assert path.stat().st_size == size
    assert folder(tmp_path).class_counts.pixels == (0, 0, 192)


@pytest.mark.parametrize(
    ("options", "pixels"),
    [
        ({"ids": {"a": [0, 1], "b": 2}}, (128, 64)),
        ({"ids": {"a": 0, "b": [1, 2]}}, (64, 128)),
        ({"ids": ["a", "b"], "ignore": [2]}, (64, 64)),
        ({"ids": {"b": 2, "a": 0}, "ignore": [1]}, (64, 64)),
    ],
)
def test_counts_are_made_again_for_other_classes(tmp_path, options, pixels):
    write_folder(tmp_path, "ab")
    (tmp_path / "train.txt").write_text("a")
    (tmp_path / "val.txt").write_text("b")
    for other in ({"ids": {"a": [0, 2], "b": 1}}, options):
        counts = folder(tmp_path, **other).class_counts.pixels
    assert counts == pixels


def test_colours_and_ids_do_not_share_counts():
    ids = folder("x", ids={"a": 0, "b": 1}, name="x")._classes.read.meaning
    colours = folder("x", colours={"a": RED, "b": BLUE})._classes.read.meaning
    alpha = folder("x", colours={"a": [*RED, 255], "b": [*BLUE, 255]})._classes.read.meaning
    void = folder("x", ids={"a": 0, "b": 1}, ignore=[2])._classes.read.meaning
    assert len({ids, colours, alpha, void}) == 4


def test_rare_classes_are_sampled(tmp_path):
    from lit_seg.data.sampling import ClassAware

    write_folder(tmp_path, values=(0, 1))
    save(tmp_path / "masks/a.png", np.full((12, 16), 2, np.uint8))
    (tmp_path / "train.txt").write_text("\n".join("abcdefgh"))
    data = folder(tmp_path, sampling=ClassAware(temperature=0.01))
    names = [name for batch in data.train_dataloader() for name in batch["name"]]
    assert names.count("images/a") > 4


def test_workers_load_the_same(mixed):
    def first(workers):
        return next(iter(folder(mixed, num_workers=workers).train_dataloader()))

    assert torch.equal(first(0)["image"], first(1)["image"])
    assert torch.equal(first(0)["target"], first(1)["target"])
