"""Your own images: folders of classes, folders of splits, and a table."""

import pytest

from lit_seg.classification.data import ClassFolders
from lit_seg.errors import DataError
from tests.classification.pictures_of_classes import write_photos

OPTIONS = {"num_workers": 0, "batch_size": 2, "size": 8}


def numbered(label, count, start=""):
    return [f"{start}{label}/{i}.png" for i in range(count)]


def paths(data, name):
    return set(data.images(name).paths)


def test_a_folder_per_class_is_divided(tmp_path):
    write_photos(tmp_path, numbered("cat", 30) + numbered("dog", 12) + numbered("eel", 4))
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"")
    data = ClassFolders(root=str(tmp_path), **OPTIONS)
    assert data.class_names == ["cat", "dog", "eel"]
    assert data.class_counts.pixels == (24, 10, 4)
    parts = [paths(data, name) for name in ("train", "val", "test")]
    assert [len(part) for part in parts] == [38, 4, 4]
    assert len(set.union(*parts)) == 46
    write_photos(tmp_path, ["dog/new.png"])
    more = ClassFolders(root=str(tmp_path), **OPTIONS)
    assert len(paths(more, "val") ^ parts[1]) <= 2
    data.prepare_data()
    assert next(iter(data.train_dataloader()))["image"].shape == (2, 3, 8, 8)


def test_folders_of_splits_are_taken_as_they_are(tmp_path):
    write_photos(tmp_path, numbered("a", 3, "train/") + numbered("b/deep", 2, "train/"))
    write_photos(tmp_path, numbered("b", 2, "val/"))
    data = ClassFolders(root=str(tmp_path), **OPTIONS)
    assert data.class_counts.pixels == (3, 2)
    assert data.split("val").targets.tolist() == [1, 1]
    with pytest.raises(DataError, match="has no test split; `root` must hold"):
        data.split("test")


def test_a_table_names_images_classes_and_splits(tmp_path):
    write_photos(tmp_path, numbered("x", 5))
    rows = [f"x/{i}.png,{'ab'[i % 2]},{'train' if i < 4 else 'val'}\n" for i in range(5)]
    (tmp_path / "t.csv").write_text("\ufeffimage,label,split\n" + "".join(rows), "utf-8")
    data = ClassFolders(root=str(tmp_path), table="t.csv", **OPTIONS)
    assert data.class_names == ["a", "b"]
    assert data.class_counts.pixels == (2, 2)
    assert paths(data, "val") == {"x/4.png"}
    (tmp_path / "t.csv").write_text("image,label\n" + "".join(f"x/{i}.png,a\n" for i in range(5)))
    alone = ClassFolders(root=str(tmp_path), table="t.csv", val=0.4, **OPTIONS)
    assert [len(paths(alone, name)) for name in ("train", "val")] == [3, 2]
