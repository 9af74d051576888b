"""What masks of one's own may hold: ids and colours, void, and what makes no sense."""

import io

import numpy as np
import pytest
from PIL import Image

from lit_seg.data.datasets.own_folder.class_labels import MAX_CLASSES, folder_classes
from lit_seg.data.label_maps import LabelMap
from lit_seg.errors import DataError
from lit_seg.images.overlays import distinct_colours
from lit_seg.metrics.labels import VOID
from tests.data.layout_of_folder import COLOURS, palette_png
from tests.data.layouts import save

STORED = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
FLAT = [channel for colour in COLOURS.values() for channel in colour]
RED, GREEN, BLUE = [255, 0, 0], [0, 255, 0], [0, 0, 255]


def read(path, ids=None, colours=None, ignore=None):
    return folder_classes(ids, colours, ignore).read(path).tolist()


# ids


@pytest.mark.parametrize(
    "ids", [["a", "b", "c"], {"a": 0, "b": 1, "c": 2}, {"a": [0], "b": 1, "c": 2}]
)
def test_names_alone_count_from_zero(tmp_path, ids):
    path = save(tmp_path / "m.png", STORED)
    assert read(path, ids) == STORED.tolist()
    assert folder_classes(ids, None, None).names == ("a", "b", "c")


def test_classes_take_their_ids_in_the_order_of_the_yaml(tmp_path):
    path = save(tmp_path / "m.png", np.array([[7, 8, 0, 11, 255, 3]], np.uint8))
    ids = {"road": [7, 8], "car": 0, "sky": [11]}
    assert read(path, ids, ignore=[3]) == [[0, 0, 1, 2, VOID, VOID]]


def test_ids_may_have_16_bits(tmp_path):
    path = save(tmp_path / "m.png", np.array([[1000, 65535, 300, 44]], np.uint16))
    assert read(path, {"a": 300, "b": [1000, 44]}, ignore=[65535]) == [[1, VOID, 0, 1]]


def test_255_is_void_unless_a_class_has_it(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 255]], np.uint8))
    assert read(path, ["bad", "good"]) == [[0, VOID]]
    assert read(path, {"bad": 0, "good": 255}) == [[0, 1]]


def test_one_bit_masks_hold_0_and_1(tmp_path):
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "m.png")
    assert Image.open(tmp_path / "m.png").mode == "1"
    assert read(tmp_path / "m.png", ["bad", "good"]) == [[0, 1]]
    assert read(tmp_path / "m.png", None, {"bad": [0, 0, 0], "good": [255] * 3}) == [[0, 1]]
    with pytest.raises(DataError, match=r"label values \[1\], expected only 0, 255"):
        read(tmp_path / "m.png", {"bad": 0, "good": 255})


def test_a_palette_holds_ids_and_colours(tmp_path):
    path = palette_png(tmp_path / "m.png", STORED, FLAT)
    assert Image.open(path).mode == "P"
    assert read(path, ["a", "b", "c"]) == STORED.tolist()
    assert read(path, None, COLOURS) == STORED.tolist()


@pytest.mark.parametrize("end", ["png", "bmp", "tif", "gif", "pgm"])
def test_lossless_formats_keep_ids(tmp_path, end):
    path = save(tmp_path / f"m.{end}", STORED)
    assert read(path, ["a", "b", "c"]) == STORED.tolist()


@pytest.mark.parametrize("value", [3, 200])
def test_an_id_of_no_class_is_refused(tmp_path, value):
    path = save(tmp_path / "m.png", np.array([[0, value]], np.uint8))
    with pytest.raises(DataError, match=rf"m\.png: .*\[{value}\], expected only 0-2, 255;"):
        read(path, ["a", "b", "c"])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colours_where_ids_are_expected(tmp_path, mode):
    mask = Image.fromarray(np.array([[RED, GREEN]], np.uint8)).convert(mode)
    if mode == "LA":
        mask.putalpha(9)
    mask.save(tmp_path / "m.png")
    message = rf"m\.png: holds colours \({mode}\), not ids; give the classes by `colours`"
    with pytest.raises(DataError, match=message):
        read(tmp_path / "m.png", ["a", "b"])


# colours


def colour_mask(path, *colours):
    return save(path, np.array([colours], np.uint8))


def test_rgb_colours_are_classes(tmp_path):
    path = colour_mask(tmp_path / "m.png", BLUE, RED, GREEN, RED)
    assert read(path, None, {"r": RED, "g": GREEN, "b": BLUE}) == [[2, 0, 1, 0]]


def test_a_class_may_have_several_colours(tmp_path):
    path = colour_mask(tmp_path / "m.png", BLUE, RED, GREEN)
    assert read(path, None, {"r": [RED, BLUE], "g": [GREEN]}) == [[0, 0, 1]]


def test_alpha_is_ignored_unless_given(tmp_path):
    path = colour_mask(tmp_path / "m.png", [*RED, 255], [*GREEN, 0], [*RED, 7], [*GREEN, 255])
    assert read(path, None, {"r": RED, "g": GREEN}) == [[0, 1, 0, 1]]


def test_alpha_counts_where_it_is_given(tmp_path):
    path = colour_mask(tmp_path / "m.png", [*RED, 255], [*RED, 128], [*GREEN, 9], [0, 0, 0, 0])
    colours = {"solid": [*RED, 255], "glass": [*RED, 128], "g": GREEN}
    assert read(path, None, colours, ignore=[[0, 0, 0, 0]]) == [[0, 1, 2, VOID]]
    odd = colour_mask(tmp_path / "odd.png", [*RED, 127])
    with pytest.raises(DataError, match=r"odd\.png: holds 1 colour of no class .*127"):
        read(odd, None, colours)


def test_alpha_comes_before_none(tmp_path):
    path = colour_mask(tmp_path / "m.png", [0, 0, 0, 255], [0, 0, 0, 0], [*RED, 0])
    assert read(path, None, {"black": [0, 0, 0], "r": RED}, [[0, 0, 0, 0]]) == [[0, VOID, 1]]


def test_masks_without_alpha_are_opaque(tmp_path):
    path = colour_mask(tmp_path / "m.png", RED, GREEN)
    assert read(path, None, {"r": [*RED, 255], "g": [*GREEN, 255]}) == [[0, 1]]


def test_grey_masks_have_grey_colours(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 128, 255]], np.uint8))
    colours = {"a": [0, 0, 0], "b": [128, 128, 128]}
    assert read(path, None, colours, [[255, 255, 255]]) == [[0, 1, VOID]]


@pytest.mark.parametrize("ignore", [[0, 0, 0], [[0, 0, 0]], [[0, 0, 0], [9, 9, 9]]])
def test_ignored_colours_are_void(tmp_path, ignore):
    path = colour_mask(tmp_path / "m.png", RED, [0, 0, 0], GREEN)
    assert read(path, None, {"r": RED, "g": GREEN}, ignore) == [[0, VOID, 1]]


def test_white_is_not_void_by_itself(tmp_path):
    path = colour_mask(tmp_path / "m.png", [255, 255, 255])
    with pytest.raises(DataError, match=r"holds 1 colour of no class"):
        read(path, None, {"r": RED, "g": GREEN})


def test_numbers_where_colours_are_expected(tmp_path):
    path = save(tmp_path / "m.png", STORED.astype(np.uint16))
    with pytest.raises(DataError, match=r"m\.png: holds numbers .*give the classes by `ids`"):
        read(path, None, COLOURS)


# names and palette


def test_colours_give_the_palette(tmp_path):
    palette = tuple(map(tuple, COLOURS.values()))
    assert folder_classes(None, COLOURS, None).palette == palette
    several = {name: [colour, [i, 1, 2]] for i, (name, colour) in enumerate(COLOURS.items())}
    assert folder_classes(None, several, None).palette == palette
    with_alpha = {name: [*colour, 9] for name, colour in COLOURS.items()}
    assert folder_classes(None, with_alpha, None).palette == palette
    # with ids they only colour pictures, in the order of the ids
    backwards = dict(reversed(COLOURS.items()))
    classes = folder_classes(list(COLOURS), backwards, None)
    assert classes.palette == palette
    assert isinstance(classes.read, LabelMap)


def test_classes_that_differ_in_alpha_are_drawn_differently():
    classes = folder_classes(None, {"a": [*RED, 255], "b": [*RED, 128]}, None)
    assert len(set(classes.palette)) == 2


@pytest.mark.parametrize("number", [2, 8, 9, 40, MAX_CLASSES])
def test_classes_without_colours_get_distinct_ones(number):
    colours = distinct_colours(number)
    assert len(set(colours)) == len(colours) == number
    assert (0, 0, 0) not in colours
    assert all(0 <= channel <= 255 for colour in colours for channel in colour)
    assert colours == distinct_colours(MAX_CLASSES)[:number]


def test_there_are_colours_for_more_classes_than_hues() -> None:
    colours = distinct_colours(8142)  # those of iNaturalist 2018
    assert len(set(colours)) == 8142
    assert (0, 0, 0) not in colours
    assert colours[:MAX_CLASSES] == distinct_colours(MAX_CLASSES)
    near = np.array(colours[:40])
    apart = np.abs(near[:, None] - near[None]).sum(-1) + 999 * np.eye(len(near), dtype=int)
    assert apart.min() > 20


def test_254_classes_are_as_many_as_there_are(tmp_path):
    assert MAX_CLASSES == 254
    names = [f"c{i}" for i in range(255)]
    path = save(tmp_path / "m.png", np.arange(256, dtype=np.uint8)[None])
    assert read(path, names[:254], ignore=[254]) == [[*range(254), VOID, VOID]]
    with pytest.raises(ValueError, match="`ids` must name 2 to 254 classes, got 255"):
        folder_classes(names, None, None)
    colours = {name: [0, 1, i] for i, name in enumerate(names)}
    with pytest.raises(ValueError, match=r"`colours` must .* 254 classes, got 255.*: \[\[0, 0"):
        folder_classes(None, colours, None)


# what makes no sense


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`ids` or `colours` must name the classes, such as .*, got neither"),
        ({"ids": []}, "`ids` must name 2 to 254 classes, got 0"),
        ({"ids": ["a"]}, r"`ids` must name at least 2 .*'a' alone.*`ids: {background: 0, a: 1}`"),
        ({"colours": {"a": RED}}, r"'a' alone.*{background: \[0, 0, 0\], a: \[255, 0, 0\]}"),
        ({"colours": {}}, "`colours` must name 2 to 254 classes, got 0"),
        ({"ids": ["a", "b", "a"]}, "`ids` must name different classes, got a, b, a"),
        ({"ids": {"a": 0, "b": 0}}, "0 cannot be both 'a' and 'b' in the masks"),
        ({"ids": {"a": [0, 7, 7], "b": 1}}, r"`ids\.a` must hold each id once, got \[0, 7, 7\]"),
        ({"ids": {"a": RED, "b": BLUE}}, r"`ids\.a` .* belongs under `colours`"),
        ({"ids": {"a": [0, 1], "b": [2, 1]}}, "1 cannot be both 'a' and 'b' in the masks"),
        ({"ids": ["a", "b"], "ignore": [1]}, "1 cannot be both 'b' and 'ignore' in the masks"),
        ({"colours": {"a": RED, "b": RED}}, r"`colours`: \[255, 0, 0\] cannot be both 'a' and 'b'"),
        ({"colours": {"a": RED, "b": BLUE}, "ignore": [BLUE]}, r"\[0, 0, 255\] .* 'ignore'"),
        ({"ids": {"a": 0, "b": []}}, "class 'b' must have at least one value in the masks"),
        ({"ids": {"a": 0, "ignore": []}}, "class 'ignore' must have at least one value"),
        ({"colours": {"a": RED, "b": []}}, "class 'b' must have at least one value"),
        ({"ids": {"a": 0, "b": 2**31}}, r"`ids\.b` must be .* got 2147483648"),
        ({"ids": {"a": 0, "b": "9-7"}}, r"`ids\.b` must be .* 128-255 .* got '9-7'"),
        ({"ids": {"a": 0, "b": "9-70000"}}, r"`ids\.b` must be .* got '9-70000'"),
        ({"ids": {"a": 0, "b": True}}, r"`ids\.b` must be .* got True"),
        ({"ids": {"a": "0-9", "b": "9-20"}}, "`ids`: 9 cannot be both 'a' and 'b'.*0-127 and 128"),
        ({"ids": "a"}, "`ids` must be a list of class names.*such as `ids: .*got 'a'"),
        ({"ids": [["a"], ["b"]]}, r"`ids` must name classes by text, such as .*got \['a'\]$"),
        (
            {"ids": {0: "a", 1: "b"}},
            r"`ids` must have names before .*`ids: {a: 0, b: 1}`, got",
        ),
        ({"ids": ["a", " "]}, r"`ids` must name classes by text, such as .*got ' '$"),
        ({"ids": [False, True]}, 'by text.*got False; .* quotes: "1", "yes", "no"'),
        ({"colours": {None: RED, "b": BLUE}}, r"`colours` must name .*\[0, 0, 255\].*got None"),
        ({"colours": [RED, BLUE]}, r"`colours` must be each class name with its colour, such as"),
        ({"ids": ["a", "b"], "threshold": 0}, "`threshold` must be the first value .*got 0"),
        ({"ids": ["a", "b"], "threshold": 0.5}, "`threshold` must be the first value .*got 0.5"),
        ({"ids": ["a", "b", "c"], "threshold": 9}, "`threshold` needs `ids` to be two names"),
        ({"ids": {"a": 0, "b": 1}, "threshold": 9}, "`threshold` needs `ids` to be two names"),
        ({"colours": {"a": RED, "b": BLUE}, "threshold": 9}, "`threshold` needs `ids`"),
        ({"ids": {"a": 0, "b": 1.5}}, r"`ids\.b` must be .* got 1\.5"),
        ({"ids": {"a": 0, "b": "1"}}, r"`ids\.b` must be .* got '1'"),
        ({"ids": ["a", "b"], "ignore": [RED]}, r"`ignore` must be one id, a range"),
        ({"colours": {"a": RED, "b": [1, 2]}}, r"`colours\.b` must be \[red, green, blue\]"),
        ({"colours": {"a": RED, "b": [1, 2, 256]}}, r"`colours\.b` .*got \[1, 2, 256\]"),
        ({"colours": {"a": RED, "b": [RED, 5]}}, r"`colours\.b` must be"),
        ({"colours": {"a": RED, "b": 5}}, r"`colours\.b` must be .*got 5"),
        ({"colours": {"a": RED, "b": "#00ff00"}}, r"`colours\.b` must be .*got '#00ff00'"),
        ({"colours": {"a": RED, "b": BLUE}, "ignore": [255]}, r"`ignore` must be \[red, green"),
        ({"ids": ["a", "b"], "colours": {"a": RED, "c": BLUE}}, r"same classes.*\['b', 'c'\]"),
        ({"ids": ["a", "b"], "colours": {"a": RED}}, r"same classes, not so \['b'\]"),
        ({"ids": ["a", "void"]}, r"`ids\.void` must be an entry of `ignore`"),
        ({"colours": {"a": RED, "void": BLUE}}, r"`colours\.void` must be an entry of `ignore`"),
    ],
)
def test_what_makes_no_sense_is_named(options, message):
    with pytest.raises(ValueError, match=message) as error:
        folder_classes(**{"ids": None, "colours": None, "ignore": None, **options})
    assert "\n" not in str(error.value)


# damaged and odd masks


def test_smooth_edges_are_told_by_their_number(tmp_path):
    mask = Image.new("RGB", (64, 64), tuple(RED))
    mask.paste(tuple(BLUE), (20, 20, 44, 44))
    mask = mask.rotate(30, Image.Resampling.BICUBIC, fillcolor=tuple(RED))
    mask.save(tmp_path / "m.png")
    odd = {colour for _, colour in mask.getcolors() if list(colour) not in (RED, BLUE)}
    assert len(odd) > 10
    message = rf"m\.png: holds {len(odd)} colours of no class .*\.\.\..*only the 2 listed"
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path / "m.png", None, {"r": RED, "b": BLUE})
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def test_fractions_are_no_ids(tmp_path):
    save(tmp_path / "m.tif", STORED + np.float32(0.5))
    with pytest.raises(DataError, match=r"m\.tif: holds float32, not ids; save it as integers"):
        read(tmp_path / "m.tif", ["a", "b", "c"])
    with pytest.raises(DataError, match=r"m\.tif: holds numbers \(F\), not colours"):
        read(tmp_path / "m.tif", None, COLOURS)


def test_a_jpeg_named_png_is_found_out(tmp_path):
    stored = io.BytesIO()
    big = np.kron(STORED, np.ones((20, 20), np.uint8)) * 100
    Image.fromarray(big).save(stored, format="JPEG", quality=30)
    (tmp_path / "m.png").write_bytes(stored.getvalue())
    with pytest.raises(DataError, match=r"m\.png: holds JPEG data, which changes the values"):
        read(tmp_path / "m.png", {"a": 0, "b": 100, "c": 200})
