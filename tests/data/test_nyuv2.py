"""NYUv2 in its layouts: encodings, splits, damage; on real labels where $DATA_ROOT has them."""

import os
import pickle
import re
import shutil
import struct
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.io import loadmat, savemat

from lit_seg.data.counting.count import count_images
from lit_seg.data.datasets.nyuv2 import mat as nyuv2_mat
from lit_seg.data.datasets.nyuv2 import single_files as nyuv2_files
from lit_seg.data.datasets.nyuv2.mat import read_matlab
from lit_seg.data.datasets.nyuv2.nyuv2 import NYUv2
from lit_seg.data.file_lists import faults_listed
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layout_of_nyuv2 as layout_of

# number in the 40-class labels: (name, which of the 13 it belongs to), from classMapping40.mat and
# class13Mapping.mat
OFFICIAL = {
    1: ("wall", "wall"),
    2: ("floor", "floor"),
    3: ("cabinet", "furniture"),
    4: ("bed", "bed"),
    5: ("chair", "chair"),
    6: ("sofa", "sofa"),
    7: ("table", "table"),
    8: ("door", "wall"),
    9: ("window", "window"),
    10: ("bookshelf", "furniture"),
    11: ("picture", "picture"),
    12: ("counter", "furniture"),
    13: ("blinds", "window"),
    14: ("desk", "table"),
    15: ("shelves", "furniture"),
    16: ("curtain", "window"),
    17: ("dresser", "furniture"),
    18: ("pillow", "objects"),
    19: ("mirror", "objects"),
    20: ("floor mat", "floor"),
    21: ("clothes", "objects"),
    22: ("ceiling", "ceiling"),
    23: ("books", "books"),
    24: ("refrigerator", "furniture"),
    25: ("television", "tv"),
    26: ("paper", "objects"),
    27: ("towel", "objects"),
    28: ("shower curtain", "objects"),
    29: ("box", "objects"),
    30: ("whiteboard", "objects"),
    31: ("person", "objects"),
    32: ("night stand", "furniture"),
    33: ("toilet", "objects"),
    34: ("sink", "objects"),
    35: ("lamp", "objects"),
    36: ("bathtub", "objects"),
    37: ("bag", "objects"),
    38: ("otherstructure", "objects"),
    39: ("otherfurniture", "furniture"),
    40: ("otherprop", "objects"),
}
# number in the 13-class labels: (name, RGB), void apart
THIRTEEN = {
    1: ("bed", (0, 0, 255)),
    2: ("books", (232, 88, 47)),
    3: ("ceiling", (0, 217, 0)),
    4: ("chair", (148, 0, 240)),
    5: ("floor", (222, 241, 23)),
    6: ("furniture", (255, 205, 205)),
    7: ("objects", (0, 223, 228)),
    8: ("picture", (106, 135, 204)),
    9: ("sofa", (116, 28, 41)),
    10: ("table", (240, 35, 235)),
    11: ("tv", (0, 166, 156)),
    12: ("wall", (249, 139, 0)),
    13: ("window", (225, 228, 194)),
}
LAYOUTS = ("mat", "class13", "label40", "mtan")
REAL = Path(os.environ.get("DATA_ROOT", "data")) / "nyuv2"


def names_of(split):
    return [split.name(i) for i in range(len(split))]


def make(root, **options):
    return NYUv2(root=str(root), num_workers=0, batch_size=2, **options)


def expected(values, table):
    """Names that a stored label stands for, through a table of this file."""
    return np.vectorize(lambda value: table[value].replace(" ", "_"), otypes=[object])(values)


def named(label, names):
    return np.array([*names, *["?"] * (VOID - len(names)), "void"], object)[label]


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """A root for each layout; not to be changed."""
    roots = {layout: tmp_path_factory.mktemp(layout) for layout in LAYOUTS}
    for layout, root in roots.items():
        layout_of.write(root, layout)
    return roots


@pytest.fixture
def copy(roots, tmp_path, monkeypatch):
    """Gives a root of a layout that may be damaged; of MTAN's arrays eight of each split."""

    def copy(layout):
        if layout != "mtan":
            return Path(shutil.copytree(roots[layout], tmp_path / layout))
        monkeypatch.setattr(nyuv2_files, "MTAN_SIZES", {"train": 8, "val": 8})
        for part in roots[layout].glob("*/*"):
            folder = tmp_path / part.relative_to(roots[layout].parent)
            folder.mkdir(parents=True)
            for path in (part / f"{i}.npy" for i in range(8)):
                if path.exists():
                    shutil.copy(path, folder)
        return tmp_path / roots[layout].name

    return copy


def table(values, to_13):
    """The class name of each stored value: of 40 classes, or of the 13 they belong to."""
    names = {value: pair[to_13] for value, pair in OFFICIAL.items()} | {0: "void"}
    return {stored: names[value] for stored, value in values.items()}


OF_40 = {value: value for value in range(41)}
OF_894 = {0: 0} | dict(enumerate(layout_of.MAP_40, 1))


@pytest.mark.parametrize("classes", [13, 40])
def test_the_mat_file_is_read_with_its_axes_swapped_and_its_labels_mapped_twice(roots, classes):
    data = make(roots["mat"], classes=classes)
    for name, numbers in (("train", layout_of.TRAIN), ("val", layout_of.TEST)):
        split = data.split(name)
        assert names_of(split) == [f"nyu_rgb_{n:04}" for n in numbers]
        for i, number in enumerate(numbers):
            image, label = split.load(i)
            np.testing.assert_array_equal(image, layout_of.image(number))
            assert image.flags["C_CONTIGUOUS"]
            stored = layout_of.labels(number, 895)
            want = expected(stored, table(OF_894, classes == 13))
            np.testing.assert_array_equal(named(label, data.names), want)
            np.testing.assert_array_equal(split.label(i), label)
            assert (image.dtype, label.dtype) == (np.uint8, np.uint8)
        assert split.label_files()[0] == roots["mat"] / "nyu_depth_v2_labeled.mat"


def test_thirteen_class_pngs_are_paired_by_number(roots):
    data = make(roots["class13"])
    want = {value: name for value, (name, _) in THIRTEEN.items()} | {0: "void"}
    for name, numbers in (("train", layout_of.TRAIN), ("val", layout_of.TEST)):
        split = data.split(name)
        assert names_of(split) == [f"nyu_rgb_{n:04}" for n in numbers]
        for i, number in enumerate(numbers):
            image, label = split.load(i)
            np.testing.assert_array_equal(image, layout_of.image(number))
            stored = layout_of.labels(number, 14)
            np.testing.assert_array_equal(named(label, data.names), expected(stored, want))


@pytest.mark.parametrize("classes", [13, 40])
def test_forty_class_pngs_are_paired_by_the_lists(roots, classes):
    root = roots["label40"]
    data = make(root, classes=classes)
    for name, numbers in (("train", layout_of.TRAIN), ("val", layout_of.TEST)):
        split = data.split(name)
        assert names_of(split) == [str(n) for n in numbers]
        for i, number in enumerate(numbers):
            image, label = split.load(i)
            np.testing.assert_array_equal(image, Image.open(root / f"RGB/{number}.jpg"))
            want = expected(layout_of.labels(number, 41), table(OF_40, classes == 13))
            np.testing.assert_array_equal(named(label, data.names), want)


def test_mtan_arrays_are_taken_in_the_order_of_their_numbers(roots):
    """Sorted as text, 10 would come before 2."""
    data = make(roots["mtan"])
    want = {value: name for value, (name, _) in THIRTEEN.items()} | {0: "void"}
    for name, size in layout_of.MTAN_SIZES.items():
        split = data.split(name)
        assert names_of(split) == [f"{name}/image/{i}" for i in range(size)]
        for i in (0, 2, 10, size - 1):
            seed = i % layout_of.MTAN_DISTINCT + len(name)
            image, label = split.load(i)
            np.testing.assert_array_equal(image, layout_of.image(seed))
            assert (image.dtype, label.dtype) == (np.uint8, np.uint8)
            stored = layout_of.labels(seed, 14)
            np.testing.assert_array_equal(named(label, data.names), expected(stored, want))


def test_names_and_colours_are_the_official_ones():
    assert NYUv2.names == make("x").names == tuple(name for name, _ in THIRTEEN.values())
    assert NYUv2.colours == make("x").colours == tuple(rgb for _, rgb in THIRTEEN.values())
    forty = make("x", classes=40)
    assert forty.names == tuple(name.replace(" ", "_") for name, _ in OFFICIAL.values())
    assert len(forty.class_names) == len(forty.palette) == len(set(forty.palette)) == 40
    assert forty.colours[0] == (174, 199, 232)
    assert forty.colours[23] == (255, 127, 14)
    assert forty.colours[35] == (227, 119, 194)
    assert forty.colours[39] == (100, 85, 144)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits_are_disjoint_and_test_is_val(roots, layout):
    data = make(roots[layout])
    train, val, test = (names_of(data.split(name)) for name in ("train", "val", "test"))
    assert test == val
    assert len({*train, *val}) == len(train) + len(val)
    sizes = layout_of.MTAN_SIZES if layout == "mtan" else {"train": 10, "val": 4}
    assert {"train": len(train), "val": len(val)} == sizes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_split_of_pat_draws_from_all_images_once_for_all(roots, layout):
    official, drawn = make(roots[layout]), make(roots[layout], protocol="pat")
    everything = [name for part in ("train", "val") for name in names_of(official.split(part))]
    parts = {name: names_of(drawn.split(name)) for name in ("train", "val", "test")}
    sizes = [1160, 145, 144] if layout == "mtan" else [12, 1, 1]
    assert [len(part) for part in parts.values()] == sizes
    assert sorted(name for part in parts.values() for name in part) == sorted(everything)
    order = np.random.RandomState(0).permutation(len(everything))
    train = [sorted(everything)[i] for i in sorted(order[: sizes[0]])]
    assert parts["train"] == train
    assert parts["val"] == [sorted(everything)[i] for i in sorted(order[sizes[0] : -sizes[2]])]
    origin = {n: (s, i) for s in map(official.split, ("train", "val")) for i, n in
              enumerate(names_of(s))}  # fmt: skip
    split = drawn.split("test")
    for i, name in enumerate(names_of(split)[:5]):
        source, place = origin[name]
        for got, want in zip(split.load(i), source.load(place), strict=True):
            np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(split.label(i), source.label(place))
    files = drawn.split("train").label_files()
    assert len(files) == len(set(files))
    assert all(path.is_file() for path in files)


def test_sizes_of_pat_are_those_of_random_split():
    parts = torch.utils.data.random_split(range(1449), [0.8, 0.1, 0.1])
    assert [len(part) for part in parts] == [1160, 145, 144]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_workers_give_what_one_process_gives(roots, layout, monkeypatch):
    """The file was read here first, before the workers were forked."""
    monkeypatch.setattr(NYUv2, "native_size", layout_of.SIZE)
    alone, shared = make(roots[layout]), make(roots[layout])
    shared.num_workers = 2
    split = shared._split("train")
    split.load(0)
    loaders = [data.train_dataloader() for data in (alone, shared)]
    for _, one, two in zip(range(5), *loaders, strict=False):
        assert one["name"] == two["name"]
        assert torch.equal(one["image"], two["image"])
        assert torch.equal(one["target"], two["target"])
    assert one["image"].shape[2:] == layout_of.SIZE


def test_a_split_of_the_mat_file_reaches_other_processes_and_leaves_it_closed(roots):
    split = make(roots["mat"]).split("train")
    split.load(0)
    copied = pickle.loads(pickle.dumps(split))
    np.testing.assert_array_equal(copied.load(3)[0], split.load(3)[0])
    with h5py.File(split.path, "r+"):  # HDF5 refuses this while it is open for reading
        pass


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counts_are_made_from_the_labels(roots, layout, tmp_path, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path))
    data = make(roots[layout], void="train")
    split = data.split("train")
    seen = np.concatenate([split.load(i)[1].ravel() for i in range(len(split))])
    want = [int((seen == i).sum()) for i in (*range(13), VOID)]
    assert list(data.class_counts.pixels) == want
    assert min(want) > 0
    assert NYUv2.counts is None


def test_counts_are_kept_for_one_meaning_of_the_labels(roots):
    found = {make(roots["mat"], classes=c).label_meaning for c in (13, 40)}
    found |= {make(roots[layout]).label_meaning for layout in ("class13", "label40", "mtan")}
    assert len(found) == 5


def test_another_mapping_makes_other_counts(copy, tmp_path, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    root = copy("mat")
    before = make(root).class_counts
    savemat(root / "classMapping40.mat", {"mapClass": np.array([layout_of.MAP_40[::-1]])})
    assert make(root).class_counts != before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_root_that_may_only_be_read_is_not_written_to(copy, layout, tmp_path, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    root = copy(layout)

    def listing():
        found = sorted(root.rglob("*"))
        return [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in found]

    before = listing()
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        data = make(root)
        data.split("train").load(0)
        data.split("val").load(0)
        assert sum(data.class_counts.pixels) > 0
    finally:
        for path in (root, *root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert listing() == before


def test_layouts_are_found_and_two_at_once_are_refused(roots, tmp_path):
    for layout in ("mat", "class13"):
        shutil.copytree(roots[layout], tmp_path, dirs_exist_ok=True)
    both = r"mat \(mat\) and new_nyu_class13_NNNN\.png \(png\); set `layout` to one"
    with pytest.raises(DataError, match=re.escape(str(tmp_path)) + ": holds more .*" + both):
        make(tmp_path).split("train")
    assert hasattr(make(tmp_path, layout="png").split("train"), "pairs")
    assert hasattr(make(tmp_path, layout="mat").split("train"), "numbers")
    shutil.copytree(roots["label40"], tmp_path, dirs_exist_ok=True)
    with pytest.raises(DataError, match=r"NNNN\.png.*RGB/ and Label/.*; move all but one away"):
        make(tmp_path, layout="png").split("train")
    with pytest.raises(DataError, match=r"image: not found"):
        make(tmp_path, layout="mtan").split("train")


@pytest.mark.parametrize("layout", ["class13", "mtan"])
def test_forty_classes_need_labels_that_have_them(roots, layout):
    with pytest.raises(DataError, match="hold 13 classes; set `classes` to 13"):
        make(roots[layout], classes=40).split("train")


def test_missing_folder_tells_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(DataError) as error:
        NYUv2().split("train")
    message = str(error.value)
    assert "\n" not in message
    assert str(tmp_path / "nowhere" / "nyuv2" / "nyu_depth_v2_labeled.mat") in message
    for part in ("RGB/ and Label/", "NNNN.png", "{train,val}/image", "DATA_ROOT"):
        assert part in message
    for part in ("data download nyuv2", "nyuv2-meta-data", "classMapping40.mat", "lorenmt/mtan"):
        assert part in message


@pytest.mark.parametrize(
    ("option", "value"), [("classes", 14), ("layout", "hdf5"), ("protocol", "mine")]
)
def test_bad_options_are_named(option, value):
    with pytest.raises(ValueError, match=rf"`{option}` must be .*{value}"):
        NYUv2(**{option: value})


@pytest.mark.parametrize("name", ["splits.mat", "classMapping40.mat"])
def test_what_belongs_beside_the_mat_file_is_named(copy, name):
    root = copy("mat")
    (root / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: not found\. .*nyuv2-meta-data"):
        make(root).split("train")
    for content in (b"", b"not a mat file at all", bytes(200)):
        (root / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name}: (cannot be read as a .mat|holds no)"):
            make(root).split("train")
    savemat(root / name, {"other": np.arange(3)})
    with pytest.raises(DataError, match=rf"{name}: holds no `(trainNdxs|mapClass)`"):
        make(root).split("train")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ((3, 15), (1,), r"`trainNdxs` holds \[15\], expected whole numbers from 1 to 14"),
        ((0, 3), (1,), r"`trainNdxs` holds \[0\]"),
        ((3,), (1, 99), r"`testNdxs` holds \[99\]"),
        ((3, 3), (1,), r"holds an image twice"),
        ((3, 4), (1, 4), r"holds an image twice"),
        ((), (1,), r"`trainNdxs` holds nothing"),
        ((3, np.nan), (1,), r"`trainNdxs` holds \[nan\]"),
        ((3, 4.5), (1,), r"`trainNdxs` holds \[4\.5\]"),
        ("abc", (1,), r"cannot be read as a .mat file \(`trainNdxs` is no array of numbers\)"),
    ],
)
@pytest.mark.parametrize("name", ["train", "val"])
def test_a_split_that_is_none_is_refused(copy, train, test, message, name):
    root = copy("mat")
    savemat(root / "splits.mat", {"trainNdxs": train, "testNdxs": test})
    with pytest.raises(DataError, match=rf"splits\.mat: {message}"):
        make(root).split(name)


def test_a_split_in_doubles_is_as_good(copy):
    root = copy("mat")
    savemat(root / "splits.mat", {"trainNdxs": [[5.0], [3.0]], "testNdxs": [1.0]})
    assert names_of(make(root).split("train")) == ["nyu_rgb_0003", "nyu_rgb_0005"]


NUMBERS = [
    np.arange(1, 7, dtype=kind).reshape(3, 2) + 200 * (kind != np.int8)
    for kind in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
] + [np.array([[1.5, np.nan, -3e9]]), np.float32([[0.25]]), np.uint8([[7]]), np.zeros((0, 1))]


@pytest.mark.parametrize("compressed", [False, True])
def test_old_mat_files_are_read_as_scipy_reads_them(tmp_path, compressed):
    path = tmp_path / "a.mat"
    others = {"text": "x", "cells": np.array([["wall", 3]], object), "fields": {"wanted": 1}}
    names = [f"numbers{i}" for i in range(len(NUMBERS))]
    written = dict(zip(names, NUMBERS, strict=True))
    savemat(path, {**others, **written, "number": 1}, do_compression=compressed)
    found = read_matlab(path, *names, "number", "missing")
    assert list(found) == [*names, "number"]
    for name, numbers in written.items():
        np.testing.assert_array_equal(found[name], numbers.ravel(order="F"))
    np.testing.assert_array_equal(found["number"], [1])
    for other in others:
        with pytest.raises(ValueError, match=f"`{other}` is no array of numbers"):
            read_matlab(path, "number", other)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_old_mat_file_gives_values_or_one_kind_of_error(tmp_path, compressed):
    path = tmp_path / "a.mat"
    savemat(path, {"wanted": np.arange(99.0)}, do_compression=compressed)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(20):
        content = bytearray(whole[: rng.integers(len(whole)) if rng.random() < 0.3 else None])
        for at in rng.integers(min(len(whole), 250), size=3):
            if at < len(content):
                content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            read_matlab(path, "wanted")
        except ValueError:
            refused += 1
    assert refused > 4


def test_a_damaged_mat_file_that_ends_scipy_is_refused(copy):
    """The numbers are of a type that does not exist, for which SciPy reads foreign memory."""
    root = copy("class13")
    path = root / "splits.mat"
    savemat(path, {"trainNdxs": np.arange(1.0, 4.0), "testNdxs": [4.0]})
    doubles, unknown = (struct.pack("<II", kind, 24) for kind in (9, 9 + 256 * 237))
    assert path.read_bytes().count(doubles) == 1
    path.write_bytes(path.read_bytes().replace(doubles, unknown))
    with pytest.raises(DataError, match=r"splits\.mat: cannot be read as a \.mat file"):
        make(root).split("train")


@pytest.mark.parametrize(
    ("read", "reason"),
    [(lambda *_: os._exit(11), "SciPy ended"), (lambda *_: time.sleep(60), "0.1 s")],
)
def test_a_mat_file_that_scipy_does_not_come_back_from_is_refused(copy, monkeypatch, read, reason):
    monkeypatch.setattr(nyuv2_mat, "_SECONDS", 0.1 if reason == "0.1 s" else 60)
    monkeypatch.setattr(nyuv2_mat, "_read", read)
    start = time.monotonic()
    with pytest.raises(DataError, match=rf"splits\.mat: cannot be read .*{reason}"):
        make(copy("class13")).split("train")
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("compressed", [False, True])
def test_a_variable_of_too_many_values_is_refused(tmp_path, compressed):
    path = tmp_path / "a.mat"
    savemat(path, {"wanted": np.zeros(2**22)}, do_compression=compressed)
    with pytest.raises(ValueError, match="expected at most"):
        read_matlab(path, "wanted")


@pytest.mark.parametrize("value", [0, 41])
def test_a_mapping_to_other_than_40_classes_is_refused(copy, value):
    root = copy("mat")
    savemat(root / "classMapping40.mat", {"mapClass": np.array([[1, 2, value]], np.uint8)})
    with pytest.raises(DataError, match=rf"`mapClass` holds \[{value}\], expected .* 1 to 40"):
        make(root).split("train")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"<html>404 Not Found</html>" * 99,
        lambda content: content[:-1000],
        lambda content: content[: len(content) // 2],
        lambda content: content[:600] + bytes(len(content) - 600),
    ],
    ids=["empty", "html", "truncated", "half", "zeros"],
)
def test_a_damaged_mat_file_is_named(copy, damage):
    root = copy("mat")
    path = root / "nyu_depth_v2_labeled.mat"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as error:
        make(root).split("train").load(0)
    message = str(error.value)
    assert message.startswith(f"{path}: cannot be read as HDF5")
    assert "fetch it again" in message
    assert "\n" not in message


def test_a_damaged_image_in_the_mat_file_is_named(copy):
    root = copy("mat")
    path = root / "nyu_depth_v2_labeled.mat"
    with h5py.File(path) as file:
        chunk = file["images"].id.get_chunk_info_by_coord((2, 0, 0, 0))
    content = bytearray(path.read_bytes())
    start = chunk.byte_offset
    zlib.decompress(content[start : start + chunk.size])
    content[start : start + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    split = make(root).split("train")
    split.load(1)
    with pytest.raises(DataError, match=r"labeled\.mat: image 3 cannot be read \(.*fetch the fil"):
        split.load(0)


def rewrite(path, **arrays):
    with h5py.File(path, "r+") as file:
        for name, array in arrays.items():
            del file[name]
            if array is not None:
                file[name] = array


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"labels": None},
            r"holds no array `labels`, only \['#refs#', 'depths', 'images', 'na",
        ),
        ({"images": None}, "holds no array `images`"),
        ({"images": np.zeros((14, 3, 16, 13), np.uint8)}, r"`images` are \(14, 3, 16, 13\)"),
        ({"images": np.zeros((13, 3, 16, 12), np.uint8)}, r"`images` are \(13, 3, 16, 12\)"),
        ({"images": np.zeros((14, 16, 12, 3), np.uint8)}, r"`images` are \(14, 16, 12, 3\)"),
        ({"images": np.zeros((14, 3, 16, 12))}, r"of float64 and `labels`"),
        ({"labels": np.zeros((14, 16, 12))}, r"`labels` \(14, 16, 12\) of float64"),
        ({"labels": np.zeros((14, 16), np.uint16)}, r"`labels` \(14, 16\) of uint16"),
        (
            {"images": np.zeros((14, 3, 16), np.uint8), "labels": np.zeros((14, 16), np.uint16)},
            r"`images` are \(14, 3, 16\)",
        ),
        ({"labels": np.uint16(3)}, r"`labels` \(\) of uint16"),
    ],
)
def test_a_mat_file_of_other_arrays_is_refused(copy, arrays, message):
    root = copy("mat")
    path = root / "nyu_depth_v2_labeled.mat"
    rewrite(path, **arrays)
    with pytest.raises(DataError, match=re.escape(f"{path}: ") + ".*" + message):
        make(root).split("train")


def test_a_group_in_place_of_an_array_is_refused(copy):
    root = copy("mat")
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "r+") as file:
        del file["labels"]
        file.create_group("labels")
    with pytest.raises(DataError, match="holds no array `labels`"):
        make(root).split("train")


def test_a_label_that_does_not_exist_is_refused(copy):
    """Each layout in its own numbers."""
    root = copy("mat")
    values = np.zeros((14, 16, 12), np.uint16)
    values[2, 5, 5] = 895
    rewrite(root / "nyu_depth_v2_labeled.mat", labels=values)
    with pytest.raises(DataError, match=r"mat, |label 3: .*\[895\], expected only 0-894"):
        make(root).split("train").load(0)
    root = copy("class13")
    wrong = np.full(layout_of.SIZE, 14, np.uint8)
    layout_of.save(root / "train_labels_13/new_nyu_class13_0003.png", wrong)
    with pytest.raises(DataError, match=r"0003\.png: .*\[14\], expected only 0-13"):
        make(root).split("train").load(0)
    root = copy("label40")
    layout_of.save(root / "Label/3.png", wrong + 27)
    with pytest.raises(DataError, match=r"3\.png: .*\[41\], expected only 0-40"):
        make(root).split("train").load(0)


def test_labels_without_any_image_can_be_counted_and_not_loaded(copy):
    root = copy("class13")
    shutil.rmtree(root / "nyu_train_rgb")
    split = make(root).split("train")
    assert sum(count_images(split, 13).sum(axis=0)) == 10 * 12 * 16
    with pytest.raises(DataError, match=r"nyu_rgb_0003\.png: .*10 labels and no .*train_rgb\.tgz"):
        split.load(0)
    make(root).split("val").load(0)


def test_a_number_without_its_partner_is_named(copy):
    root = copy("class13")
    image = root / "nyu_train_rgb" / "nyu_rgb_0005.png"
    label = root / "train_labels_13" / "new_nyu_class13_0005.png"
    content = image.read_bytes()
    image.unlink()
    with pytest.raises(DataError, match=rf"{label}: has no nyu_rgb_0005\.png \(1 file of the tr"):
        make(root).split("train")
    image.write_bytes(content)
    label.unlink()
    with pytest.raises(DataError, match=rf"{image}: has no new_nyu_class13_0005\.png"):
        make(root).split("train")
    make(root).split("val")


def test_all_that_is_alone_or_twice_is_listed_where_faults_are(copy):
    root = copy("class13")
    image = root / "nyu_train_rgb" / "nyu_rgb_0005.png"
    label = root / "train_labels_13" / "new_nyu_class13_0006.png"
    image.unlink()
    label.unlink()
    twice = root / "train_labels_13" / "new_nyu_class13_0007.png"
    shutil.copy(twice, root)
    with faults_listed() as faults:
        split = make(root).split("train")
    assert faults == [f"{twice}: has the number of {root / twice.name}; one of them must go"]
    assert names_of(split) == [f"nyu_rgb_{n:04}" for n in layout_of.TRAIN]
    for number, path in ((5, image), (6, label)):
        with pytest.raises(DataError, match=re.escape(f"{path}: no such file")):
            split.load(layout_of.TRAIN.index(number))


def test_a_part_of_the_numbers_is_accepted_flat_or_deeper(copy):
    root = copy("class13")
    for name in ("train_labels_13/new_nyu_class13_0003.png", "nyu_train_rgb/nyu_rgb_0003.png"):
        (root / name).unlink()
    (root / "a").mkdir()
    (root / "train_labels_13").rename(root / "a" / "b")
    for path in (root / "nyu_train_rgb").glob("nyu_rgb*"):
        path.rename(root / path.name)
    split = make(root).split("train")
    assert names_of(split) == [f"nyu_rgb_{n:04}" for n in layout_of.TRAIN[1:]]
    np.testing.assert_array_equal(split.load(0)[0], layout_of.image(4))


def test_pngs_of_another_split_alone_are_not_enough(copy):
    root = copy("class13")
    shutil.rmtree(root / "train_labels_13")
    with pytest.raises(DataError, match=r"holds no new_nyu_class13_NNNN\.png of the train sp"):
        make(root).split("train")


def test_a_number_that_is_there_twice_is_refused(copy):
    root = copy("class13")
    name = "new_nyu_class13_0004.png"
    shutil.copy(root / "train_labels_13" / name, root / name)
    with pytest.raises(DataError, match=rf"_labels_13/{name}: has the number of {root / name}"):
        make(root).split("train")


def test_hidden_folders_are_left_alone(copy):
    root = copy("class13")
    shutil.copytree(root / "train_labels_13", root / ".trash")
    assert len(make(root).split("train")) == 10
    for folder in ("train_labels_13", "test_labels_13"):
        shutil.rmtree(root / folder)
    with pytest.raises(DataError, match="not found"):
        make(root).split("train")


@pytest.mark.parametrize("layout", ["class13", "label40", "mtan"])
def test_an_image_and_a_label_of_different_size_are_refused(copy, layout):
    root = copy(layout)
    path = root / {
        "class13": "train_labels_13/new_nyu_class13_0003.png",
        "label40": "Label/3.png",
        "mtan": "train/label/0.npy",
    }[layout]  # fmt: skip
    small = np.zeros((12, 15), np.uint8)
    if layout == "mtan":
        np.save(path, small)
    else:
        layout_of.save(path, small)
    message = rf"{re.escape(str(path))}: is 12x15 .* is 12x16; they must agree"
    with pytest.raises(DataError, match=message):
        make(root).split("train").load(0)


@pytest.mark.parametrize("form", ["RGB/{}.jpg", "RGB/{}.png", "{}", "RGB/{}.jpg HHA/{}.png"])
def test_lists_are_understood_as_they_are_found(copy, form):
    root = copy("label40")
    (root / "train.txt").write_text("\n".join(form.format(n, n) for n in (10, 3)) + "\n\n")
    split = make(root).split("train")
    assert names_of(split) == ["10", "3"]
    np.testing.assert_array_equal(split.load(0)[0], Image.open(root / "RGB" / "10.jpg"))


def test_images_in_png_are_as_good(copy):
    root = copy("label40")
    Image.open(root / "RGB/3.jpg").save(root / "RGB/3.png")
    (root / "RGB/3.jpg").unlink()
    assert make(root).split("train").pairs[0][0] == root / "RGB/3.png"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("RGB/3.jpg\nRGB/1.jpg\n", r"train\.txt: lists 1, as .*test\.txt does \(1 such"),
        ("RGB/3.jpg\nRGB/3.jpg\n", r"train\.txt: line 2: lists 3 for the second time"),
        ("../3.jpg\n", r"train\.txt: line 1: '\.\./3\.jpg' leads out"),
        ("RGB/99.jpg\n", r"RGB/99\.png: no such file"),
        (b"\xff\xfe", r"train\.txt: is no UTF-8 text"),
    ],
)
def test_a_bad_list_is_named(copy, content, message):
    root = copy("label40")
    (root / "train.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        make(root).split("train")


def test_a_missing_list_matters_when_it_is_asked_for(copy):
    root = copy("label40")
    (root / "test.txt").unlink()
    assert len(make(root).split("train")) == 10
    with pytest.raises(DataError, match=r"test\.txt: not found\. "):
        make(root).split("val")


def test_a_missing_label_of_forty_classes_is_named(copy):
    root = copy("label40")
    (root / "Label/4.png").unlink()
    with pytest.raises(DataError, match=r"Label/4\.png: no such file.*1 of 20"):
        make(root).split("train")


@pytest.mark.parametrize("name", ["train/image/17.npy", "train/label/794.npy"])
def test_a_missing_number_of_mtan_is_named(roots, tmp_path, name):
    root = tmp_path / "mtan"
    shutil.copytree(roots["mtan"], root, copy_function=os.link)
    (root / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: no such file.*1 of 1590.*lorenmt/mtan"):
        make(root).split("train")
    assert len(make(root).split("val")) == 654


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.float16, np.float32, ">f8"])
def test_labels_of_any_type_of_numbers_mean_the_same(copy, kind):
    root = copy("mtan")
    path = root / "train/label/0.npy"
    stored = np.load(path)
    path.unlink()  # its links keep what they have
    np.save(path, stored.astype(kind))
    split = make(root).split("train")
    np.testing.assert_array_equal(split.label(0), split.label(layout_of.MTAN_DISTINCT))
    assert set(np.unique(split.label(0))) == {*range(13), VOID}


@pytest.mark.parametrize("value", [13, -2, 255, 0.5, np.nan, np.inf])
def test_an_array_of_other_labels_is_refused(copy, value):
    root = copy("mtan")
    path = root / "train/label/0.npy"
    label = np.load(path)
    label[3, 4] = value
    np.save(path, label)
    wrong = re.escape(f"{path}: holds the label values [{float(value)}], expected only -1 (void)")
    with pytest.raises(DataError, match=wrong):
        make(root).split("train").load(0)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.float16])
def test_images_are_floats_up_to_one_or_bytes(copy, kind):
    root = copy("mtan")
    image = layout_of.image(5)
    scaled = image if kind == np.uint8 else (image / 255).astype(kind)
    np.save(root / "train/image/0.npy", scaled)
    loaded = make(root).split("train").load(0)[0]
    np.testing.assert_array_equal(loaded, image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((12, 16, 3), 1.5), r"holds 1\.5 to 1\.5 of float64, expected floats from 0 to 1"),
        (np.full((12, 16, 3), -0.1), r"holds -0\.1 to"),
        (np.full((12, 16, 3), np.nan), r"holds nan to nan"),
        (np.zeros((12, 16, 3), np.int64), r"holds 0 to 0 of int64"),
        (np.zeros((12, 16, 3), "U1"), r"holds no numbers of <U1"),
        (np.zeros((3, 12, 16)), r"is an array of shape \(3, 12, 16\)"),
        (np.zeros((12, 16)), r"is an array of shape \(12, 16\)"),
        (np.zeros((0, 16, 3)), r"is an array of shape \(0, 16, 3\)"),
    ],
)
def test_an_array_that_is_no_image_is_refused(copy, image, message):
    root = copy("mtan")
    np.save(root / "train/image/0.npy", image)
    with pytest.raises(DataError, match=r"train/image/0\.npy: " + message):
        make(root).split("train").load(0)


@pytest.mark.parametrize("label", [np.zeros((12, 16, 1)), np.zeros((12, 16), "U1"), np.zeros(())])
def test_an_array_that_is_no_label_is_refused(copy, label):
    root = copy("mtan")
    np.save(root / "train/label/0.npy", label)
    with pytest.raises(DataError, match=r"label/0\.npy: is an array of shape .*expected numbers"):
        make(root).split("train").load(0)


class Harmful:
    def __reduce__(self):
        return (os.mkdir, ("harm",))


def test_an_array_with_pickled_objects_is_refused_and_not_run(copy, monkeypatch):
    root = copy("mtan")
    monkeypatch.chdir(root)
    path = root / "train/label/0.npy"
    np.save(path, np.array([Harmful()], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"label/0\.npy: cannot be read as an array \(Object arr"):
        make(root).split("train").load(0)
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(DataError, match=r"label/0\.npy: cannot be read as an array"):
        make(root).split("train").load(0)
    assert not (root / "harm").exists()


def test_a_damaged_array_is_named(copy):
    root = copy("mtan")
    path = root / "train/image/0.npy"
    whole = path.read_bytes()
    # shapes that would take all memory, and headers that are no Python
    forged = [whole.replace(b"(12, 16, 3)", text) for text in (b"(9999999999999, 16, 3)", b"((")]
    for content in (b"", whole[:5], whole[:60], whole[:-1], b"PK\3\4" + whole, *forged):
        path.unlink()
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            make(root).split("train").load(0)
        assert str(error.value).startswith(f"{path}: cannot be read as an array (")
        assert "\n" not in str(error.value)
    assert "(it is empty)" not in str(error.value)


def test_experiments_name_options_that_exist(monkeypatch):
    folder = Path(__file__).parents[2] / "experiments"
    sizes = []
    for name in ("data/nyuv2", "recipe/pat_nyuv2"):
        found = yaml.safe_load((folder / f"{name}.yaml").read_text())["data"]
        assert found.get("class_path", "NYUv2") == "NYUv2"
        data = NYUv2(**found["init_args"])
        sizes.append((data.height, data.width, data.protocol, data.void))
    assert sizes == [(288, 384, "official", "ignore"), (256, 340, "pat", "train")]
    assert (NYUv2().height, NYUv2().width, NYUv2().fit) == (480, 640, "stretch")


def test_downloads_are_what_the_layout_needs():
    mat, splits, mapping = NYUv2.card.downloads
    assert (mat.name, splits.name) == ("nyu_depth_v2_labeled.mat", "splits.mat")
    assert mapping.name == "classMapping40.mat"
    assert mat.place(Path("r")) == Path("r/nyu_depth_v2_labeled.mat")
    assert mat.checksum == "md5:520609c519fba3ba5ac58c8fefcc3530"
    assert splits.checksum == "md5:08e3c3aea27130ac7c01ffd739a4535f"


@pytest.mark.skipif(not REAL.is_dir(), reason="no nyuv2 in $DATA_ROOT")
def test_real_files_hold_what_is_known_of_them(tmp_path, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path))
    split = make(REAL).split("val")
    if len(split) != 82 or list(REAL.glob("*/nyu_rgb*")):
        pytest.skip("known for 82 labels without images only")
    pixels = count_images(split, 13).sum(axis=0)
    assert pixels.sum() == 82 * 480 * 640
    with Image.open(REAL / "new_nyu_class13_0001.png") as image:
        stored = np.bincount(np.asarray(image).ravel(), minlength=14)
    label = split.label(0)
    assert [(label == i).sum() for i in (VOID, *range(13))] == stored.tolist()
    assert (pixels > 0).all()
    assert pixels.argmax() == NYUv2.names.index("wall")
    with pytest.raises(DataError, match="82 labels and no image of them"):
        split.load(0)
    with pytest.raises(DataError, match="of the train split, such as new_nyu_class13_0003"):
        make(REAL).split("train")


@pytest.mark.skipif(not (REAL / "class13Mapping.mat").is_file(), reason="no nyuv2 in $DATA_ROOT")
def test_the_real_mappings_are_those_of_this_file():
    forty = [str(cell[0]) for cell in loadmat(REAL / "classMapping40.mat")["className"].ravel()]
    assert [name.replace("refridgerator", "refrigerator") for name in forty] == [
        name for name, _ in OFFICIAL.values()
    ]
    of_13, names = loadmat(REAL / "class13Mapping.mat")["classMapping13"][0, 0]
    names = [str(cell[0]) for cell in names.ravel()]
    assert names == [name for name, _ in THIRTEEN.values()]
    assert [names[i - 1] for i in of_13.ravel()] == [name for _, name in OFFICIAL.values()]


@pytest.mark.skipif(not (REAL / "splits.mat").is_file(), reason="no nyuv2 in $DATA_ROOT")
def test_the_real_mat_files_make_the_official_splits(tmp_path):
    """With arrays of one pixel in place of the 2.8 GB."""
    for name in ("splits.mat", "classMapping40.mat"):
        shutil.copy(REAL / name, tmp_path)
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = np.ones((1449, 3, 1, 1), np.uint8)
        file["labels"] = (np.arange(1449) % 895).astype(np.uint16).reshape(-1, 1, 1)
    data = make(tmp_path, classes=40)
    assert [len(data.split(name)) for name in ("train", "val")] == [795, 654]
    mapping = loadmat(REAL / "classMapping40.mat")["mapClass"].ravel()
    for name in ("train", "val"):
        split = data.split(name)
        for i in range(0, len(split), 7):
            stored = (int(split.name(i)[-4:]) - 1) % 895
            assert split.label(i).item() == (mapping[stored - 1] - 1 if stored else VOID)
