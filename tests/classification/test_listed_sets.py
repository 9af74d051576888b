"""Places-LT, ImageNet-LT and iNaturalist 2018: tiny copies, and the published lists if here."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_seg.classification.data import ImageNetLT, INaturalist2018, PlacesLT
from lit_seg.classification.data.image_lists import read_image_list
from lit_seg.errors import DataError
from tests.classification.pictures_of_classes import write_list, write_photos, write_places

OPTIONS = {"num_workers": 0, "batch_size": 2, "size": 8}
LISTS = Path(os.environ.get("DATA_ROOT", "data")) / "longtail_splits"
needs_lists = pytest.mark.skipif(not LISTS.is_dir(), reason="the published lists are not here")


OWN = {**OPTIONS, "own_lists": True}


@needs_lists
def test_places_counts_as_published():
    data = PlacesLT(lists=str(LISTS), **OPTIONS)
    counts = np.array(data.class_counts.pixels)
    assert (len(counts), counts.sum(), counts.max(), counts.min()) == (365, 62500, 4980, 5)
    kang = [(counts > 100).sum(), ((counts >= 20) & (counts <= 100)).sum(), (counts < 20).sum()]
    oltr = [(counts >= 100).sum(), ((counts > 20) & (counts < 100)).sum(), (counts <= 20).sum()]
    assert (kang, oltr) == ([131, 163, 71], [132, 156, 77])
    for name, per_class in (("val", 20), ("test", 100)):
        assert set(np.bincount(data.split(name).targets)) == {per_class}
    trap = ["desert_road", "desert-sand", "desert-vegetation"]
    assert data.class_names[116:119] == trap
    assert data.class_names[141:143] == ["field_road", "field-wild"]
    differ = [c for c, name in enumerate(sorted(data.class_names)) if name != data.class_names[c]]
    assert differ == [116, 117, 118, 141, 142]


@needs_lists
def test_imagenet_and_inaturalist_hold_out_what_is_published():
    data = ImageNetLT(lists=str(LISTS), **OPTIONS)
    for name, per_class in (("val", 20), ("test", 50)):
        assert np.bincount(data.split(name).targets).tolist() == [per_class] * 1000
    species = INaturalist2018(lists=str(LISTS), **OPTIONS)
    val, test = species.split("val"), species.split("test")
    assert np.bincount(val.targets).tolist() == [1] * 8142
    assert np.bincount(test.targets).tolist() == [2] * 8142
    assert not set(val.paths) & set(test.paths)
    as_published = INaturalist2018(lists=str(LISTS), val_images=0, **OPTIONS)
    assert len(as_published.split("val")) == len(as_published.split("test")) == 24426


@needs_lists
def test_counts_of_imagenet_fall_into_their_groups():
    """The training list is too large to be kept here; its counts are."""
    counts = np.array(json.loads((LISTS / "ImageNet_LT_train_class_counts.json").read_text()))
    assert [counts.sum(), counts.max(), counts.min()] == [115846, 1280, 5]
    assert ImageNetLT.card.images["train"] == counts.sum()


@pytest.fixture
def places(tmp_path, monkeypatch):
    write_places(tmp_path)
    monkeypatch.setattr(PlacesLT, "num_classes", 3)
    return tmp_path


@pytest.mark.parametrize("wrong", [0, 4, 7])
def test_a_wrong_label_is_named_wherever_it_stands(places, wrong):
    file = places / "Places_LT_train.txt"
    lines = file.read_text().splitlines()
    path, label = lines[wrong].split()
    other = (int(label) + 1) % 3
    file.write_text("\n".join([*lines[:wrong], f"{path} {other}", *lines[wrong + 1 :]]))
    with pytest.raises(DataError) as error:
        _ = PlacesLT(root=str(places), **OWN).class_names
    assert f"{path} has" in str(error.value)
    assert f"has the class id {other} " in str(error.value) or f"has {other}," in str(error.value)


def test_labels_are_those_of_the_list(places):
    data = PlacesLT(root=str(places), seed=2, **OWN)
    assert data.class_names == ["zoo_road", "desert_road", "field_road"]
    assert data.class_counts.pixels == (5, 3, 2)
    data.prepare_data()
    seen = []
    for batch in data.train_dataloader():
        assert (batch["image"].shape, batch["image"].dtype) == ((2, 3, 8, 8), torch.uint8)
        seen += list(zip(batch["name"], batch["target"].tolist(), strict=True))
    assert sorted(seen) == sorted(
        (path.removesuffix(".png"), c) for path, c in zip(*data.images("train")[:2], strict=True)
    )
    assert [len(data.split(name)) for name in ("val", "test")] == [6, 6]


def test_evaluation_resizes_the_shorter_side_and_cuts_the_centre(places):
    import cv2

    data = PlacesLT(root=str(places), **OWN)
    image = data.split("val").load(0)  # of 12 x 10 pixels
    resized = cv2.resize(image, (9, 11), interpolation=cv2.INTER_AREA)
    batch = next(iter(data.val_dataloader()))
    assert np.array_equal(batch["image"][0].numpy().transpose(1, 2, 0), resized[1:9, 0:8])


def test_held_out_lists_without_folders_or_classes_are_taken(places, caplog):
    """Some have plain file names, which say no class; of classes that lack a line tells."""
    write_list(places, "Places_LT_test.txt", [("val/1.png", 0), ("val/2.png", 2)])
    write_photos(places, ["val/1.png", "val/2.png"])
    data = PlacesLT(root=str(places), **OWN)
    assert data.split("test").targets.tolist() == [0, 2]
    with caplog.at_level("INFO"):
        data._look_at("test")
    assert "1 of 3 classes have no test image, such as 'desert_road'" in caplog.text


def test_another_image_changes_the_hash(places):
    first = PlacesLT(root=str(places), **OWN).content_hashes
    assert first == PlacesLT(root=str(places), **OWN).content_hashes
    (places / "train/zoo_road/train0.png").write_bytes(b"other")
    assert PlacesLT(root=str(places), **OWN).content_hashes["train"] != first["train"]


def test_the_list_of_inaturalist_is_made_from_its_annotations(tmp_path, monkeypatch):
    lines = [(f"train_val2018/Aves/{c}/{c}{i}.jpg", c) for i in range(3) for c in (1, 0)]
    content = {
        "images": [{"id": i, "file_name": path} for i, (path, _) in enumerate(lines)],
        "annotations": [{"image_id": i, "category_id": c} for i, (_, c) in enumerate(lines)],
    }
    for name in ("train2018.json", "val2018.json"):
        (tmp_path / name).write_text(json.dumps(content))
    monkeypatch.setattr(INaturalist2018, "num_classes", 2)
    data = INaturalist2018(root=str(tmp_path), **OWN)
    write_list(tmp_path, "iNaturalist18_train.txt", lines)
    listed = read_image_list(tmp_path / "iNaturalist18_train.txt", tmp_path, 2)
    (tmp_path / "iNaturalist18_train.txt").unlink()
    found = data.images("train")
    assert (found.paths, found.targets.tolist()) == (listed.paths, listed.targets.tolist())
    assert data.class_names == ["Aves/0", "Aves/1"]
    assert data.images("val").paths == [path for path, _ in lines[:2]]
    assert data.images("test").paths == [path for path, _ in lines[2:]]
