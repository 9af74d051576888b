"""Which files are labelled, and what their predictions are called."""

from pathlib import Path

import pytest

from lit_seg.errors import DataError, RunError
from lit_seg.inference.inputs import find_inputs


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = ("b.JPG", "town/a.png", "town/deep/c.d.tif", "film.mp4", "notes.md", ".hidden.png")
    for name in (*names, ".thumbs/x.png", "out/labels/b.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    return tmp_path / "photos"


def names(*sources: str, out: str | None = None) -> list[str]:
    return [each.name for each in find_inputs(sources, out and Path(out))]


def test_a_folder_keeps_its_sub_folders(photos: Path) -> None:
    expected = ["b", "film", "town/a", "town/deep/c.d"]
    assert names("photos", out="photos/out") == expected
    assert names(str(photos), out="photos/out") == expected
    assert names("photos") == ["b", "film", "out/labels/b", "town/a", "town/deep/c.d"]
    assert [i.path.name for i in find_inputs(["photos"]) if i.is_video] == ["film.mp4"]


def test_a_file_and_a_pattern(photos: Path) -> None:
    assert names("photos/town/a.png", "photos/b.JPG") == ["a", "b"]
    assert names("photos/*/*.png") == ["town/a"]
    assert names("photos/**/*.tif", "photos/town/deep/c.d.tif") == ["c.d", "town/deep/c.d"]
    assert names("photos/town/[a-c].png") == ["a"]
    (photos / "[x].png").touch()  # a name, where there is such a file
    assert names("photos/[x].png") == ["[x]"]


def test_a_list_is_relative_to_its_folder(photos: Path) -> None:
    (photos / "list.txt").write_text("# of May\ntown/a.png\n\n town/deep/c.d.tif\nnot there.png\n")
    found = find_inputs(["photos/list.txt"])
    assert [each.name for each in found] == ["not there", "town/a", "town/deep/c.d"]
    assert found[1].path == photos / "town" / "a.png"
    elsewhere = photos / "town" / "lists.txt"
    elsewhere.write_text(f"../b.JPG\n{photos}/town/a.png\n")
    assert names(str(elsewhere)) == ["b", "town/a"]


def test_two_files_of_one_name_are_refused(photos: Path) -> None:
    (photos / "b.png").touch()
    with pytest.raises(RunError, match=r"photos/b\.png.*named b.*photos/b\.JPG.*--out"):
        names("photos")
    (photos / "a.png").touch()
    with pytest.raises(RunError, match=r"named a, as those of photos/town/a\.png"):
        names("photos/town/a.png", "photos/a.png")
    assert names("photos/a.png", "photos/a.png") == ["a"]


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("nosuch", "nosuch: no such file or folder"),
        ("photos/*.gif", r"photos/\*\.gif: matches no image or video.*\.jpg"),
        ("photos/empty", "photos/empty: holds no image or video"),
        ("photos/empty.txt", r"photos/empty\.txt: lists nothing"),
        ("photos/bytes.txt", r"photos/bytes\.txt: cannot be read .*UTF-8"),
    ],
)
def test_what_names_no_image_is_named(source: str, named: str, photos: Path) -> None:
    (photos / "empty").mkdir()
    (photos / "empty.txt").write_text("\n")
    (photos / "bytes.txt").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match=named):
        names(source)
