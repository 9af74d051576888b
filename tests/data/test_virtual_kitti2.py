"""Virtual KITTI 2: colours to classes, whole scenes held out, both ways to unpack it."""

import os
import re
import stat
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_seg.data.counting.count import count_images
from lit_seg.data.datasets.virtual_kitti2 import VirtualKITTI2
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layout_of_vkitti2 as layout

# class: (training id, RGB), as colors.txt of the release has them
OFFICIAL = {
    "Terrain": (0, (210, 0, 200)),
    "Sky": (1, (90, 200, 255)),
    "Tree": (2, (0, 199, 0)),
    "Vegetation": (3, (90, 240, 0)),
    "Building": (4, (140, 140, 140)),
    "Road": (5, (100, 60, 100)),
    "GuardRail": (6, (250, 100, 255)),
    "TrafficSign": (7, (255, 255, 0)),
    "TrafficLight": (8, (200, 200, 0)),
    "Pole": (9, (255, 130, 0)),
    "Misc": (10, (80, 80, 80)),
    "Truck": (11, (160, 60, 60)),
    "Car": (12, (255, 127, 80)),
    "Van": (13, (0, 139, 139)),
    "Undefined": (VOID, (0, 0, 0)),
}
FRAMES = {"Scene01": 447, "Scene02": 233, "Scene06": 270, "Scene18": 339, "Scene20": 837}
FOLDERS = {"rgb": "vkitti_2.0.3_rgb", "labels": "vkitti_2.0.3_classSegmentation"}
REAL = Path(os.environ.get("DATA_ROOT", "data")) / "vkitti2"


def names_of(split):
    return [split.name(i) for i in range(len(split))]


def scenes_of(split):
    return {name.split("/")[0] for name in names_of(split)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("vkitti2")
    layout.write(root)
    return root


@pytest.fixture
def small(tmp_path):
    """Two scenes, to be damaged."""
    layout.write(tmp_path, scenes=("Scene01", "Scene20"))
    return tmp_path


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """All frames by name alone, the folders of all variations and cameras being links to one."""
    root = tmp_path_factory.mktemp("full")
    for scene, count in FRAMES.items():
        for kind, pattern in (("rgb", "rgb_{:05}.jpg"), ("classSegmentation", "classgt_{:05}.png")):
            first = root / scene / "clone" / "frames" / kind / "Camera_0"
            first.mkdir(parents=True)
            for i in range(count):
                (first / pattern.format(i)).touch()
            (first.parent / "Camera_1").symlink_to(first)
        for variation in set(layout.VARIATIONS) - {"clone"}:
            (root / scene / variation).symlink_to(root / scene / "clone")
    return root


def test_colours_names_and_ids_are_the_official_ones(root):
    split = VirtualKITTI2(root=str(root)).split("train")
    stored = np.asarray(Image.open(split.pairs[0][1]))
    label = split.load(0)[1]
    assert label.dtype == np.uint8
    for name, (trained, colour) in OFFICIAL.items():
        assert set(label[(stored == colour).all(-1)]) == {trained}, name
        if trained != VOID:
            assert VirtualKITTI2.names[trained] == re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            assert VirtualKITTI2.colours[trained] == colour
    assert len(VirtualKITTI2.names) == len(OFFICIAL) - 1


def test_the_fixture_has_the_colours_of_the_release():
    lines = [line.split() for line in layout.COLORS_TXT.splitlines()]
    assert lines[0] == ["Category", "r", "g", "b"]
    assert {name: tuple(map(int, rgb)) for name, *rgb in lines[1:]} == {
        name: colour for name, (_, colour) in OFFICIAL.items()
    }


def test_scene_20_is_held_out(full):
    splits = {name: VirtualKITTI2(root=str(full)).split(name) for name in ("train", "val")}
    assert {name: len(split) for name, split in splits.items()} == VirtualKITTI2.card.images
    assert VirtualKITTI2.card.images == {"train": 25780, "val": 16740}
    assert scenes_of(splits["train"]) == set(FRAMES) - {"Scene20"}
    assert scenes_of(splits["val"]) == {"Scene20"}
    together = names_of(splits["train"]) + names_of(splits["val"])
    assert len(set(together)) == len(together) == 42520
    assert all(a < b for a, b in pairwise(names_of(splits["val"])))
    assert names_of(splits["train"])[446:448] == [
        "Scene01/15-deg-left/frames/rgb/Camera_0/rgb_00446",
        "Scene01/15-deg-left/frames/rgb/Camera_1/rgb_00000",
    ]


def test_other_scenes_can_be_held_out(root):
    data = VirtualKITTI2(held_out=("Scene18", "Scene02"), root=str(root))
    assert scenes_of(data.split("val")) == {"Scene02", "Scene18"}
    assert scenes_of(data.split("train")) == {"Scene01", "Scene06", "Scene20"}


@pytest.mark.parametrize("name", ["train", "val"])
def test_variations_and_cameras_can_be_chosen(root, name):
    data = VirtualKITTI2(variations=("fog", "clone"), cameras=("Camera_1",), root=str(root))
    names = names_of(data.split(name))
    assert len(names) == {"train": 8, "val": 2}[name]
    assert {tuple(one.split("/")[1:5:3]) for one in names} == {
        ("clone", "Camera_1"),
        ("fog", "Camera_1"),
    }


def test_the_order_in_which_they_are_chosen_does_not_matter(root):
    one = VirtualKITTI2(variations=("clone", "rain"), cameras=layout.CAMERAS, root=str(root))
    other = VirtualKITTI2(
        variations=("rain", "clone"), cameras=layout.CAMERAS[::-1], root=str(root)
    )
    assert names_of(one.split("train")) == names_of(other.split("train"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("held_out", ()),
        ("held_out", ("Scene03",)),
        ("held_out", ("Scene20", "Scene20")),
        ("held_out", "Scene20"),
        ("held_out", layout.SCENES),
        ("variations", ()),
        ("variations", ("snow",)),
        ("variations", ("fog", "fog")),
        ("cameras", ()),
        ("cameras", ("Camera_2",)),
    ],
)
def test_bad_options_are_named(option, value):
    with pytest.raises(ValueError, match=f"`{option}` must .*, got"):
        VirtualKITTI2(**{option: value})


def test_options_of_all_datasets_are_passed_on(root):
    data = VirtualKITTI2(root=str(root), height=8, width=16, void="train", seed=4)
    assert (data.height, data.width, data.void, data.seed) == (8, 16, "train", 4)
    assert data.class_names[-2:] == ["van", "void"]


@pytest.mark.parametrize("folders", [("rgb",), ("labels",), ("rgb", "labels")])
def test_archives_may_be_unpacked_into_folders_of_their_own(root, tmp_path, folders):
    layout.write(tmp_path, **{kind: FOLDERS[kind] for kind in folders})
    for name in ("train", "val"):
        one = VirtualKITTI2(root=str(root)).split(name)
        other = VirtualKITTI2(root=str(tmp_path)).split(name)
        assert names_of(one) == names_of(other)
        np.testing.assert_array_equal(one.load(3)[0], other.load(3)[0])
        np.testing.assert_array_equal(one.load(3)[1], other.load(3)[1])


def test_labels_belong_to_their_images(root):
    for image, label in VirtualKITTI2(root=str(root)).split("val").pairs:
        camera, kind = image.parent, image.parent.parent
        assert (kind.name, image.suffix) == ("rgb", ".jpg")
        expected = kind.with_name("classSegmentation") / camera.name
        assert label == expected / image.name.replace("rgb_", "classgt_").replace("jpg", "png")


def test_there_is_no_test_split(root):
    with pytest.raises(DataError, match=r"no test split: score on `val`.*`held_out`"):
        VirtualKITTI2(root=str(root)).split("test")


def damaged(small, colour):
    """A split of which one pixel of the first label has another colour."""
    split = VirtualKITTI2(root=str(small)).split("train")
    label = np.array(Image.open(split.pairs[0][1]))
    label[1, 2] = colour
    layout.save(split.pairs[0][1], label)
    return split


def test_labels_of_virtual_kitti_1_are_refused(small):
    split = damaged(small, (255, 100, 255))
    with pytest.raises(
        DataError, match=r"classgt_00000\.png: .*GuardRail of Virtual KITTI 1: take"
    ):
        split.load(0)


def test_other_colours_are_refused(small):
    split = damaged(small, (1, 0, 0))
    with pytest.raises(DataError, match=r"\.png: .*\(1, 0, 0, 255\).*1 pixel,.*KITTI 1 and") as e:
        split.load(0)
    assert "vkitti_2.0.3_classSegmentation.tar" in str(e.value)
    assert "GuardRail" not in str(e.value)


def test_labels_that_are_numbers_are_refused(small):
    split = VirtualKITTI2(root=str(small)).split("train")
    layout.save(split.pairs[0][1], np.full(layout.SIZE, 3, np.uint8))
    with pytest.raises(DataError, match=r"\(3, 3, 3, 255\)"):
        split.load(0)


def test_labels_with_a_palette_are_read_as_their_colours(small):
    split = VirtualKITTI2(root=str(small)).split("train")
    before = split.load(0)[1]
    label = Image.open(split.pairs[0][1]).quantize(colors=16, dither=Image.Dither.NONE)
    label.save(split.pairs[0][1])
    np.testing.assert_array_equal(split.load(0)[1], before)


@pytest.mark.parametrize("which", [0, 1])
def test_truncated_files_are_named(small, which):
    split = VirtualKITTI2(root=str(small)).split("train")
    path = split.pairs[0][which]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=re.escape(path.name) + ": cannot be read"):
        split.load(0)


def test_a_size_mismatch_is_told(small):
    split = VirtualKITTI2(root=str(small)).split("train")
    layout.save(split.pairs[0][1], np.zeros((12, 10, 3), np.uint8))
    with pytest.raises(DataError, match=r"classgt_00000\.png: is 12x10 .*is 12x40"):
        split.load(0)


@pytest.mark.parametrize(
    "lost", ["rgb/Camera_1/rgb_00001.jpg", "classSegmentation/Camera_1/classgt_00001.png"]
)
def test_a_missing_partner_is_named(tmp_path, lost):
    layout.write(tmp_path, scenes=("Scene20",), frames=2)
    path = tmp_path / "Scene20" / "rain" / "frames" / lost
    path.unlink()
    with pytest.raises(
        DataError, match=re.escape(f"{path}: no such file") + ".*missing files: 1 of 80"
    ):
        VirtualKITTI2(root=str(tmp_path)).split("val")


def test_an_archive_that_is_not_there_is_told(tmp_path):
    layout.write(tmp_path, rgb=FOLDERS["rgb"], labels="elsewhere", scenes=("Scene20",))
    with pytest.raises(
        DataError, match=r"classgt_00000\.png: no such file.*classSegmentation\.tar"
    ):
        VirtualKITTI2(root=str(tmp_path)).split("val")


def test_a_missing_folder_tells_the_options_that_leave_it_out(small):
    for path in (small / "Scene01" / "rain" / "frames").glob("*/Camera_0/*"):
        path.unlink()
    folder = small / "Scene01" / "rain" / "frames" / "rgb" / "Camera_0"
    with pytest.raises(DataError, match=re.escape(str(folder)) + ".*`variations` or `cameras`"):
        VirtualKITTI2(root=str(small)).split("train")
    for option in ({"variations": ("fog",)}, {"cameras": ("Camera_1",)}):
        assert len(VirtualKITTI2(root=str(small), **option).split("train"))


def test_scenes_that_are_not_there_are_not_trained_but_missed_in_validation(small):
    assert scenes_of(VirtualKITTI2(root=str(small)).split("train")) == {"Scene01"}
    data = VirtualKITTI2(root=str(small), held_out=("Scene01", "Scene18"))
    with pytest.raises(DataError, match=re.escape(str(small / "Scene18")) + ": not found"):
        data.split("val")
    data = VirtualKITTI2(root=str(small), held_out=("Scene01", "Scene20"))
    with pytest.raises(DataError, match=re.escape(str(small / "Scene02")) + ": not found"):
        data.split("train")


def test_missing_folder_tells_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(DataError) as error:
        VirtualKITTI2().split("train")
    message = str(error.value)
    assert str(tmp_path / "nowhere" / "vkitti2" / "Scene01") in message
    for archive in VirtualKITTI2.card.downloads:
        assert archive.url in message
    assert "DATA_ROOT" in message


def test_junk_is_no_frame(root):
    assert (root / "Scene20/fog/frames/rgb/Camera_0/._rgb_00000.jpg").is_file()
    assert len(VirtualKITTI2(root=str(root)).split("val")) == 20


def test_downloads_are_those_that_were_published():
    assert [
        (a.url, a.checksum, a.size, a.into, a.unpack) for a in VirtualKITTI2.card.downloads
    ] == [
        (
            "https://download.europe.naverlabs.com/virtual_kitti_2.0.3/vkitti_2.0.3_rgb.tar",
            "md5:1e00a143a397c2c53aa9720a868fe34a",
            7532472320,
            "",
            True,
        ),
        (
            "https://download.europe.naverlabs.com/virtual_kitti_2.0.3/"
            "vkitti_2.0.3_classSegmentation.tar",
            "md5:e8658ab49250e61f1caa174625563263",
            1015961600,
            "",
            True,
        ),
    ]


def test_a_folder_without_write_permission_is_read_and_left_as_it_was(small):
    entries = sorted(small.rglob("*"))
    modes = {path: path.stat().st_mode for path in (small, *entries)}
    for path, mode in modes.items():
        path.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        data = VirtualKITTI2(root=str(small), num_workers=0)
        data.prepare_data()
        data.split("val").load(1)
        assert sorted(small.rglob("*")) == entries
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.skipif(not REAL.is_dir(), reason="no vkitti2 in $DATA_ROOT")
def test_real_frames_are_read():
    split = VirtualKITTI2(root=str(REAL), variations=("clone",), cameras=("Camera_0",)).split("val")
    image, label = split.load(0)
    assert image.shape[:2] == label.shape == VirtualKITTI2.native_size
    pixels = count_images(split, 14).sum(axis=0)
    assert all(pixels[VirtualKITTI2.names.index(name)] for name in ("sky", "road", "car"))
