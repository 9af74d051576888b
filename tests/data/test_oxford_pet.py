"""Oxford-IIIT Pet: trimaps to classes, splits; on real photos too where $DATA_ROOT has them."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lit_seg.data.counting.count import count_images
from lit_seg.data.datasets.oxford_pet import OxfordPet
from lit_seg.data.splits import random_parts
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layout_of_oxford_pet as layout

# stored value: class, as in annotations/README of the dataset
OFFICIAL = {1: "pet", 2: "background", 3: "border"}

# the validation photos of the fixture
DRAWN = {
    "official": ["Abyssinian_1", "Abyssinian_12", "pug_22", "pug_25", "pug_30", "pug_5"],
    "pat": ["Abyssinian_100", "pug_109"],
}

REAL = Path(os.environ.get("DATA_ROOT", "data")) / "oxford_pet"


def module(root, **options):
    return OxfordPet(root=str(root), height=16, width=16, **options)


def names_of(split):
    return [split.name(i) for i in range(len(split))]


def splits_of(data):
    return {name: names_of(data.split(name)) for name in ("train", "val", "test")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("oxford_pet")
    layout.write(root)
    return root


@pytest.fixture
def mine(tmp_path):
    """One that a test may spoil."""
    layout.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("border", ["class", "void"])
def test_stored_values_become_the_official_classes(root, border):
    data = module(root, border=border)
    for name in ("train", "val", "test"):
        split = data.split(name)
        stored = np.asarray(Image.open(split.pairs[0][1]))
        label = split.load(0)[1]
        for value, class_name in OFFICIAL.items():
            (found,) = set(label[stored == value].tolist())
            if border == "void" and value == 3:
                assert found == VOID
            else:
                assert data.class_names[found] == class_name


def test_border_as_void_leaves_two_classes(root):
    three, two = module(root), module(root, border="void")
    assert three.class_names == ["pet", "background", "border"]
    assert two.class_names == ["pet", "background"]
    assert two.palette == three.palette[:2]
    assert len(set(three.palette)) == 3
    assert (0, 0, 0) not in three.palette
    assert module(root, border="void", void="train").class_names == ["pet", "background", "void"]
    assert module(root).class_names == ["pet", "background", "border"]  # untouched by the others


def test_counts_of_one_border_are_not_taken_for_the_other(root, monkeypatch, tmp_path):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path))
    three, two = module(root), module(root, border="void")
    assert three.label_meaning != two.label_meaning
    assert three.class_counts.pixels == (54 * 64,) * 3
    assert two.class_counts.pixels == (54 * 64,) * 2
    assert two.image_counts[:, -1].sum() == 54 * 64


def test_an_image_that_lacks_a_class_keeps_the_numbers_of_the_others(mine):
    """PAT's code numbers the values of each image anew: border would become background."""
    split = module(mine).split("test")
    trimap = np.repeat([1, 3], 96).reshape(layout.SIZE).astype(np.uint8)
    Image.fromarray(trimap).save(split.pairs[0][1])
    np.testing.assert_array_equal(split.load(0)[1], np.where(trimap == 1, 0, 2))


def test_the_official_test_list_is_for_testing_alone(root):
    splits = splits_of(module(root))
    assert splits["test"] == sorted(layout.TEST)
    assert sorted(splits["train"] + splits["val"]) == sorted(layout.TRAINVAL)
    assert (len(splits["train"]), len(splits["val"])) == (54, 6)
    assert all(stems == sorted(stems) for stems in splits.values())


def test_pat_trains_on_trainval_and_eight_tenths_of_the_test_list(root):
    splits = splits_of(module(root, protocol="pat"))
    assert set(layout.TRAINVAL) < set(splits["train"])
    everything = [stem for stems in splits.values() for stem in stems]
    assert sorted(everything) == sorted(layout.TRAINVAL + layout.TEST)
    assert [len(stems) for stems in splits.values()] == [60 + 20, 2, 2]


@pytest.mark.parametrize("protocol", ["official", "pat"])
def test_the_draw_mixes_breeds_and_never_changes(root, protocol):
    """Were it another one, scores of older runs would be of photos that are trained on now."""
    val = splits_of(module(root, protocol=protocol))["val"]
    assert val == DRAWN[protocol]


def test_seeds_and_the_order_of_the_lists_change_no_split(mine):
    before = splits_of(module(mine, protocol="pat")), splits_of(module(mine))
    layout.write_list(mine, "trainval", layout.TRAINVAL[::-1])
    layout.write_list(mine, "test", layout.TEST[::-1])
    np.random.seed(5)
    data = module(mine, protocol="pat", seed=3)
    assert (splits_of(data), splits_of(module(mine, seed=7))) == before


@pytest.mark.parametrize("size", [3669, 24, 11, 13, 19])
def test_parts_have_the_sizes_of_random_split(size):
    parts = random_parts(range(size), (8, 1, 1))
    expected = torch.utils.data.random_split(range(size), [0.8, 0.1, 0.1])
    assert [len(part) for part in parts] == [len(part) for part in expected]
    assert sorted(i for part in parts for i in part) == list(range(size))


def test_the_card_states_the_sizes_of_the_official_lists():
    train, val = random_parts(range(3680), (9, 1))
    assert OxfordPet.card.images == {"train": len(train), "val": len(val), "test": 3669}


def test_the_layout_of_torchvision_is_found(root, tmp_path):
    shutil.copytree(root, tmp_path / "oxford-iiit-pet")
    assert splits_of(module(tmp_path)) == splits_of(module(root))
    assert module(tmp_path).split("val").pairs[0][0].is_relative_to(tmp_path / "oxford-iiit-pet")


@pytest.mark.parametrize("protocol", ["official", "pat"])
def test_only_listed_photos_are_read(root, protocol):
    """The archives also hold ``._*.png``, a ``.mat`` and photos without a place in the lists."""
    assert (root / "annotations" / "trimaps" / f"._{layout.TEST[0]}.png").exists()
    assert (root / "images" / f"{layout.UNLISTED}.jpg").exists()
    data = module(root, protocol=protocol)
    for name, stems in splits_of(data).items():
        assert layout.UNLISTED not in stems
        assert not any(stem.startswith(".") for stem in stems)
        for i in range(len(stems)):
            data.split(name).load(i)


def test_comments_and_blank_lines_of_lists_are_skipped(mine):
    layout.write_list(mine, "test", ["#Image", *layout.TEST])
    with (mine / "annotations" / "test.txt").open("a") as file:
        file.write("\n  \n")
    assert splits_of(module(mine))["test"] == sorted(layout.TEST)


def test_pictures_of_other_formats_named_jpg_are_read_in_colour(mine):
    split = module(mine).split("test")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*layout.SIZE, 4), np.uint8)
    Image.fromarray(pixels).save(split.pairs[0][0], format="PNG")
    np.testing.assert_array_equal(split.load(0)[0], pixels[..., :3])
    gif = Image.fromarray(pixels[..., :3]).quantize(64)
    gif.save(split.pairs[1][0], format="GIF")
    image = split.load(1)[0]
    assert image.shape == (*layout.SIZE, 3)
    np.testing.assert_array_equal(image, np.asarray(gif.convert("RGB")))
    Image.fromarray(pixels[..., 0]).save(split.pairs[2][0], format="JPEG")
    assert split.load(2)[0].shape == (*layout.SIZE, 3)


@pytest.mark.parametrize("border", ["class", "void"])
@pytest.mark.parametrize("value", [0, 4, 255])
def test_a_value_that_does_not_exist_is_refused(mine, border, value):
    split = module(mine, border=border).split("test")
    Image.fromarray(np.full(layout.SIZE, value, np.uint8)).save(split.pairs[1][1])
    name = re.escape(split.pairs[1][1].name)
    with pytest.raises(DataError, match=rf"{name}: .*\[{value}\], expected only 1-3"):
        split.label(1)


def test_missing_data_tells_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    with pytest.raises(DataError) as error:
        OxfordPet(height=16, width=16).split("train")
    message = str(error.value)
    assert str(tmp_path / "oxford_pet" / "annotations" / "trainval.txt") in message
    for part in ("images.tar.gz", "annotations.tar.gz", "vgg/data/pets", "DATA_ROOT"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", [0, 1])
def test_a_listed_file_that_is_missing_is_named(mine, kind):
    path = module(mine).split("test").pairs[1][kind]
    path.unlink()
    with pytest.raises(DataError, match=re.escape(f"{path}: no such file")):
        module(mine).split("test")
    module(mine).split("val")


def test_a_photo_in_both_lists_is_named(mine):
    layout.write_list(mine, "test", [*layout.TEST, layout.TRAINVAL[3]])
    for name in ("train", "val", "test"):
        with pytest.raises(DataError, match=rf"both list {layout.TRAINVAL[3]} \(1 such"):
            module(mine).split(name)


def test_a_photo_that_is_listed_twice_is_named(mine):
    layout.write_list(mine, "trainval", [*layout.TRAINVAL, layout.TRAINVAL[3]])
    with pytest.raises(DataError, match=rf"line 61: lists {layout.TRAINVAL[3]} for the second"):
        module(mine).split("train")


@pytest.mark.parametrize("stem", ["../../etc/passwd", "/etc/passwd", "C:\\pug_1"])
def test_a_list_cannot_lead_out_of_the_data(mine, stem):
    layout.write_list(mine, "test", [*layout.TEST, stem])
    with pytest.raises(DataError, match=r"test\.txt: line 25: .*leads out of"):
        module(mine).split("test")


def test_a_trimap_of_another_size_is_named(mine):
    split = module(mine).split("test")
    Image.fromarray(np.ones((5, 7), np.uint8)).save(split.pairs[0][1])
    with pytest.raises(DataError, match=r"png: is 5x7 .* is 12x16"):
        split.load(0)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_damaged_file_is_named(mine, kind):
    split = module(mine).split("test")
    path = split.pairs[0][kind]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=re.escape(f"{path}: cannot be read as an image")):
        split.load(0)


def test_a_list_that_is_no_text_is_named(mine):
    (mine / "annotations" / "trainval.txt").write_bytes(b"\x00\xff\xfe\x80")
    with pytest.raises(DataError, match=r"trainval\.txt: is no UTF-8 text"):
        module(mine).split("train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"border": "ignore"}, "`border` must be 'class' or 'void', got 'ignore'"),
        ({"protocol": "PAT"}, "`protocol` must be 'official' or 'pat', got 'PAT'"),
        ({"void": "train"}, "`void` cannot be 'train' with border 'class'"),
        ({"flip": 2.0}, "`flip`"),
    ],
)
def test_bad_options_are_named(root, options, message):
    with pytest.raises(ValueError, match=message):
        module(root, **options)


def test_a_size_is_asked_for(root):
    with pytest.raises(ValueError, match=r"`height`.*images of oxford_pet may differ in size"):
        OxfordPet(root=str(root))


def test_reading_writes_nothing(root, monkeypatch, tmp_path):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    data = module(root)
    assert data.class_counts
    data.split("val").load(0)
    assert before == {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}


def test_downloads_are_those_of_torchvision():
    from torchvision.datasets.oxford_iiit_pet import OxfordIIITPet

    ours = [(archive.url, archive.checksum) for archive in OxfordPet.card.downloads]
    assert ours == [(url, f"md5:{md5}") for url, md5 in OxfordIIITPet._RESOURCES]
    assert all(archive.into == "" for archive in OxfordPet.card.downloads)


@pytest.mark.skipif(not REAL.is_dir(), reason="no oxford_pet in $DATA_ROOT")
def test_real_photos_hold_the_known_percentages():
    data = module(REAL)
    splits = [data.split(name) for name in ("train", "val", "test")]
    if [len(split) for split in splits] != [14, 1, 11]:
        pytest.skip("the percentages are known for 26 photos only")
    pixels = sum(count_images(split, 3).sum(axis=0) for split in splits)
    assert " ".join(f"{100 * n / pixels.sum():.2f}" for n in pixels[:3]) == "26.93 60.50 12.57"
    assert pixels[3] == 0
    for split in splits:
        for i in range(len(split)):
            split.load(i)
