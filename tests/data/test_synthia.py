"""SYNTHIA: 16-bit labels as OpenCV alone reads them, and the split of the recall-loss paper."""

import os
import random
import re
import stat
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lit_seg.data.counting.count import count_images
from lit_seg.data.datasets.synthia import Synthia
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layout_of_synthia as layout

# id of the label file: (class, RGB); the names of the authors' loader, the published palette
OFFICIAL = {
    1: ("sky", (128, 128, 128)),
    2: ("building", (128, 0, 0)),
    3: ("road", (128, 64, 128)),
    4: ("sidewalk", (0, 0, 192)),
    5: ("fence", (64, 64, 128)),
    6: ("vegetation", (128, 128, 0)),
    7: ("pole", (192, 192, 128)),
    8: ("car", (64, 0, 128)),
    9: ("traffic sign", (192, 128, 128)),
    10: ("pedestrian", (64, 64, 0)),
    11: ("bicycle", (0, 128, 192)),
    12: ("lane marking", (0, 175, 0)),
    15: ("traffic light", (0, 128, 128)),
}
SEQUENCE = "SYNTHIA-SEQS-05-SUMMER"
SPLITS = ("train", "val", "test")
PARTIAL = r"ignore:.*holds \d+ frames"
REAL = Path(os.environ.get("DATA_ROOT", "data")) / "synthia"

pytestmark = pytest.mark.filterwarnings(PARTIAL)


def names_of(split):
    return [split.name(i) for i in range(len(split))]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthia")
    layout.write(root)
    return root


@pytest.fixture
def small(tmp_path):
    """One camera, to be damaged."""
    layout.write(tmp_path, cameras=("Stereo_Left/Omni_F",))
    return tmp_path


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """All 787 frames of all cameras, by name alone."""
    root = tmp_path_factory.mktemp("full")
    for kind in ("RGB", "GT/LABELS"):
        for camera in layout.CAMERAS:
            folder = root / SEQUENCE / kind / camera
            folder.mkdir(parents=True)
            for i in range(787):
                (folder / f"{i:06}.png").touch()
    return root


def label_of(split, index=0):
    return split.pairs[index][1]


def test_ids_names_and_colours_are_the_official_ones(root):
    split = Synthia(root=str(root)).split("train")
    stored = cv2.imread(str(label_of(split)), cv2.IMREAD_UNCHANGED)[..., ::-1]
    label = split.load(0)[1]
    assert label.dtype == np.uint8
    for class_id, (value, (name, colour)) in enumerate(OFFICIAL.items()):
        assert set(label[stored[..., 0] == value]) == {class_id}, name
        assert Synthia.names[class_id] == name.replace(" ", "_")
        assert Synthia.colours[class_id] == colour
    assert set(label[stored[..., 0] == 0]) == {VOID}
    assert len(Synthia.names) == len(OFFICIAL)


def test_the_fixture_is_as_the_archive(root):
    """What Pillow makes of it is the pitfall: the high byte of each id, which is 0."""
    label = label_of(Synthia(root=str(root)).split("train"))
    assert label.read_bytes()[24:26] == bytes([16, 2])  # bits per channel, RGB
    assert np.asarray(Image.open(label))[..., 0].max() == 0
    assert set(cv2.imread(str(label), cv2.IMREAD_UNCHANGED)[..., 2].ravel()) == set(layout.IDS)


def test_images_are_rgb_and_not_the_colour_labels(root):
    split = Synthia(root=str(root)).split("val")
    image = split.pairs[0][0]
    assert image.is_relative_to(root / SEQUENCE / "RGB")
    np.testing.assert_array_equal(split.load(0)[0], np.asarray(Image.open(image)))


def test_label_paths_are_derived_from_image_paths(root):
    for name in SPLITS:
        split = Synthia(root=str(root)).split(name)
        for i, (image, label) in enumerate(split.pairs):
            inner = image.relative_to(root / SEQUENCE / "RGB")
            assert label == root / SEQUENCE / "GT" / "LABELS" / inner
            assert split.name(i) == inner.with_suffix("").as_posix()


def test_splits_are_those_of_the_paper(full):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the full set is none to warn of
        splits = {name: names_of(Synthia(root=str(full)).split(name)) for name in SPLITS}
    assert {name: len(split) for name, split in splits.items()} == Synthia.card.images
    assert Synthia.card.images == {"train": 4400, "val": 624, "test": 1272}
    together = [name for split in splits.values() for name in split]
    assert len(set(together)) == len(together) == 6296
    for camera in layout.CAMERAS:  # the authors' lines, on a sorted list
        files = [f"{camera}/{i:06}" for i in range(787)]
        random.seed(0)
        random.shuffle(files)
        parts = {"train": files[:550], "val": files[550:628], "test": files[628:]}
        for name, part in parts.items():
            assert {one for one in splits[name] if one.startswith(camera)} == set(part)


def test_the_split_is_pinned(full):
    """Should Python ever shuffle otherwise, results would no longer compare."""
    val = names_of(Synthia(root=str(full)).split("val"))
    assert val == sorted(val)
    frames = [int(name.rsplit("/", 1)[1]) for name in val if name.startswith("Stereo_Right/Omni_L")]
    assert frames[:8] == [12, 13, 22, 23, 37, 40, 59, 62]
    assert len(frames) == 78


def test_the_views_of_a_moment_stay_together(full):
    for name in SPLITS:
        frames = {}
        for sample in names_of(Synthia(root=str(full)).split(name)):
            camera, frame = sample.rsplit("/", 1)
            frames.setdefault(camera, []).append(frame)
        assert len(frames) == 8
        assert all(one == frames["Stereo_Left/Omni_B"] for one in frames.values())


def test_the_seed_of_the_datamodule_does_not_move_the_split(root):
    splits = [names_of(Synthia(root=str(root), seed=seed).split("test")) for seed in (0, 5)]
    assert splits[0] == splits[1]


def test_the_global_generator_is_left_alone(root):
    random.seed(4)
    before = random.getstate()
    Synthia(root=str(root)).split("train")
    assert random.getstate() == before


def test_the_sequence_itself_may_be_the_root(root):
    for name in SPLITS:
        inner = Synthia(root=str(root / SEQUENCE)).split(name)
        outer = Synthia(root=str(root)).split(name)
        assert names_of(inner) == names_of(outer)
        assert inner.pairs == outer.pairs


def test_other_sequences_beside_it_are_left_alone(root, tmp_path):
    layout.write(tmp_path)
    (tmp_path / "RGB").mkdir()
    (tmp_path / "SYNTHIA-SEQS-05-WINTER").symlink_to(tmp_path / SEQUENCE)
    assert names_of(Synthia(root=str(tmp_path)).split("val")) == names_of(
        Synthia(root=str(root)).split("val")
    )


def test_a_part_of_the_cameras_is_split_as_the_full_set(root, small):
    for name in SPLITS:
        every = names_of(Synthia(root=str(root)).split(name))
        some = names_of(Synthia(root=str(small)).split(name))
        assert some == [one for one in every if one.startswith("Stereo_Left/Omni_F/")]
        assert len(some) == {"train": 7, "val": 1, "test": 2}[name]


@pytest.mark.filterwarnings("default")
def test_a_part_is_warned_of(root):
    with pytest.warns(UserWarning, match=r"holds 80 frames, SYNTHIA-SEQS-05-SUMMER has 6296"):
        Synthia(root=str(root)).split("train")


def test_too_few_frames_for_a_split_are_told(tmp_path):
    layout.write(tmp_path, frames=9)
    assert len(Synthia(root=str(tmp_path)).split("train")) == 6 * 8
    with pytest.raises(DataError, match=r"72 frames leave none for the val split.*synthia-dataset"):
        Synthia(root=str(tmp_path)).split("val")


@pytest.mark.parametrize("value", [13, 14, 16, 255, 256, 3 * 257, 65535])
def test_reserved_and_unknown_ids_are_refused(small, value):
    split = Synthia(root=str(small)).split("train")
    ids = np.full(layout.SIZE, 3)
    ids[2, 5] = value
    layout.save_label(label_of(split), ids)
    with pytest.raises(DataError, match=rf"\.png: .*\[{value}\], expected only 0-12, 15;"):
        split.load(0)


GREY = np.full(layout.SIZE, 3)


@pytest.mark.parametrize(
    ("label", "found"),
    [
        (np.dstack([GREY] * 3).astype(np.uint8), "8-bit of 3"),
        (GREY.astype(np.uint8), "8-bit of 1"),
        (GREY.astype(np.uint16), "16-bit of 1"),
        (np.dstack([GREY] * 4).astype(np.uint16), "16-bit of 4"),
    ],
)
def test_labels_of_another_kind_are_refused(small, label, found):
    split = Synthia(root=str(small)).split("train")
    cv2.imwrite(str(label_of(split)), label)
    name = re.escape(label_of(split).name)
    with pytest.raises(DataError, match=rf"{name}: .*16-bit of 3 channels, .* {found}; .*anew"):
        split.label(0)


def test_labels_that_pillow_saved_again_are_refused(small):
    split = Synthia(root=str(small)).split("train")
    Image.open(label_of(split)).save(label_of(split))
    with pytest.raises(DataError, match=r"8-bit of 3; what saved it again lost the class ids"):
        split.load(0)


def test_labels_with_their_channels_swapped_are_refused(small):
    """As by writing RGB with OpenCV: then the third channel, which is empty, comes first."""
    split = Synthia(root=str(small)).split("train")
    stored = cv2.imread(str(label_of(split)), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(label_of(split)), stored[..., ::-1])
    with pytest.raises(DataError, match=r"\.png: the class ids .* are all 0 \(void\)"):
        split.load(0)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
def test_truncated_labels_are_named(small, kept):
    split = Synthia(root=str(small)).split("train")
    content = label_of(split).read_bytes()
    label_of(split).write_bytes(content[: int(kept * len(content))])
    reason = "damaged" if kept else "empty"
    name = re.escape(label_of(split).name)
    with pytest.raises(DataError, match=rf"{name}: cannot be read .*{reason}.*fetch it again"):
        split.load(0)


def test_other_content_and_lost_files_are_named(small):
    split = Synthia(root=str(small)).split("train")
    label_of(split).write_text("<html>please log in</html>")
    with pytest.raises(DataError, match=r"\.png: cannot be read as an image"):
        split.load(0)
    label_of(split).unlink()
    with pytest.raises(DataError, match=r"\.png: cannot be read \(No such file"):
        split.load(0)


def test_a_size_mismatch_is_told(small):
    split = Synthia(root=str(small)).split("train")
    layout.save_label(label_of(split), np.full((12, 10), 3))
    with pytest.raises(DataError, match=r"LABELS.*: is 12x10 .*RGB.* is 12x20"):
        split.load(0)


@pytest.mark.parametrize("kind", ["RGB", "GT/LABELS"])
def test_a_missing_partner_is_named_and_does_not_move_the_split(small, kind):
    before = names_of(Synthia(root=str(small)).split("val"))
    lost = small / SEQUENCE / kind / f"{before[0]}.png"
    lost.unlink()
    with pytest.raises(
        DataError, match=re.escape(f"{lost}: no such file") + ".*missing files: 1 of 2"
    ):
        Synthia(root=str(small)).split("val")
    assert before[0] not in names_of(Synthia(root=str(small)).split("train"))


def test_missing_folder_tells_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(DataError) as error:
        Synthia().split("train")
    message = str(error.value)
    assert str(tmp_path / "nowhere" / "synthia" / SEQUENCE / "RGB") in message
    assert "http://synthia-dataset.net" in message
    assert "DATA_ROOT" in message


def test_an_empty_folder_tells_what_belongs_there(tmp_path):
    (tmp_path / SEQUENCE / "RGB").mkdir(parents=True)
    with pytest.raises(DataError, match=r"RGB: holds no Stereo_Left/Omni_F/.*synthia-dataset"):
        Synthia(root=str(tmp_path)).split("train")


def test_junk_is_no_frame(root):
    for name in SPLITS:
        for path in sum(Synthia(root=str(root)).split(name).pairs, ()):
            assert re.fullmatch(r"\d{6}\.png", path.name)
    assert (root / SEQUENCE / "RGB/Stereo_Left/Omni_F/._000000.png").is_file()


def test_any_folder_name_will_do(tmp_path):
    root = tmp_path / "Städte 東京 [x]"
    layout.write(root, cameras=("Stereo_Right/Omni_B",))
    assert set(np.unique(Synthia(root=str(root)).split("train").load(0)[1])) == {*range(13), VOID}


def test_a_folder_without_write_permission_is_read_and_left_as_it_was(tmp_path):
    layout.write(tmp_path, cameras=("Stereo_Left/Omni_L",))
    entries = sorted(tmp_path.rglob("*"))
    modes = {path: path.stat().st_mode for path in (tmp_path, *entries)}
    for path, mode in modes.items():
        path.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        data = Synthia(root=str(tmp_path), num_workers=0)
        data.prepare_data()
        data.split("test").load(1)
        assert sorted(tmp_path.rglob("*")) == entries
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_void_can_be_trained_as_in_the_paper(root):
    data = Synthia(root=str(root), void="train", num_workers=0, height=12, width=20)
    assert data.class_names[-2:] == ["traffic_light", "void"]
    target = next(iter(data.val_dataloader()))["target"]
    assert set(target.unique().tolist()) == set(range(14))


@pytest.mark.skipif(not REAL.is_dir(), reason="no synthia in $DATA_ROOT")
def test_real_frames_are_read():
    split = Synthia(root=str(REAL)).split("val")
    image, label = split.load(0)
    assert image.shape[:2] == label.shape == Synthia.native_size
    pixels = count_images(split, 13).sum(axis=0)
    assert all(pixels[Synthia.names.index(name)] for name in ("sky", "building", "road"))
