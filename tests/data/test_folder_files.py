"""Which images and masks belong together, and to which split: layouts, lists and fractions."""

import os
import re
import unicodedata

import numpy as np
import pytest

from lit_seg.data.datasets.own_folder.pairs import PairFinder
from lit_seg.data.file_lists import faults_listed
from lit_seg.errors import DataError
from tests.data.layout_of_folder import folder, images, masks, stems, write_folder, write_pair
from tests.data.layouts import save

KINDS = ("images", "masks")
HALF = {"train": 0.5, "val": 0.5}
TINY = (np.ones((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))


def write_files(root, *names):
    """Images and masks of which only the names matter."""
    for name in names:
        save(root / name, TINY[1] if "mask" in name else TINY[0])
    return root


def listed(root, *lines, **options):
    """The pairs that the lines of a list give, below the root."""
    (root / "mine.txt").write_text("\n".join(lines))
    folders = (root / options.pop(kind, kind) for kind in KINDS)
    pairs = PairFinder(root, *folders, **options).listed("mine.txt")
    return [tuple(path.relative_to(root).as_posix() for path in pair) for pair in pairs]


# pairs


def test_pairs_are_made_by_name_in_nested_folders(tmp_path):
    for place in ("x", "town/north", "town/south", "town"):
        write_pair(tmp_path, f"images/{place}/1.jpg", f"masks/{place}/1.png")
    data = folder(tmp_path, splits=HALF)
    pairs = sorted(
        (image, mask)
        for name in HALF
        for image, mask in zip(images(data, name), masks(data, name), strict=True)
    )
    assert pairs == [
        (f"images/{place}/1.jpg", f"masks/{place}/1.png")
        for place in ("town/1", "town/north/1", "town/south/1", "x/1")
        for place in [place.removesuffix("/1")]
    ]


def test_samples_are_named_by_their_path(tmp_path):
    write_folder(tmp_path, ("a.v1", "a.v2", "town/a"))
    split = folder(tmp_path, splits={"train": 0.6, "val": 0.4}).split("train")
    names = {split.name(i) for i in range(len(split))}
    assert names <= {"images/a.v1", "images/a.v2", "images/town/a"}
    assert len(names) == 2


def test_suffixes_tell_images_and_masks(tmp_path):
    files = ("images/a_rgb.png", "images/a_depth.png", "masks/a_mask.png", "masks/a_instance.png")
    write_files(tmp_path, *files, *(f.replace("/a", "/b") for f in files))
    data = folder(tmp_path, image_suffix="_rgb.png", mask_suffix="_mask.png", splits=HALF)
    assert sorted(images(data, "train") + images(data, "val")) == [
        "images/a_rgb.png",
        "images/b_rgb.png",
    ]
    for name in HALF:
        (image,), (mask,) = images(data, name), masks(data, name)
        assert mask == image.replace("images", "masks").replace("_rgb", "_mask")


@pytest.mark.parametrize(
    ("image", "mask", "options"),
    [
        ("a.jpg", "a.png", {"mask_suffix": ".png"}),
        ("a.jpg", "a.png", {"image_suffix": ".jpg"}),
        ("a.png", "a_mask.png", {"mask_suffix": "_mask.png"}),
        ("a.png", "a_mask.png", {"mask_suffix": "_mask.png", "image_suffix": ".png"}),
        ("a_rgb.png", "a.png", {"mask_suffix": ".png", "image_suffix": "_rgb.png"}),
        ("a_rgb.png", "a.png", {"image_suffix": "_rgb.png"}),
        ("a_rgb.png", "a_mask.png", {"mask_suffix": "_mask.png", "image_suffix": "_rgb.png"}),
    ],
)
@pytest.mark.parametrize("place", [".", "data"])
def test_both_may_lie_in_one_folder(tmp_path, image, mask, options, place):
    for stem in ("a", "sub/a"):
        write_files(tmp_path / place, image.replace("a", stem, 1), mask.replace("a", stem, 1))
    data = folder(tmp_path, images=place, masks=f"{place}/", splits=HALF, **options)
    found = {
        pair for name in HALF for pair in zip(images(data, name), masks(data, name), strict=True)
    }
    prefix = "" if place == "." else f"{place}/"
    assert found == {
        (f"{prefix}{image}", f"{prefix}{mask}"),
        (f"{prefix}sub/{image}", f"{prefix}sub/{mask}"),
    }


def test_an_image_is_never_its_own_mask(tmp_path):
    write_files(tmp_path, "a.png", "b.png")
    for options in ({}, {"image_suffix": ".png", "mask_suffix": ".png"}):
        with pytest.raises(DataError, match=r"a\.png: would be its own mask; `mask_suffix` tells"):
            folder(tmp_path, images=".", masks=".", **options).split("train")


def test_masks_below_the_images_are_no_images(tmp_path):
    write_files(tmp_path, "a.png", "b.png", "labels_masks/a.png", "labels_masks/b.png")
    data = folder(tmp_path, images=".", masks="labels_masks", splits=HALF)
    assert sorted(images(data, "train") + images(data, "val")) == ["a.png", "b.png"]


@pytest.mark.parametrize("options", [{}, {"image_suffix": ".jpg"}, {"mask_suffix": ".png"}])
def test_suffixes_may_be_capitals(tmp_path, options):
    write_files(tmp_path, "images/a.JPG", "masks/a.PNG", "images/b.jpg", "masks/b.png")
    data = folder(tmp_path, splits=HALF, **options)
    assert sorted(masks(data, "train") + masks(data, "val")) == ["masks/a.PNG", "masks/b.png"]


def test_stems_that_differ_in_case_are_other_images(tmp_path):
    write_files(tmp_path, "images/a.jpg", "images/A.jpg", "masks/a.png")
    with pytest.raises(DataError, match=r"masks/A\.png: there is no such file, the mask of .*A\."):
        folder(tmp_path, splits=HALF).split("train")


def test_accents_may_be_composed_or_not(tmp_path):
    """macOS takes names apart that other systems write in one."""
    composed, apart = (unicodedata.normalize(form, "Köln 東京") for form in ("NFC", "NFD"))
    assert composed != apart
    write_files(tmp_path, f"images/{apart}.jpg", f"masks/{composed}.png")
    assert listed(tmp_path, composed) == [(f"images/{apart}.jpg", f"masks/{composed}.png")]


def test_names_that_are_no_text_will_do(tmp_path):
    name = os.fsdecode(b"K\xf6ln")  # Latin-1
    write_files(tmp_path, f"images/{name}.jpg", f"masks/{name}.png", "images/b.jpg", "masks/b.png")
    data = folder(tmp_path, splits=HALF)
    assert sorted(stems(data, "train") + stems(data, "val")) == sorted([name, "b"])
    assert sum(data.class_counts.pixels) == 4


def test_capitals_do_not_hide_the_file_that_is_meant(tmp_path):
    write_files(tmp_path, "images/a.jpg", "images/a.JPG", "masks/a.png")
    assert listed(tmp_path, "a.JPG") == [("images/a.JPG", "masks/a.png")]
    with pytest.raises(DataError, match=r"a\.jpg: would have the mask of a\.JPG too"):
        folder(tmp_path).split("train")


def test_two_images_for_one_mask_are_refused(tmp_path):
    write_files(tmp_path, "images/a.jpg", "images/a.png", "masks/a.png")
    with pytest.raises(DataError, match=r"a\.png: would have the mask of a\.jpg too"):
        folder(tmp_path).split("train")


def test_two_masks_for_one_image_are_refused(tmp_path):
    write_files(tmp_path, "images/a.jpg", "masks/a.png", "masks/a.bmp")
    with pytest.raises(DataError, match=r"a\.(png|bmp): a\.(png|bmp) could be the mask of a\.jpg"):
        folder(tmp_path).split("train")


def test_all_image_formats_are_found(tmp_path):
    ends = ["jpg", "jpeg", "png", "bmp", "gif", "tif", "tiff", "webp", "ppm"]
    write_files(tmp_path, *(f"images/{end}.{end}" for end in ends), "images/note.mask.npy.png")
    write_files(tmp_path, *(f"masks/{end}.png" for end in ends), "masks/note.mask.npy.png")
    (tmp_path / "images" / "readme.txt").write_text("hello")
    data = folder(tmp_path, splits=HALF)
    found = [*stems(data, "train"), *stems(data, "val")]
    assert sorted(found) == sorted([*ends, "note.mask.npy"])


def test_what_is_hidden_is_left_out(tmp_path):
    write_folder(tmp_path, "ab")
    for name in ("._a.png", ".DS_Store", ".hidden/c.png", "Thumbs.db", "sub/._b.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\0\5\26\7")
    (tmp_path / "masks" / "._a.png").write_bytes(b"\0\5\26\7")
    data = folder(tmp_path, splits=HALF)
    assert sorted(stems(data, "train") + stems(data, "val")) == ["a", "b"]


def test_links_are_followed_and_cycles_end(tmp_path):
    store = write_folder(tmp_path / "store", "ab")
    root = tmp_path / "root"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
        (root / kind / "town").symlink_to(store / kind)
        (root / kind / "c.png").symlink_to(store / kind / "a.png")
    for number, target in enumerate((root / "images", root, root / "images" / "town", tmp_path)):
        (root / "images" / f"z{number}").symlink_to(target)
    data = folder(root, splits=HALF)
    found = sorted(images(data, "train") + images(data, "val"))
    assert found == ["images/c.png", "images/town/a.png", "images/town/b.png"]
    image, _ = data.split("train").load(0)
    assert image.shape == (12, 16, 3)


def test_a_link_to_a_whole_folder_will_do(tmp_path):
    store = write_folder(tmp_path / "store", "ab")
    (tmp_path / "root").mkdir()
    for kind in ("images", "masks"):
        (tmp_path / "root" / kind).symlink_to(store / kind)
    data = folder(tmp_path / "root", splits=HALF)
    assert sorted(images(data, "train") + images(data, "val")) == ["images/a.png", "images/b.png"]


@pytest.mark.parametrize("key", ["images", "masks"])
@pytest.mark.parametrize("path", ["/elsewhere", "../x", "a/../../x", "C:\\x", "..\\x"])
def test_folders_lie_below_the_root(tmp_path, key, path):
    """The names of samples, by which predictions are written, would lead elsewhere too."""
    with pytest.raises(ValueError, match=rf"`{key}` must name a folder below `root`"):
        folder(tmp_path, **{key: path})


@pytest.mark.parametrize("key", ["image_suffix", "mask_suffix"])
@pytest.mark.parametrize("end", ["/../../x.png", "/x.png", "\\x.png", "..", "x\0.png"])
def test_suffixes_lead_nowhere_else(tmp_path, key, end):
    with pytest.raises(ValueError, match=rf"`{key}` must be the end of a file name, without"):
        folder(tmp_path, **{key: end})


# lists


@pytest.mark.parametrize(
    "line",
    [
        "a 1",
        "a 1.jpg",
        "images/a 1.jpg",
        "./images/a 1.jpg",
        "images\\a 1.jpg",
        "images/a 1",
        "a 1.jpg\tmasks/a 1.png",
        "a 1 masks/a 1.png",
        "images/a 1.jpg   masks/a 1.png",
        "images/a 1.jpg a 1.png",
        "  a 1.jpg  ",
    ],
)
def test_a_line_may_be_a_stem_a_name_a_path_or_a_pair(tmp_path, line):
    write_files(tmp_path, "images/a 1.jpg", "masks/a 1.png", "images/a.jpg", "masks/a.png")
    assert listed(tmp_path, line) == [("images/a 1.jpg", "masks/a 1.png")]


def test_lines_may_name_any_place_below_the_root(tmp_path):
    write_files(tmp_path, "day/x.jpg", "truth/mask of x.png", "images/n/y.jpg", "masks/n/y.png")
    assert listed(tmp_path, "day/x.jpg truth/mask of x.png", "n/y", "") == [
        ("day/x.jpg", "truth/mask of x.png"),
        ("images/n/y.jpg", "masks/n/y.png"),
    ]


def test_an_image_elsewhere_needs_its_mask(tmp_path):
    write_files(tmp_path, "day/x.jpg", "masks/x.png")
    with pytest.raises(DataError, match=r"line 1: .*x\.jpg lies outside .*so its mask must"):
        listed(tmp_path, "day/x.jpg")


def test_windows_lists_are_read(tmp_path):
    write_files(tmp_path, *(f"{kind}/{stem}.png" for kind in ("images", "masks") for stem in "ab"))
    (tmp_path / "mine.txt").write_bytes("\ufeffa.png\r\n\r\n  \r\nb.png\r\n".encode())
    data = folder(tmp_path, splits={"train": "mine.txt"})
    assert stems(data, "train") == ["a", "b"]


def test_the_order_of_a_list_is_kept(tmp_path):
    write_folder(tmp_path, "abc")
    (tmp_path / "train.txt").write_text("c\na")
    (tmp_path / "val.txt").write_text("b")
    data = folder(tmp_path)
    assert stems(data, "train") == ["c", "a"]


def test_suffixes_hold_for_lists(tmp_path):
    write_files(
        tmp_path, *(f"data/{stem}{end}" for stem in "ab" for end in ("_i.png", "_mask.png"))
    )
    options = {"images": "data", "masks": "data", "image_suffix": "_i.png"}
    for line in ("a", "a_i.png", "data/a"):
        pairs = listed(tmp_path, line, mask_suffix="_mask.png", **options)
        assert pairs == [("data/a_i.png", "data/a_mask.png")]


@pytest.mark.parametrize("again", ["a", "a.jpg", "images/a.jpg", "a masks/b.png"])
def test_an_image_is_listed_once(tmp_path, again):
    write_files(tmp_path, "images/a.jpg", "masks/a.png", "images/b.jpg", "masks/b.png")
    with pytest.raises(DataError, match=r"mine\.txt: line 4: '.*' is the image of line 1 again"):
        listed(tmp_path, "a", "", "b", again)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../images/a.jpg", "leads out of"),
        ("/etc/passwd", "leads out of"),
        ("a.jpg ../masks/a.png", "leads out of"),
        ("a.jpg /etc/passwd", "leads out of"),
        ("C:\\images\\a.jpg", "leads out of"),
        ("a\0.jpg", "leads out of"),
        ("c", r"there is no image 'c' in .*images or "),
        ("a.jpg,masks/a.png", "there is no image 'a.jpg,masks/a.png'"),
        ("x" * 5000, "there is no image"),
        ("a.jpg masks/c.png", r"there is no mask .*masks/c\.png"),
        ("b", r"'b' may be b\.jpg or b\.png; give the suffix"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    write_files(tmp_path, "images/a.jpg", "masks/a.png", "images/b.jpg", "images/b.png")
    with pytest.raises(DataError, match=rf"mine\.txt: line 2: .*{message}") as error:
        listed(tmp_path, "a.jpg", line)
    assert "\n" not in str(error.value)


def test_a_listed_image_without_mask_is_named(tmp_path):
    write_files(tmp_path, "images/a.jpg")
    with pytest.raises(DataError, match=r"masks/a\.png: there is no such file, the mask of .*1 of"):
        listed(tmp_path, "a")


def test_lists_that_are_none(tmp_path):
    write_folder(tmp_path, "ab")
    with pytest.raises(DataError, match=r"mine\.txt: lists no image"):
        listed(tmp_path, "", "  ")
    (tmp_path / "mine.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"mine\.txt: is no UTF-8 text"):
        folder(tmp_path, splits={"train": "mine.txt"}).split("train")
    with pytest.raises(DataError, match=r"other\.txt: there is no such list"):
        folder(tmp_path, splits={"train": "other.txt"}).split("train")


@pytest.mark.parametrize("name", ["val", "test"])
def test_scored_images_are_not_trained(tmp_path, name):
    write_folder(tmp_path, "abcd")
    (tmp_path / "t.txt").write_text("a\nb\nc")
    (tmp_path / "s.txt").write_text("images/c.png\nd\nb.png")
    data = folder(tmp_path, splits={"train": "t.txt", name: "s.txt"})
    with pytest.raises(DataError, match=r"b\.png is in t\.txt and in s\.txt \(images in both: 2\)"):
        data.split("train")


def test_validation_and_test_may_be_one(tmp_path):
    write_folder(tmp_path, "abc")
    (tmp_path / "t.txt").write_text("a\nb")
    (tmp_path / "s.txt").write_text("c")
    data = folder(tmp_path, splits={"train": "t.txt", "val": "s.txt", "test": "s.txt"})
    assert stems(data, "val") == stems(data, "test") == ["c"]


# folders of splits


@pytest.mark.parametrize(
    ("image", "mask"), [("images/{split}", "masks/{split}"), ("{split}/x", "{split}/y")]
)
def test_folders_of_splits(tmp_path, image, mask):
    for split, name in (("train", "abc"), ("val", "de"), ("test", "f")):
        places = {"images": image.format(split=split), "masks": mask.format(split=split)}
        write_folder(tmp_path, name, **places)
    data = folder(tmp_path, images=image, masks=mask)
    assert [stems(data, n) for n in ("train", "val", "test")] == [
        ["a", "b", "c"],
        ["d", "e"],
        ["f"],
    ]
    assert masks(data, "test") == [f"{mask.format(split='test')}/f.png"]


def test_folders_of_splits_have_other_names(tmp_path):
    for split, name in (("training", "abc"), ("dev set", "de")):
        write_folder(tmp_path, name, images=f"{split}/images", masks=f"{split}/masks")
    splits = {"train": "training", "val": "dev set"}
    data = folder(tmp_path, images="{split}/images", masks="{split}/masks", splits=splits)
    assert stems(data, "train") == ["a", "b", "c"]
    assert stems(data, "val") == ["d", "e"]
    with pytest.raises(DataError, match=r"there is no test split; `splits\.test` gives it"):
        data.split("test")


def test_part_of_the_training_folder_validates(tmp_path):
    write_folder(tmp_path, images="images/train", masks="masks/train")
    splits = {"train": "train", "val": 0.3}
    data = folder(tmp_path, images="images/{split}", masks="masks/{split}", splits=splits)
    assert len(stems(data, "val")) == 3
    assert sorted(stems(data, "train") + stems(data, "val")) == list("abcdefghij")


def test_split_stands_in_both_or_neither(tmp_path):
    with pytest.raises(ValueError, match=r"must both have \{split\} or neither"):
        folder(tmp_path, images="images/{split}")


@pytest.mark.parametrize("splits", [{"train": 0.8, "val": 0.2}, {"val": "val"}])
def test_folders_of_splits_need_one_to_train(tmp_path, splits):
    with pytest.raises(ValueError, match=r"`splits\.train` must name the folder for \{split\}"):
        folder(tmp_path, images="{split}/x", masks="{split}/y", splits=splits)


def test_a_folder_of_a_split_lies_below_the_root(tmp_path):
    write_folder(tmp_path / "root", "a", images="train/images", masks="train/masks")
    options = {"images": "{split}/images", "masks": "{split}/masks"}
    data = folder(tmp_path / "root", splits={"train": "../root/train"}, **options)
    with pytest.raises(ValueError, match="`splits` must name a folder below `root`"):
        data.split("train")


# what is found without `splits`


def test_folders_train_and_val_are_found(tmp_path):
    for split, name in (("train", "abc"), ("val", "de")):
        write_folder(tmp_path, name, images=f"images/{split}", masks=f"masks/{split}")
    (tmp_path / "train.txt").write_text("not read")
    data = folder(tmp_path)
    assert stems(data, "train") == ["a", "b", "c"]
    assert stems(data, "val") == ["d", "e"]


def test_braces_in_a_name_are_no_pattern(tmp_path):
    write_folder(tmp_path, images="a {0} b{/train", masks="m{}/train")
    assert len(stems(folder(tmp_path, images="a {0} b{", masks="m{}"), "train")) == 9


def test_lists_are_found(tmp_path, capsys):
    write_folder(tmp_path)
    for split, name in (("train", "abcd"), ("val", "ef"), ("test", "g")):
        (tmp_path / f"{split}.txt").write_text("\n".join(name))
    data = folder(tmp_path)
    assert [stems(data, n) for n in ("train", "val", "test")] == [[*"abcd"], [*"ef"], ["g"]]


@pytest.mark.parametrize("layout", ["lists", "folders"])
def test_a_tenth_validates_where_nothing_else_does(tmp_path, caplog, layout):
    letters = "abcdefghijklmnopqrstuvwxyz"
    if layout == "lists":
        write_folder(tmp_path, letters)
        (tmp_path / "train.txt").write_text("\n".join(letters[:20]))
        (tmp_path / "test.txt").write_text("\n".join(letters[20:]))
    else:
        for split, name in (("train", letters[:20]), ("test", letters[20:])):
            write_folder(tmp_path, name, images=f"images/{split}", masks=f"masks/{split}")
    with caplog.at_level("INFO"):
        data = folder(tmp_path)
        assert len(stems(data, "val")) == 2
    assert sorted(stems(data, "train") + stems(data, "val")) == list(letters[:20])
    assert stems(data, "test") == list(letters[20:])
    assert caplog.text.count("a tenth of the training images validates") == 1


def test_without_anything_fractions_are_drawn(tmp_path, caplog):
    write_folder(tmp_path, [f"{i:02}" for i in range(25)])
    with caplog.at_level("INFO"):
        data = folder(tmp_path)
        sizes = [len(stems(data, name)) for name in ("train", "val", "test")]
    assert sizes == [21, 2, 2]
    assert "no lists, so .8 of the images train" in caplog.text


@pytest.mark.parametrize("layout", ["lists", "folders"])
def test_validation_without_training_is_refused(tmp_path, layout):
    """Else fractions would train on what the user set apart."""
    write_folder(tmp_path, images="images/val", masks="masks/val")
    (tmp_path / "val.txt").write_text("val/a")
    options = {"images": "images/{split}", "masks": "masks/{split}"} if layout == "folders" else {}
    missing = "images/train" if layout == "folders" else "train.txt"
    with pytest.raises(DataError, match=rf"{missing}: is not there; `splits\.train` tells"):
        folder(tmp_path, **options).split("val")


# fractions


@pytest.mark.parametrize(
    ("splits", "sizes"),
    [
        ({"train": 0.8, "val": 0.1, "test": 0.1}, (16, 2, 2)),
        ({"train": 0.7, "val": 0.15, "test": 0.15}, (14, 3, 3)),
        ({"train": 0.5, "val": 0.25}, (10, 5, None)),
        ({"train": 0.99, "val": 0.01}, (19, 1, None)),
        ({"val": 0.5, "test": 0.5}, (None, 10, 10)),
    ],
)
def test_fractions_are_disjoint_and_as_large_as_asked(tmp_path, splits, sizes):
    write_files(tmp_path, *(f"{kind}/{i}.png" for i in range(20) for kind in ("images", "masks")))
    data, again = folder(tmp_path, splits=splits), folder(tmp_path, splits=splits, seed=7)
    found = []
    for name, size in zip(("train", "val", "test"), sizes, strict=True):
        if size is not None:
            found += stems(data, name)
            assert len(stems(data, name)) == size
            assert images(data, name) == images(again, name) == sorted(images(data, name))
    assert len(set(found)) == len(found)


def test_fractions_that_add_up_to_one_leave_no_image_out(tmp_path):
    for number in range(3, 30):
        write_files(tmp_path, f"images/{number}.png", f"masks/{number}.png")
        if number > 4:
            data = folder(tmp_path, splits={"train": 0.7, "val": 0.1, "test": 0.2})
            sizes = [len(stems(data, name)) for name in ("train", "val", "test")]
            assert sum(sizes) == number - 2
            assert min(sizes) > 0


def test_an_added_image_moves_hardly_any_other(tmp_path):
    write_files(tmp_path, *(f"{kind}/{i}.png" for i in range(40) for kind in ("images", "masks")))
    before = {name: set(stems(folder(tmp_path), name)) for name in ("train", "val", "test")}
    moved = 0
    for i in range(40, 45):
        write_files(tmp_path, f"images/{i}.png", f"masks/{i}.png")
        after = {name: set(stems(folder(tmp_path), name)) for name in before}
        moved = max(moved, sum(len(before[name] - after[name]) for name in before))
    assert moved <= 5


def test_fractions_do_not_depend_on_the_place_of_the_folder(tmp_path):
    first, second = write_folder(tmp_path / "x"), write_folder(tmp_path / "other" / "y")
    assert images(folder(first), "val") == images(folder(second), "val")


def test_fractions_stay_what_they_are(tmp_path):
    """Runs are compared for years: another draw would train on what was scored."""
    write_files(tmp_path, *(f"{kind}/{i:02}.png" for i in range(20) for kind in KINDS))
    data = folder(tmp_path)
    assert stems(data, "test") == ["02", "10"]
    assert stems(data, "val") == ["06", "18"]


def test_what_faults_leave_out_is_not_kept(tmp_path):
    write_folder(tmp_path, "abc")
    (tmp_path / "train.txt").write_text("a\nnowhere\nb")
    (tmp_path / "val.txt").write_text("c")
    data = folder(tmp_path)
    with faults_listed() as faults:
        assert stems(data, "train") == ["a", "b"]
    assert len(faults) == 1
    with pytest.raises(DataError, match=r"train\.txt: line 2: there is no image 'nowhere'"):
        data.split("train")


def test_fractions_are_of_images_in_no_list(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "held.txt").write_text("a\nb")
    data = folder(tmp_path, splits={"train": 0.75, "val": 0.25, "test": "held.txt"})
    assert stems(data, "test") == ["a", "b"]
    assert len(stems(data, "val")) == 2
    assert sorted(stems(data, "train") + stems(data, "val")) == list("cdefghij")


def test_fractions_are_of_the_training_list(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "t.txt").write_text("\n".join("abcdef"))
    data = folder(tmp_path, splits={"train": "t.txt", "val": 0.34, "test": 0.17})
    parts = [stems(data, name) for name in ("train", "val", "test")]
    assert [len(part) for part in parts] == [3, 2, 1]
    assert sorted(stem for part in parts for stem in part) == list("abcdef")


@pytest.mark.parametrize(
    "splits",
    [
        {"train": 0.9, "val": 0.2},
        {"train": 0.0, "val": 0.2},
        {"train": "t.txt", "val": 1.0},
        {"train": 1.5},
        {"train": -0.1},
        {"train": float("nan")},
    ],
)
def test_fractions_make_sense(tmp_path, splits):
    with pytest.raises(ValueError, match=r"fractions in `splits` must be in \(0, 1\)"):
        folder(tmp_path, splits=splits)


@pytest.mark.parametrize("splits", [{}, {"valid": "v.txt"}, {"train": 0.5, "dev": 0.5}])
def test_splits_have_names(tmp_path, splits):
    with pytest.raises(ValueError, match=r"`splits` must give train, val and maybe test, got \["):
        folder(tmp_path, splits=splits)


def test_too_few_images_for_fractions(tmp_path):
    write_folder(tmp_path, "ab")
    with pytest.raises(DataError, match=r"2 images, too few for train by fractions"):
        folder(tmp_path).split("train")
    with pytest.raises(DataError, match=r"2 images, too few for val, train by fractions"):
        folder(tmp_path, splits={"train": 0.1, "val": 0.1, "test": 0.8}).split("train")


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_split_that_is_not_there_is_named(tmp_path, name):
    write_folder(tmp_path)
    with pytest.raises(DataError, match=rf"there is no {name} split; `splits\.{name}` gives it"):
        folder(tmp_path, splits={"train": 0.9}).split(name)


# nothing there


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: there is no such folder; `root` must lead"):
        folder(tmp_path / "nowhere").split("train")
    with pytest.raises(DataError, match=r"images: there is no such folder; `images` names it"):
        folder(tmp_path).split("train")
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"masks: there is no such folder; `masks` names it"):
        folder(tmp_path).split("train")
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match=r"images: holds no image \(\*\.jpg, \*\.jpeg"):
        folder(tmp_path).split("train")
    with pytest.raises(DataError, match=re.escape("holds no image (*_rgb.png)")):
        folder(tmp_path, image_suffix="_rgb.png").split("train")


def test_the_folder_is_that_of_the_name(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    from lit_seg.data import Folder

    data = Folder(ids=["a", "b"], name="birds", height=12, width=16)
    assert data.root == tmp_path / "birds"
    assert data.folder == "birds"
    monkeypatch.chdir(write_folder(tmp_path / "fish") / "images")
    for root, name in ((None, "folder"), ("..", "fish"), ("~/moths", "moths"), ("/", "folder")):
        assert Folder(root=root, ids=["a", "b"], height=12, width=16).folder == name


def test_a_folder_that_cannot_be_listed_is_no_empty_one(tmp_path, monkeypatch):
    write_folder(tmp_path, ("a", "town/b", "town/c"))
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("images/town"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"images/town: cannot be listed \(Permission denied\)"):
        folder(tmp_path).split("train")


@pytest.mark.parametrize(
    "names", [("train", "valid", "testing"), ("Train", "Val", "Test"), ("training", "validation")]
)
def test_folders_of_splits_go_by_the_names_in_use(tmp_path, names):
    for part, stems_of in zip(names, ("abc", "d", "e"), strict=False):
        write_folder(tmp_path, stems_of, f"images/{part}", f"masks/{part}")
    data = folder(tmp_path)
    assert stems(data, "train") == ["a", "b", "c"]
    assert stems(data, "val") == ["d"]
    if len(names) == 3:
        assert stems(data, "test") == ["e"]


def test_a_test_folder_without_masks_stops_no_training(tmp_path):
    for part, stems_of in (("train", "abc"), ("val", "d")):
        write_folder(tmp_path, stems_of, f"images/{part}", f"masks/{part}")
    save(tmp_path / "images/test/e.png", np.zeros((4, 4, 3), np.uint8))
    for splits in (None, {"train": "train", "val": "val"}):
        data = folder(tmp_path, splits=splits)
        assert stems(data, "train") == ["a", "b", "c"]
        with pytest.raises(DataError, match="there is no test split"):
            data.split("test")


def test_a_test_list_without_masks_is_told_when_it_is_asked_for(tmp_path):
    write_folder(tmp_path, "abcd")
    for name, lines in (("train", "a\nb"), ("val", "c"), ("test", "d")):
        (tmp_path / f"{name}.txt").write_text(lines)
    (tmp_path / "masks/d.png").unlink()
    data = folder(tmp_path)
    assert stems(data, "train") == ["a", "b"]
    for _ in range(2):
        with pytest.raises(DataError, match=r"masks/d\.png: there is no such file"):
            data.split("test")


@pytest.mark.parametrize("link", ["folder", "file", "hard"])
def test_a_link_is_the_image_it_leads_to(tmp_path, link):
    write_folder(tmp_path, "abc", "images/train", "masks/train")
    if link == "folder":
        for kind in ("images", "masks"):
            (tmp_path / kind / "val").symlink_to(tmp_path / kind / "train")
    else:
        write_folder(tmp_path, "d", "images/val", "masks/val")
        image = tmp_path / "images/val/d.png"
        image.unlink()
        if link == "hard":
            image.hardlink_to(tmp_path / "images/train/a.png")
        else:
            image.symlink_to(tmp_path / "images/train/a.png")
    with pytest.raises(DataError, match=r"is in train and in val.*scores on trained images"):
        folder(tmp_path).split("train")


def test_accents_in_either_way_of_writing_draw_alike(tmp_path):
    names = [f"bild_é_{i}" for i in range(30)]
    drawn = []
    for form in ("NFC", "NFD"):
        write_folder(tmp_path / form, [unicodedata.normalize(form, name) for name in names])
        data = folder(tmp_path / form, splits={"train": 0.5, "val": 0.5})
        drawn.append({unicodedata.normalize("NFC", stem) for stem in stems(data, "val")})
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 15


def test_a_comma_in_a_list_is_told(tmp_path):
    write_folder(tmp_path, "abcd")
    (tmp_path / "train.txt").write_text("images/a.png,masks/a.png\n")
    with pytest.raises(DataError, match="separated by a space, not a comma"):
        folder(tmp_path).split("train")
