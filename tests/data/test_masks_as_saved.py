"""Masks as people have them: read where nothing is lost, by one YAML and without a converter."""

import struct
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from lit_seg.data.datasets.own_folder.class_labels import folder_classes
from lit_seg.errors import DataError
from lit_seg.images.decode import read_image
from lit_seg.metrics.labels import VOID
from tests.data.layout_of_folder import COLOURS, NAMES, folder, stems, write_folder
from tests.data.layouts import save

STORED = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
RGBA = np.array([[*colour, 255] for colour in COLOURS.values()], np.uint8)[STORED]
BLACK_AND_WHITE = {"background": 0, "crack": 255}


def read(path, ids=None, colours=None, ignore=None, threshold=None):
    return folder_classes(ids, colours, ignore, threshold).read(path).tolist()


def save16(path, pixels, factor):
    """16 bits per channel, which Pillow cannot write for colours."""
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[-1] == 4 else cv2.COLOR_RGB2BGR
    stored = cv2.cvtColor(pixels, order) if pixels.ndim == 3 else pixels
    assert cv2.imwrite(str(path), stored.astype(np.uint16) * factor)
    return path


@pytest.mark.parametrize("end", ["png", "tif"])
@pytest.mark.parametrize("factor", [257, 256])
@pytest.mark.parametrize("channels", [3, 4])
def test_eight_bits_in_sixteen_are_read(tmp_path, end, factor, channels):
    path = save16(tmp_path / f"m.{end}", RGBA[..., :channels], factor)
    assert read(path, None, COLOURS) == STORED.tolist()
    assert read_image(path).tolist() == RGBA[..., :3].tolist()


def test_greys_of_sixteen_bits_are_colours_where_nothing_is_lost(tmp_path):
    path = save16(tmp_path / "m.png", np.array([[0, 255]], np.uint8), 257)
    assert read(path, None, {"a": [0, 0, 0], "b": [255, 255, 255]}) == [[0, 1]]
    assert read_image(path).tolist() == [[[0] * 3, [255] * 3]]


def test_white_of_sixteen_bits_is_told_from_that_of_eight(tmp_path):
    """Both may be ids, so it is no guess."""
    path = save16(tmp_path / "m.png", np.array([[0, 255]], np.uint8), 257)
    assert read(path, BLACK_AND_WHITE | {"crack": 65535}) == [[0, 1]]
    with pytest.raises(DataError, match=r"\[65535\], .* 0, 255; of 16 bits, 65535 is what 255 is"):
        read(path, BLACK_AND_WHITE)


def test_more_than_eight_bits_are_refused_still(tmp_path):
    stored = RGBA.astype(np.uint16) * 257
    stored[0, 0, 0] += 1
    assert cv2.imwrite(str(tmp_path / "m.png"), stored)
    with pytest.raises(DataError, match=r"m\.png: images must have 8 bits per channel.*16 bits"):
        read(tmp_path / "m.png", None, COLOURS)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_ids_may_be_greys_of_several_channels(tmp_path, mode):
    Image.fromarray(STORED).convert(mode).save(tmp_path / "m.png")
    assert read(tmp_path / "m.png", NAMES) == STORED.tolist()


def test_ids_may_be_in_red_alone(tmp_path):
    path = save(tmp_path / "m.png", np.stack([STORED, 0 * STORED, 0 * STORED], -1))
    assert read(path, NAMES) == STORED.tolist()


@pytest.mark.parametrize("pixel", [[1, 2, 1], [0, 1, 0], [1, 1, 1, 254]])
def test_other_colours_are_no_ids(tmp_path, pixel):
    path = save(tmp_path / "m.png", np.array([[pixel]], np.uint8))
    with pytest.raises(DataError, match=r"holds colours \(RGBA?\), not ids; give the classes by"):
        read(path, NAMES)


@pytest.mark.parametrize(("stored", "dtype"), [([0, 1, -1], np.int32), ([0, 1, -9999], np.float32)])
def test_negative_and_whole_numbers_are_ids(tmp_path, stored, dtype):
    path = save(tmp_path / "m.tif", np.array([stored], dtype))
    assert read(path, ["a", "b"], ignore=stored[2]) == [[0, 1, VOID]]
    assert read(path, {"a": 0, "b": 1, "c": stored[2]}) == [[0, 1, 2]]
    with pytest.raises(DataError, match=rf"label values \[{stored[2]}\], .* a place in `ignore`"):
        read(path, ["a", "b"])


@pytest.mark.parametrize(
    "options",
    [
        {"ids": ["background", "crack"], "threshold": 128},
        {"ids": {"background": "0-127", "crack": "128-255"}},
        {"ids": {"background": [0, "1 - 127"], "crack": [255, "128-254"]}},
    ],
)
def test_grey_edges_have_a_side(tmp_path, options):
    path = save(tmp_path / "m.png", np.array([[0, 3, 127, 128, 250, 255]], np.uint8))
    assert read(path, **options) == [[0, 0, 0, 1, 1, 1]]


def test_values_between_two_classes_may_be_grey_edges(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 3, 255]], np.uint8))
    advice = r"\[3\].*; where edges are grey, give `ids: \[soil, crack\]` and `threshold: 128`"
    with pytest.raises(DataError, match=advice):
        read(path, {"crack": 255, "soil": 0})
    with pytest.raises(DataError, match=r"place in `ignore`$"):  # of three no threshold tells
        read(path, {"crack": 255, "soil": 0, "leaf": 1})


def test_a_range_may_be_void(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 1, 254, 255]], np.uint8))
    assert read(path, BLACK_AND_WHITE, ignore=["1-254"]) == [[0, VOID, VOID, 1]]


def test_jpeg_masks_need_a_meaning_of_every_value(tmp_path):
    big = np.kron(np.array([[0, 255]], np.uint8), np.ones((16, 16), np.uint8))
    root = write_folder(tmp_path, "abc")
    for stem in "abc":
        (root / f"masks/{stem}.png").unlink()
        save(root / f"images/{stem}.png", np.zeros((16, 32, 3), np.uint8))
        Image.fromarray(np.dstack([big] * 3)).save(root / f"masks/{stem}.jpg", quality=40)
    label = folder(root, ids=["soil", "crack"], threshold=128).split("train").label(0)
    assert label.tolist() == (big // 255).tolist()
    with pytest.raises(DataError, match=r"JPEG changes the values .* or give `threshold`"):
        folder(root, ids=BLACK_AND_WHITE).split("train")


# whole sets, as a YAML describes them


def first_batches(data):
    data.prepare_data()
    assert min(data.class_counts.pixels) > 0
    return [next(iter(loader)) for loader in (data.train_dataloader(), data.val_dataloader())]


def test_a_set_of_sixteen_bit_rgba_masks_needs_no_converter(tmp_path):
    write_folder(tmp_path)
    for mask in (tmp_path / "masks").iterdir():
        save16(mask, np.tile(RGBA, (6, 6, 1))[:12, :16], 257)
    batches = first_batches(folder(tmp_path, colours=COLOURS))
    assert [batch["target"].unique().tolist() for batch in batches] == [[0, 1, 2]] * 2


def test_a_set_of_black_and_white_masks_with_grey_edges_needs_no_converter(tmp_path):
    write_folder(tmp_path, values=(0, 40, 200, 255))
    batches = first_batches(folder(tmp_path, ids=["soil", "crack"], threshold=128))
    assert [batch["target"].unique().tolist() for batch in batches] == [[0, 1]] * 2


@pytest.mark.parametrize("end", ["jfif", "JPE"])
def test_a_set_of_jfif_images_needs_no_converter(tmp_path, end):
    write_folder(tmp_path)
    for image in sorted((tmp_path / "images").iterdir())[1:]:
        Image.open(image).save(image.with_suffix(f".{end}"), "JPEG")
        image.unlink()
    data = folder(tmp_path)
    first_batches(data)
    assert sum(len(data.split(name)) for name in ("train", "val", "test")) == 10


# what is left out


def renamed(root, stems, end):
    for stem in stems:
        (root / f"images/{stem}.png").rename(root / f"images/{stem}{end}")


def test_many_images_of_an_unknown_suffix_are_an_error(tmp_path):
    renamed(write_folder(tmp_path), "defghij", ".heic")
    with pytest.raises(
        DataError, match=r"images: files left out: 7.*\(7 \.heic\).*d\.heic.*exclude"
    ):
        folder(tmp_path).split("train")
    data = folder(tmp_path, exclude=["*.heic"], splits={"train": 0.5})
    assert len(data.split("train")) == 2


def test_what_is_no_image_is_counted_and_said(tmp_path):
    write_folder(tmp_path)
    for stem in "abcdefghij":
        (tmp_path / f"images/{stem}.json").write_text("{}")
    with pytest.warns(UserWarning, match=r"images: files left out: 10.*\(10 \.json\)"):
        assert len(folder(tmp_path).split("train")) == 8


@pytest.mark.parametrize("pattern", ["*_old.png", "old", "old/*", "images/old/*"])
def test_patterns_leave_files_out(tmp_path, pattern):
    write_folder(tmp_path, "abcde")
    write_folder(tmp_path, ("old/x_old", "old/y_old"))
    for kind in ("images", "masks"):
        (tmp_path / kind / "old/x_old.png").rename(tmp_path / kind / "old/x_old.bmp")
        (tmp_path / kind / "old/x_old.bmp").rename(tmp_path / kind / "old/z_old.png")
    data = folder(tmp_path, exclude=[pattern], splits={"train": 0.8, "val": 0.2})
    assert sorted(stems(data, "train") + stems(data, "val")) == list("abcde")


def test_the_fourth_band_of_an_image_is_not_dropped_without_a_word(tmp_path):
    bands = np.random.default_rng(0).integers(0, 255, (5, 7, 4), np.uint8)
    with pytest.warns(UserWarning, match="images have 4 bands, and the network sees red, green"):
        assert np.array_equal(read_image(save(tmp_path / "m.tif", bands)), bands[..., :3])
    of_no_kind = tmp_path / "n.tif"  # neither transparency nor anything else
    is_alpha, is_unknown = struct.pack("<HHIH", 338, 3, 1, 2), struct.pack("<HHIH", 338, 3, 1, 0)
    of_no_kind.write_bytes((tmp_path / "m.tif").read_bytes().replace(is_alpha, is_unknown))
    with pytest.warns(UserWarning, match="images have 4 bands"):
        assert np.array_equal(read_image(of_no_kind), bands[..., :3])
    bands[..., 3] = 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(save(tmp_path / "opaque.tif", bands))


# 255


@pytest.mark.parametrize("options", [{}, {"ignore": [7]}, {"void": "train"}])
def test_a_class_without_a_pixel_while_255_is_void_is_an_error(tmp_path, options):
    root = write_folder(tmp_path, values=(0, 255))
    wrong = folder(root, ids=["soil", "crack"], **options)
    with pytest.raises(DataError, match=r"no training pixel is crack.*255.*`ignore: \[255\]`"):
        wrong.prepare_data()
    folder(root, ids={"soil": 0, "crack": 255}).prepare_data()


def test_255_may_be_said_to_be_void(tmp_path):
    root = write_folder(tmp_path, values=(0, 1, 255))
    folder(root, ids=NAMES, ignore=255).prepare_data()
    with pytest.raises(DataError, match="no training pixel is car"):
        folder(root, ids=NAMES).prepare_data()


def test_one_class_alone_teaches_nothing(tmp_path):
    root = write_folder(tmp_path, values=(1,))
    with pytest.raises(DataError, match="every training pixel is road or void, none is sky"):
        folder(root).prepare_data()
