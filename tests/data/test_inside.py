"""Paths from lists stay below the root of the dataset."""

import pytest

from lit_seg.data.datasets.camvid import CamVid
from lit_seg.data.file_lists import inside
from lit_seg.errors import DataError
from tests.data import layouts


@pytest.mark.parametrize("listed", ["a.png", "train/a.png", "./a/b.png", "a/..b/c..png"])
def test_a_path_below_the_root_is_taken(listed, tmp_path):
    assert inside(tmp_path, listed, "list.txt: line 1") == tmp_path / listed


@pytest.mark.parametrize(
    "listed",
    [
        *("..", "../a.png", "train/../../a.png", "a/..", "/etc/passwd", "//server/a"),
        *("C:\\a.png", "C:a.png", "c:/a.png", "\\\\server\\share\\a", "\\a", "a\\..\\..\\b"),
        *("", ".", "a\0.png"),
    ],
)
def test_any_other_is_refused_by_list_and_line(listed, tmp_path):
    with pytest.raises(DataError) as error:
        inside(tmp_path, listed, "list.txt: line 7")
    assert "list.txt: line 7" in str(error.value)
    assert repr(listed) in str(error.value)


@pytest.mark.parametrize("at", [0, 1], ids=["image", "label"])
def test_a_list_of_camvid_cannot_leave_the_root(at, tmp_path):
    layouts.camvid(tmp_path, ("val",))
    listing = tmp_path / "val.txt"
    lines = listing.read_text().splitlines()
    parts = lines[4].split()
    parts[at] = "/SegNet/CamVid/../secret.png"
    listing.write_text("\n".join([*lines[:4], " ".join(parts), *lines[5:]]))
    with pytest.raises(DataError, match=r"val\.txt: line 5: '/SegNet/CamVid/\.\./secret\.png'"):
        CamVid(root=str(tmp_path)).split("val")


def test_a_link_within_the_root_may_lead_elsewhere(tmp_path):
    layouts.camvid(tmp_path / "elsewhere", ("val",))
    root = tmp_path / "root"
    root.mkdir()
    for path in (tmp_path / "elsewhere").iterdir():
        (root / path.name).symlink_to(path)
    assert CamVid(root=str(root)).split("val").load(0)[0].shape == (12, 16, 3)
