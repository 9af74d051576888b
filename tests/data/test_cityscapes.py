"""Cityscapes: official ids to the 19 classes; on real frames too, where $DATA_ROOT has them."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_seg.data import Cityscapes
from lit_seg.data.counting.count import class_counts, count_images
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layouts

# id of the label file: (training id, class, RGB), as in labels.py of cityscapesScripts
OFFICIAL = {
    7: (0, "road", (128, 64, 128)),
    8: (1, "sidewalk", (244, 35, 232)),
    11: (2, "building", (70, 70, 70)),
    12: (3, "wall", (102, 102, 156)),
    13: (4, "fence", (190, 153, 153)),
    17: (5, "pole", (153, 153, 153)),
    19: (6, "traffic light", (250, 170, 30)),
    20: (7, "traffic sign", (220, 220, 0)),
    21: (8, "vegetation", (107, 142, 35)),
    22: (9, "terrain", (152, 251, 152)),
    23: (10, "sky", (70, 130, 180)),
    24: (11, "person", (220, 20, 60)),
    25: (12, "rider", (255, 0, 0)),
    26: (13, "car", (0, 0, 142)),
    27: (14, "truck", (0, 0, 70)),
    28: (15, "bus", (0, 60, 100)),
    31: (16, "train", (0, 80, 100)),
    32: (17, "motorcycle", (0, 0, 230)),
    33: (18, "bicycle", (119, 11, 32)),
}

REAL = Path(os.environ.get("DATA_ROOT", "data")) / "cityscapes"
AACHEN = {
    "train": [f"aachen_{i:06}_000019_leftImg8bit" for i in range(6)],
    "val": [f"aachen_{i:06}_000019_leftImg8bit" for i in (6, 7)],
}
# percent of the labelled pixels of these eight frames, from a bincount of the files alone
AACHEN_PERCENT = (
    "40.182 5.375 24.991 0.210 0.871 0.981 0.107 0.996 16.240 2.131 3.587 0.212 0.020 4.061 "
    "0.000 0.000 0.000 0.011 0.025"
)


def names_of(split):
    return [split.name(i) for i in range(len(split))]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("cityscapes")
    layouts.cityscapes(root)
    return root


def test_all_cities_of_a_split_are_found(root):
    data = Cityscapes(root=str(root))
    assert names_of(data.split("train")) == [
        f"{city}_{i:06}_000019_leftImg8bit" for city in ("aachen", "bochum") for i in range(3)
    ]
    assert {name.split("_")[0] for name in names_of(data.split("val"))} == {"frankfurt", "munster"}
    for image, label in data.split("train").pairs:
        assert label.name == image.name.replace("leftImg8bit", "gtFine_labelIds")
        assert label.parent == root / "gtFine" / "train" / image.parent.name


def test_of_partial_data_what_is_there_is_counted(tmp_path, caplog, monkeypatch):
    """Published counts of 2975 images say nothing about six of them."""
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    layouts.cityscapes(tmp_path)
    data = Cityscapes(root=str(tmp_path))
    with caplog.at_level("INFO"):
        assert data.class_counts == class_counts(data.image_counts)
    assert "6 training images of cityscapes, and the published counts are of 2975" in caplog.text
    (tmp_path / "leftImg8bit/train").rename(tmp_path / "away")
    (tmp_path / "gtFine/train").rename(tmp_path / "away too")
    assert Cityscapes(root=str(tmp_path)).class_counts == Cityscapes.counts  # to validate


def test_ids_names_and_colours_are_the_official_ones(root):
    split = Cityscapes(root=str(root)).split("train")
    stored = np.asarray(Image.open(split.pairs[0][1]))
    label = split.load(0)[1]
    for value in range(34):
        expected = OFFICIAL[value][0] if value in OFFICIAL else VOID
        assert set(label[stored == value]) == {expected}, value
    for trained, name, colour in OFFICIAL.values():
        assert Cityscapes.names[trained] == name.replace(" ", "_")
        assert Cityscapes.colours[trained] == colour


@pytest.mark.parametrize("value", [34, 255])
def test_an_id_that_does_not_exist_is_refused(tmp_path, value):
    """255 is what labelTrainIds hold: they must not pass for labelIds."""
    layouts.cityscapes(tmp_path, per_city=1)
    split = Cityscapes(root=str(tmp_path)).split("val")
    layouts.save(split.pairs[0][1], np.full((16, 32), value, np.uint8))
    with pytest.raises(DataError, match=rf"labelIds\.png: .*\[{value}\], expected only 0-33"):
        split.load(0)


def test_missing_folder_tells_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(DataError) as error:
        Cityscapes().split("train")
    message = str(error.value)
    assert str(tmp_path / "nowhere" / "cityscapes" / "leftImg8bit" / "train") in message
    assert "leftImg8bit_trainvaltest.zip" in message
    assert "gtFine_trainvaltest.zip" in message
    assert "DATA_ROOT" in message


def test_an_empty_folder_tells_what_belongs_there(tmp_path):
    (tmp_path / "leftImg8bit" / "train" / "aachen").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no <city>.\*_leftImg8bit\.png.*trainvaltest\.zip"):
        Cityscapes(root=str(tmp_path)).split("train")


def test_a_missing_label_is_named(tmp_path):
    layouts.cityscapes(tmp_path, per_city=1)
    label = tmp_path / "gtFine/val/munster/munster_000000_000019_gtFine_labelIds.png"
    label.unlink()
    with pytest.raises(DataError, match=re.escape(f"{label}: no such file")):
        Cityscapes(root=str(tmp_path)).split("val")


def test_a_lost_image_is_named(tmp_path):
    layouts.cityscapes(tmp_path, per_city=2)
    image = tmp_path / "leftImg8bit/val/munster/munster_000000_000019_leftImg8bit.png"
    image.unlink()
    with pytest.raises(DataError, match=re.escape(f"{image}: no such file")):
        Cityscapes(root=str(tmp_path)).split("val")


def test_what_is_hidden_is_left_alone(tmp_path):
    layouts.cityscapes(tmp_path, per_city=1)
    for kind, end in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
        folder = tmp_path / kind / "val"
        for name in (f"munster/._munster_000000_000019_{end}.png", f".trash/x_{end}.png"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"\0\5\x16\7")
    assert names_of(Cityscapes(root=str(tmp_path)).split("val")) == [
        f"{city}_000000_000019_leftImg8bit" for city in ("frankfurt", "munster")
    ]


def test_the_dummy_labels_of_the_test_split_are_not_scored(root):
    with pytest.raises(DataError, match=r"test labels of Cityscapes are not public.*`val`"):
        Cityscapes(root=str(root)).split("test")


def test_counts_are_of_the_official_split():
    """With as many void pixels as are left of 2975 images."""
    assert sum(Cityscapes.counts.pixels) == 2975 * 1024 * 2048 - 715747311


@pytest.mark.skipif(not REAL.is_dir(), reason="no cityscapes in $DATA_ROOT")
def test_real_frames_hold_the_known_percentages():
    data = Cityscapes(root=str(REAL))
    splits = {name: data.split(name) for name in AACHEN}
    if {name: names_of(split) for name, split in splits.items()} != AACHEN:
        pytest.skip("the percentages are known for eight frames of Aachen only")
    pixels = sum(count_images(split, 19).sum(axis=0) for split in splits.values())
    labelled = pixels[:-1].sum()
    assert " ".join(f"{100 * n / labelled:.3f}" for n in pixels[:-1]) == AACHEN_PERCENT
    assert f"{100 * pixels[-1] / pixels.sum():.2f}" == "6.50"
    absent = [data.names[i] for i in np.flatnonzero(pixels == 0)]
    assert absent == ["truck", "bus", "train"]
