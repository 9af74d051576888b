"""Datasets for classification: lists, folders of classes, tables, and files that are pickles."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

from lit_seg.classification.data import CIFAR10LT, ClassFolders, DigitsLT, INaturalist2018, PlacesLT
from lit_seg.classification.data.base import ImageDataModule
from tests.bad_input.case import Case, World
from tests.classification.pictures_of_classes import (
    write_cifar,
    write_list,
    write_photos,
    write_places,
)

TRAIN, TEST = "Places_LT_train.txt", "Places_LT_test.txt"
SMALL = {"num_workers": 0, "batch_size": 2}


def _read(data: ImageDataModule) -> int:
    """Read what training reads before its first step."""
    _ = data.class_counts, data.data_format
    data.prepare_data()
    return 0


def _places(spoil: Callable[[Path], object], own: bool = True) -> Callable[[World], int]:
    def provoke(world: World) -> int:
        world.patch.setattr(PlacesLT, "num_classes", 3)
        write_places(world.tmp / "places")
        spoil(world.tmp / "places")
        return _read(PlacesLT(root=str(world.tmp / "places"), own_lists=own, size=8, **SMALL))

    return provoke


def _line(text: str, split: str = "train") -> Callable[[Path], object]:
    def spoil(root: Path) -> None:
        with (root / f"Places_LT_{split}.txt").open("a") as file:
            file.write(f"{text}\n")

    return spoil


def _sorted_labels(root: Path) -> None:
    """Label the test images by the order of their folders."""
    ids = {"desert": 0, "field": 1, "zoo": 2}
    paths = [line.split()[0] for line in (root / TEST).read_text().splitlines()]
    write_list(root, TEST, [(path, ids[path.split("/")[1].split("_")[0]]) for path in paths])


def _without_class(root: Path) -> None:
    lines = (root / TRAIN).read_text().splitlines(keepends=True)
    (root / TRAIN).write_text("".join(line for line in lines if not line.endswith(" 1\n")))


def _cut(root: Path) -> None:
    file = root / "train/zoo_road/train0.png"
    file.write_bytes(file.read_bytes()[:100])


def _own(paths: list[str], table: str | None = None) -> Callable[[World], int]:
    def provoke(world: World) -> int:
        root = world.tmp / "own"
        write_photos(root, paths)
        if table is not None:
            root.mkdir(exist_ok=True)
            (root / "t.csv").write_text(table)
        name = None if table is None else "t.csv"
        return _read(ClassFolders(root=str(root), table=name, size=8, **SMALL))

    return provoke


def _empty_class(world: World) -> int:
    (world.tmp / "own" / "newt").mkdir(parents=True)
    return _own([f"cat/{i}.png" for i in range(20)])(world)


def _evil_cifar(world: World) -> int:
    write_cifar(world.tmp, per_class=1)
    evil = world.tmp / "cifar-10-batches-py" / "data_batch_1"
    evil.write_bytes(pickle.dumps({b"data": print}))
    return _read(CIFAR10LT(root=str(world.tmp), **SMALL))


def _other_annotations(world: World) -> int:
    content = {"images": [{"id": 1, "file_name": "x"}], "annotations": [{"image_id": 2}]}
    (world.tmp / "train2018.json").write_text(json.dumps(content))
    return _read(INaturalist2018(root=str(world.tmp), **SMALL))


def _without_sklearn(world: World) -> int:
    world.patch.setitem(sys.modules, "sklearn.datasets", None)
    return _read(DigitsLT(**SMALL))


CASES = [
    Case("images-list-missing", _places(lambda root: (root / TRAIN).unlink()), (TRAIN,)),
    Case("images-list-line", _places(_line("train/zoo_road/train0.png")), (TRAIN, "line 11")),
    Case("images-list-label", _places(_line("train/x/1.png 3")), ("line 11", "0 to 2")),
    Case("images-list-leaves-root", _places(_line("../1.png 0")), ("line 11", "'../1.png'")),
    Case(
        "images-list-mixed",
        _places(_line("train/zoo_road/9.png 2")),
        ("zoo_road/9.png has the class id 2 and",),
    ),
    Case("images-list-order", _places(_sorted_labels), (TEST, "id 2", "'zoo_road'", "has 0")),
    Case("images-list-length", _places(lambda root: None, own=False), (TRAIN, "10", "62500")),
    Case("images-list-twice", _places(_line("train/zoo_road/train0.png 0")), (TRAIN, "train0.png")),
    Case(
        "images-list-leak",
        _places(_line("train/field_road/train1.png 2", "val")),
        ("Places_LT_val.txt", "field_road/train1.png", "both: 1"),
    ),
    Case("images-list-no-image", _places(_without_class), (TRAIN, "1 of 3", "class 1")),
    Case(
        "images-list-names-missing",
        _places(_line("train/zoo_road/9.png 0")),
        ("zoo_road/9.png", "1 of 11"),
    ),
    Case("images-image-truncated", _places(_cut), ("train0.png",)),
    Case(
        "images-folder-missing",
        lambda world: _read(ClassFolders(root=str(world.tmp / "no"), size=8, **SMALL)),
        ("no",),
    ),
    Case("images-folder-flat", _own(["train/1.png"]), ("own/train",)),
    Case("images-folder-empty", _empty_class, ("1 of 2", "'newt'")),
    Case("images-folder-one", _own([f"photos/cat{i}.png" for i in range(9)]), ("own", "'photos'")),
    Case("images-table-column", _own([], "file,label\n"), ("t.csv", "'image'", "'file'")),
    Case("images-table-split", _own([], "image,label,split\n1.png,a,dev\n"), ("line 2", "'dev'")),
    Case(
        "images-table-name-long",
        _own([], f"image,label\n1.png,{'x' * 301}\n"),
        ("t.csv", "301", "xxx"),
    ),
    Case("images-table-empty", _own([], "image,label\n1.png,\n"), ("t.csv", "line 2")),
    Case(
        "images-table-leak",
        _own(
            ["1.png", "2.png"],
            "image,label,split\n1.png,a,train\n2.png,b,train\n1.png,a,val\n",
        ),
        ("t.csv", "1.png", "val", "train"),
    ),
    Case("images-cifar-pickle", _evil_cifar, ("data_batch_1", "builtins.print")),
    Case("images-inaturalist-ids", _other_annotations, ("train2018.json", "image 1")),
    Case("images-package-missing", _without_sklearn, ("scikit-learn",)),
    Case(
        "images-tail-too-long",
        lambda world: _read(DigitsLT(largest=130, **SMALL)),
        ("130 and 50",),
    ),
]
