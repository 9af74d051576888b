"""ADE20K SceneParse150: stored values to 150 classes; on real images where $DATA_ROOT has them."""

import hashlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_seg.data.counting.count import count_images
from lit_seg.data.datasets.ade20k import ADE20K
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layout_of_ade20k as layout

# stored value: (class, RGB), as in objectInfo150.txt and color150.mat of CSAILVision/sceneparsing
OFFICIAL = {
    1: ("wall", (120, 120, 120)),
    2: ("building", (180, 120, 120)),
    3: ("sky", (6, 230, 230)),
    4: ("floor", (80, 50, 50)),
    7: ("road", (140, 140, 140)),
    8: ("bed", (204, 5, 255)),
    13: ("person", (150, 5, 61)),
    21: ("car", (0, 102, 200)),
    45: ("chest_of_drawers", (6, 51, 255)),
    59: ("screen_door", (0, 173, 255)),
    95: ("land", (0, 194, 255)),
    127: ("animal", (255, 0, 122)),
    131: ("screen", (0, 204, 255)),
    142: ("crt_screen", (122, 0, 255)),
    149: ("clock", (102, 255, 0)),
    150: ("flag", (92, 0, 255)),
}
ROAD, SKYSCRAPER = 6, 48
# of the bytes of color150.mat, row by row
COLOURS_SHA256 = "ce475c9151035eff51f4cf27fd7d906959b1480f6d15b9423ae2417c1b23a0ed"

REAL = Path(os.environ.get("DATA_ROOT", "data")) / "ade20k"
REAL_FULL = Path(os.environ.get("DATA_ROOT", "data")) / "ade20k_full_rgb"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no ade20k in $DATA_ROOT")


def module(root, **options):
    return ADE20K(root=str(root), height=16, width=16, **options)


def names_of(split):
    return [split.name(i) for i in range(len(split))]


def label_of(root, stem="ADE_val_00000002", split="validation"):
    return root / "ADEChallengeData2016" / "annotations" / split / f"{stem}.png"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("ade20k")
    layout.write(root)
    return root


@pytest.fixture
def mine(tmp_path):
    """One that a test may spoil."""
    layout.write(tmp_path)
    return tmp_path


def test_both_splits_are_found_in_order(root):
    for name, prefix, size in (("train", "ADE_train", 6), ("val", "ADE_val", 4)):
        split = module(root).split(name)
        assert names_of(split) == [f"{prefix}_{i:08}" for i in range(1, size + 1)]
        for image, label in split.pairs:
            assert image.stem == label.stem
            assert image.parent.name == label.parent.name


def test_the_release_folder_may_be_the_root(root):
    inner = module(root / "ADEChallengeData2016").split("val")
    assert inner.pairs == module(root).split("val").pairs


def test_values_become_the_class_before_them_and_zero_void(root):
    for name in ("train", "val"):
        split = module(root).split(name)
        stored = np.asarray(Image.open(split.pairs[0][1]))
        label = split.load(0)[1]
        for value in range(151):
            expected = value - 1 if value else VOID
            assert set(label[stored == value].tolist()) == {expected}, value


def test_names_and_colours_are_the_official_ones():
    for value, (name, colour) in OFFICIAL.items():
        assert ADE20K.names[value - 1] == name
        assert ADE20K.colours[value - 1] == colour


def test_all_colours_are_official_but_that_of_skyscraper_which_differs_from_road():
    assert (ADE20K.names[ROAD], ADE20K.names[SKYSCRAPER]) == ("road", "skyscraper")
    official = list(ADE20K.colours)
    official[SKYSCRAPER] = official[ROAD]
    flat = bytes(channel for colour in official for channel in colour)
    assert hashlib.sha256(flat).hexdigest() == COLOURS_SHA256
    assert len(set(ADE20K.colours)) == len(set(ADE20K.names)) == 150
    assert (0, 0, 0) not in ADE20K.colours  # of void


def test_counts_are_the_published_ones():
    """The sum stands for all: the frequency of each is compared with the real table below."""
    pixels = ADE20K.counts.pixels
    assert (len(pixels), sum(pixels)) == (150, 4354607494)
    assert [pixels[i] for i in (0, 1, 2, 147, 148, 149)] == [
        *(737138625, 503599787, 414602893),
        *(1001033, 1056209, 890841),
    ]


def test_files_are_counted_where_the_published_counts_do_not_fit(root, monkeypatch, tmp_path):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path))
    counted = module(root, void="train").class_counts
    assert module(root).class_counts.pixels == counted.pixels[:150]  # fewer files than published
    assert len(counted) == 151
    values = [np.asarray(Image.open(path)) for _, path in module(root).split("train").pairs]
    assert counted.pixels[-1] == sum((stored == 0).sum() for stored in values)
    assert counted.pixels[149] == sum((stored == 150).sum() for stored in values)


@pytest.mark.parametrize("value", [151, 255])
def test_a_value_above_150_is_refused(mine, value):
    layout.save(label_of(mine), np.full(layout.SIZE, value, np.uint8))
    with pytest.raises(
        DataError, match=rf"ADE_val_00000002\.png: .*\[{value}\], expected only 0-150"
    ):
        module(mine).split("val").load(1)


def test_colour_labels_of_the_full_release_are_refused_by_name(mine):
    layout.save(label_of(mine), np.zeros((*layout.SIZE, 3), np.uint8))
    split = module(mine).split("val")
    with pytest.raises(
        DataError, match=r"ADE_val_00000002\.png: .*full ADE20K.*ADEChallengeData2016\.zip"
    ):
        split.load(1)
    split.load(0)


def test_the_folders_of_the_full_release_are_refused_by_name(mine):
    folder = mine / "ADEChallengeData2016" / "images" / "validation"
    shutil.rmtree(folder)
    layout.save(folder / "a" / "abbey" / "ADE_val_00000001.jpg", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match=r"holds no ADE_val_\*\.jpg; .*full ADE20K release"):
        module(mine).split("val")


def test_palette_indices_stay_numbers(mine):
    """Converted to grey they would become other classes without a word."""
    stored = Image.open(label_of(mine))
    before = module(mine).split("val").label(1)
    indexed = Image.fromarray(np.asarray(stored)).convert("L")
    indexed.putpalette([255 - i // 3 for i in range(768)])
    indexed.save(label_of(mine))
    assert Image.open(label_of(mine)).mode == "P"
    np.testing.assert_array_equal(module(mine).split("val").label(1), before)


@pytest.mark.parametrize("value", [150, 151])
def test_labels_of_16_bits_are_read_as_such(mine, value):
    layout.save(label_of(mine), np.full(layout.SIZE, value, np.uint16))
    split = module(mine).split("val")
    if value == 150:
        assert set(split.label(1).ravel().tolist()) == {149}
    else:
        with pytest.raises(DataError, match=r"\[151\]"):
            split.label(1)


def test_missing_data_tells_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    with pytest.raises(DataError) as error:
        ADE20K(height=16, width=16).split("train")
    message = str(error.value)
    assert str(tmp_path / "ade20k" / "ADEChallengeData2016" / "images" / "training") in message
    for part in ("ADEChallengeData2016.zip", "sceneparsing.csail.mit.edu", "DATA_ROOT"):
        assert part in message
    assert "\n" not in message


def test_missing_labels_are_named(mine):
    shutil.rmtree(label_of(mine).parent)
    with pytest.raises(DataError, match=r"annotations/validation: not found"):
        module(mine).split("val")
    assert len(module(mine).split("train")) == 6


def test_an_image_without_its_label_is_named(mine):
    label_of(mine).unlink()
    with pytest.raises(DataError, match=re.escape(f"{label_of(mine)}: no such file")):
        module(mine).split("val")


def test_a_label_without_its_image_is_named(mine):
    image = mine / "ADEChallengeData2016/images/validation/ADE_val_00000001.jpg"
    image.unlink()
    with pytest.raises(DataError, match=re.escape(f"{image}: no such file")):
        module(mine).split("val")


def test_fewer_images_are_scored_as_what_they_are(mine):
    (mine / "ADEChallengeData2016/images/validation/ADE_val_00000001.jpg").unlink()
    label_of(mine, "ADE_val_00000001").unlink()
    assert names_of(module(mine).split("val")) == [f"ADE_val_{i:08}" for i in (2, 3, 4)]


def test_files_of_others_are_not_taken_for_images(mine):
    for kind, suffix in (("images", "jpg"), ("annotations", "png")):
        folder = mine / "ADEChallengeData2016" / kind / "training"
        for stem in ("._ADE_train_00000001", ".ADE_train_00000002", "ADE_test_00000001"):
            (folder / f"{stem}.{suffix}").write_bytes(b"\x00\x05\x16\x07")
    assert names_of(module(mine).split("train")) == [f"ADE_train_{i:08}" for i in range(1, 7)]


def test_a_label_of_another_size_is_named(mine):
    layout.save(label_of(mine), np.zeros((5, 7), np.uint8))
    with pytest.raises(DataError, match=r"ADE_val_00000002\.png: is 5x7 .* is 12x16"):
        module(mine).split("val").load(1)


@pytest.mark.parametrize("kind", ["image", "label"])
def test_a_damaged_file_is_named(mine, kind):
    split = module(mine).split("val")
    path = split.pairs[1][kind == "label"]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=re.escape(f"{path}: cannot be read as an image")):
        split.load(1)


def test_the_test_split_is_refused_by_name(root):
    with pytest.raises(DataError, match=r"test labels of ADE20K are not public.*`val`"):
        module(root).split("test")


def test_images_of_all_sizes_are_padded_to_one(tmp_path):
    layout.write(tmp_path, size=(10, 16))
    image, target = next(
        (batch["image"][0], batch["target"][0])
        for batch in module(tmp_path, num_workers=0, batch_size=1).val_dataloader()
    )
    assert image.shape == (3, 16, 16)
    assert set(target[10:].unique().tolist()) == {VOID}
    np.testing.assert_array_equal(target[:10], module(tmp_path).split("val").label(0))


def test_a_size_is_asked_for(root):
    with pytest.raises(ValueError, match=r"`height`.*images of ade20k may differ in size"):
        ADE20K(root=str(root))


def test_reading_writes_nothing(root, monkeypatch, tmp_path):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}
    data = module(root, void="train")
    assert data.class_counts
    data.split("val").load(0)
    assert before == {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}


def test_the_download_is_the_published_archive():
    (archive,) = ADE20K.card.downloads
    assert archive.url.endswith("data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip")
    assert archive.checksum == "md5:7328b3957e407ddae1d3cbf487f149ef"
    assert archive.into == ""  # the archive brings its folder
    assert ADE20K.card.images == {"train": 20210, "val": 2000}


@real
def test_names_and_counts_agree_with_the_real_table():
    """In any other order, counts and ratios would correlate less: .92 if moved by one class."""
    lines = (REAL / "ADEChallengeData2016/objectInfo150.txt").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    assert [int(row[0]) for row in rows] == list(range(1, 151))
    first = [row[4].split(",")[0].strip() for row in rows]
    assert list(ADE20K.names) == [re.sub(r"[ -]", "_", name.lower()) for name in first]
    ratios = np.log([float(row[1]) for row in rows])
    assert np.corrcoef(ratios, np.log(ADE20K.counts.pixels))[0, 1] > 0.999


@real
def test_real_images_hold_the_known_classes():
    split = module(REAL).split("val")
    if names_of(split) != [f"ADE_val_{i:08}" for i in (1, 2, 3)]:
        pytest.skip("the percentages are known for three images only")
    pixels = count_images(split, 150).sum(axis=0)
    percent = {n: 100 * p / pixels.sum() for n, p in zip(ADE20K.names, pixels, strict=False) if p}
    assert len(percent) == 15
    assert f"{percent['sky']:.1f} {percent['building']:.1f}" == "38.1 27.9"
    assert f"{100 * pixels[-1] / pixels.sum():.2f}" == "3.52"


@pytest.mark.skipif(not REAL_FULL.is_dir(), reason="no ade20k_full_rgb in $DATA_ROOT")
def test_a_real_label_of_the_full_release_is_refused(mine):
    source = next(REAL_FULL.glob("ADE_*.png"))
    shutil.copy(source, label_of(mine))
    with pytest.raises(DataError, match=r"ADE_val_00000002\.png: .*full ADE20K release"):
        module(mine).split("val").label(1)
