"""Files as they are found in the wild: read as meant, or refused with a message that helps."""

import io
import pickle
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from lit_seg.data.label_maps import ColourMap, LabelMap, _class_of_rgb, read_ids
from lit_seg.data.splits import FileSplit, random_parts
from lit_seg.errors import DataError
from lit_seg.images.decode import read_image
from lit_seg.metrics.labels import VOID
from tests.data.layouts import save

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(1, 256, (12, 16, 3), np.uint8)
LABEL = RNG.integers(0, 11, (12, 16), np.uint8)


def test_palette_labels_keep_their_indices(tmp_path):
    label = Image.fromarray(LABEL)
    label.putpalette(RNG.integers(0, 256, 768).tolist())
    assert label.mode == "P"
    label.save(tmp_path / "label.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "label.png"), LABEL)


def test_sixteen_bit_labels_keep_values_beyond_a_byte(tmp_path):
    label = LABEL.astype(np.uint16) * 100
    path = save(tmp_path / "label.png", label)
    np.testing.assert_array_equal(read_ids(path), label)
    ids = LabelMap({100 * i: i for i in range(11)})
    np.testing.assert_array_equal(ids(path), LABEL)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_labels_of_several_channels_are_refused(tmp_path, mode):
    Image.fromarray(IMAGE).convert(mode).save(tmp_path / "label.png")
    with pytest.raises(DataError, match=r"label\.png: holds colours .*one channel"):
        read_ids(tmp_path / "label.png")


def test_illegal_labels_are_named_with_file_values_and_expectation(tmp_path):
    label = LABEL.copy()
    label[0, :3] = 200, 19, 200
    path = save(tmp_path / "odd.png", label)
    with pytest.raises(DataError, match=r"odd\.png: .*\[19, 200\], expected only 0-10, 12"):
        LabelMap(dict.fromkeys([*range(11), 12], 0))(path)


def test_many_illegal_labels_do_not_flood_the_message(tmp_path):
    with pytest.raises(DataError) as error:
        LabelMap({0: 0}).map(np.arange(5000, dtype=np.uint16)[None], tmp_path / "x.png")
    assert len(str(error.value)) < 200 + len(str(tmp_path))


def test_label_map_maps_by_one_look_up():
    """Chained replacement would send 0 to 1 and on to 2."""
    label = np.array([[0, 1, 2, 300]], np.uint16)
    mapped = LabelMap({0: 1, 1: 2, 2: 0, 300: VOID}).map(label, "x.png")
    assert mapped.tolist() == [[1, 2, 0, VOID]]
    assert mapped.dtype == np.uint8
    assert label.tolist() == [[0, 1, 2, 300]]


@pytest.mark.parametrize(
    ("legal", "text"),
    [([5], "5"), ([0, 1, 2], "0-2"), ([0, 1, 2, 5, 7, 8], "0-2, 5, 7-8"), ([3, 1], "1, 3")],
)
def test_legal_labels_are_told_as_ranges(legal, text):
    with pytest.raises(DataError, match=f"expected only {text};"):
        LabelMap(dict.fromkeys(legal, 0)).map(np.array([[99]]), "x.png")


@pytest.mark.parametrize("read", [read_image, read_ids])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
def test_truncated_files_are_named(tmp_path, read, suffix, kept):
    """Decoders like to fill up with grey what is not there; and 0 bytes are left by a full disk."""
    path = save(tmp_path / f"half.{suffix}", np.kron(LABEL, np.ones((9, 9), np.uint8)) * 20)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(DataError, match=rf"half\.{suffix}: cannot be read"):
        read(path)


def test_other_content_is_named(tmp_path):
    path = tmp_path / "page.png"
    path.write_text("<html>please log in</html>")
    with pytest.raises(DataError, match=r"page\.png: cannot be read"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, read_ids])
def test_missing_files_are_named(tmp_path, read):
    with pytest.raises(DataError, match=r"gone\.png: no such file"):
        read(tmp_path / "gone.png")


@pytest.mark.parametrize("lost", ["image", "label"])
def test_a_missing_partner_is_named_and_counted(tmp_path, lost):
    pairs = [(tmp_path / f"image{i}.png", tmp_path / f"label{i}.png") for i in range(3)]
    for image, label in pairs:
        save(image, IMAGE)
        save(label, LABEL)
    labels = LabelMap({0: 0})
    FileSplit(pairs, labels, how_to_get="Buy it.")
    (tmp_path / f"{lost}1.png").unlink()
    with pytest.raises(DataError, match=rf"{lost}1\.png: no such file.*1 of 6.*Buy it"):
        FileSplit(pairs, labels, how_to_get="Buy it.")


def test_a_size_mismatch_tells_both_files_and_sizes(tmp_path):
    image, label = save(tmp_path / "photo.png", IMAGE), save(tmp_path / "mask.png", LABEL[:, :10])
    split = FileSplit([(image, label)], LabelMap({i: i for i in range(11)}))
    with pytest.raises(DataError, match=r"mask\.png: is 12x10 .*photo\.png is 12x16"):
        split.load(0)


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "1", "CMYK"])
def test_images_of_any_kind_become_rgb(tmp_path, mode):
    source = Image.fromarray(IMAGE).convert(mode)
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    source.save(path)
    image = read_image(path)
    assert image.shape == (12, 16, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.asarray(source.convert("RGB")))
    if mode == "RGBA":
        np.testing.assert_array_equal(image, IMAGE)
    if mode == "L":
        assert (image[..., 0] == image[..., 2]).all()


def test_channels_are_in_rgb_order(tmp_path):
    path = save(tmp_path / "red.png", np.full((2, 2, 3), (255, 10, 0), np.uint8))
    assert read_image(path)[0, 0].tolist() == [255, 10, 0]


@pytest.mark.parametrize("folder", ["with space", "Städte/東京", "a'b [x] {y} %s"])
def test_any_folder_name_will_do(tmp_path, folder):
    image = save(tmp_path / folder / "straße 1.png", IMAGE)
    label = save(tmp_path / folder / "straße 1 label.png", LABEL)
    split = FileSplit([(image, label)], LabelMap({i: i for i in range(11)}))
    np.testing.assert_array_equal(split.load(0)[0], IMAGE)
    np.testing.assert_array_equal(split.load(0)[1], LABEL)
    assert split.name(0) == "straße 1"


RED = 258, 1, 2
"""Its high bytes are (1, 0, 0)."""


def grey_and_alpha() -> bytes:
    """A PNG of 16 bits per channel, which neither OpenCV nor Pillow would write."""
    rows = b"".join(b"\0" + struct.pack(">10H", *(258, 65535) * 5) for _ in range(4))
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 5, 4, 16, 4, 0, 0, 0),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def channels_apart() -> bytes:
    """A TIFF of 16 bits with one strip for each channel, which Pillow takes for strips of bytes."""
    strip = 5 * 4 * 2
    tags = {
        **{256: (3, [5]), 257: (3, [4]), 258: (3, [16] * 3), 259: (3, [1]), 262: (3, [2])},
        **{273: (4, [512 + i * strip for i in range(3)]), 277: (3, [3]), 278: (3, [4])},
        **{279: (4, [strip] * 3), 284: (3, [2])},
    }
    entries, behind, at = b"", b"", 8 + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in tags.items():
        data = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        entries += struct.pack("<HHI", tag, kind, len(values))
        entries += data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", at + len(behind))
        behind += data if len(data) > 4 else b""
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + behind
    return head.ljust(512, b"\0") + b"".join(struct.pack("<20H", *[c] * 20) for c in RED)


def deep_colours(kind: str) -> bytes:
    if kind == "png-la":
        return grey_and_alpha()
    if kind == "tif-rgb-apart":
        return channels_apart()
    if kind.startswith("sgi"):
        buffer = io.BytesIO()
        Image.new("RGB", (5, 4), (1, 0, 0)).save(buffer, "SGI", bpc=2)
        return buffer.getvalue()
    suffix, mode = kind.split("-", 1)
    pixel = {"rgb": RED[::-1], "rgba": (*RED[::-1], 65535)}[mode.removesuffix("-plain")]
    pixels = np.full((4, 5, len(pixel)), pixel, np.uint16)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if mode.endswith("plain") else []
    done, content = cv2.imencode(f".{suffix}", pixels, options)
    assert done
    return content.tobytes()


KINDS = (
    *("png-rgb", "png-rgba", "png-la", "tif-rgb", "tif-rgba", "tif-rgb-plain"),
    *("tif-rgb-apart", "ppm-rgb", "sgi-rgb"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_deep_colours_are_not_read_by_their_high_byte(tmp_path, kind):
    """Pillow would, without a word: both classes of this map are one to it."""
    path = tmp_path / f"deep.{kind[:3]}"
    path.write_bytes(deep_colours(kind))
    mode = "RGBA" if kind in ("png-rgba", "png-la", "tif-rgba") else "RGB"
    says = rf"deep\.{kind[:3]}: .*8 bits per channel, .* mode {mode} from 16 bits; scale it to 0"
    for read in (read_image, ColourMap({(1, 0, 0): 0, (1, 0, 2): 1, (1, 1, 1): 2})):
        with pytest.raises(DataError, match=says):
            read(path)
    with pytest.raises(DataError, match=r"holds colours .* one channel of class ids"):
        read_ids(path)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_deep_grey_is_numbers_and_no_image(tmp_path, suffix):
    path = tmp_path / f"deep.{suffix}"
    assert cv2.imwrite(str(path), np.full((4, 5), 258, np.uint16))
    assert read_ids(path).tolist() == [[258] * 5] * 4
    with pytest.raises(DataError, match=r"8 bits per channel, .* mode I.*scale it"):
        read_image(path)
    with pytest.raises(DataError, match=r"holds numbers .*, not colours; give the classes"):
        ColourMap({(1, 1, 1): 0})(path)


@pytest.mark.parametrize("kind", ["png", "tif", "ppm", "sgi", "bmp", "gif", "jpg", "webp"])
def test_files_of_8_bits_pass_as_colours(tmp_path, kind):
    path = tmp_path / f"flat.{kind}"
    Image.new("RGB", (5, 4), (200, 30, 60)).save(path, lossless=True)
    assert abs(read_image(path).astype(int) - (200, 30, 60)).max() <= 4


def test_few_bits_pass_as_colours(tmp_path):
    """`BGR;16` of BMP is 5 and 6 bits per channel, and the largest value of a PPM may be any."""
    head = b"BM" + struct.pack("<IHHI", 70, 0, 0, 66)
    info = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    contents = {
        "a.bmp": head + info + masks + b"\xff\xff\0\0",
        "a.ppm": b"P6 1 1 15\n\x0f\x0f\x0f",
        "a.pbm": b"P1 1 1\n0\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert read_image(tmp_path / name).tolist() == [[[255, 255, 255]]]


def test_a_mask_of_nothing_but_illegal_colours_is_told_in_no_time():
    """By rows, NumPy takes 2 seconds for as many."""
    label = np.random.default_rng(0).integers(0, 256, (500, 1000, 4), np.uint8)
    label[0, :3] = [(3, 2, 1, 255), (0, 0, 9, 1), (0, 0, 9, 0)]
    label[..., 0] |= 1
    label[0, 1:3, 0] = 0
    start = time.process_time()
    with pytest.raises(DataError) as error:
        ColourMap({(2, 2, 2): 0}).map(label, "m.png")
    assert time.process_time() - start < 0.5
    different = len(np.unique(label.view(np.uint32)))
    assert f"m.png: holds {different} colours of no class " in str(error.value)
    assert "((0, 0, 9, 0), (0, 0, 9, 1), (1, " in str(error.value)
    assert ", ..., as RGBA) on 500000 pixels" in str(error.value)


def test_the_table_of_colours_stays_where_it_is_used():
    """16 MB that each loading process would be sent, for each split."""
    ids = {(1, 2, 3): 4, (9, 9, 9): VOID, (9, 9, 9, 0): 1}
    label = np.array([[(1, 2, 3, 0), (9, 9, 9, 255), (9, 9, 9, 0)]], np.uint8)
    _class_of_rgb.cache_clear()
    first, second = ColourMap(ids), ColourMap(dict(ids))
    assert _class_of_rgb.cache_info().currsize == 0
    for colours in (first, second):
        assert colours.map(label, "m.png").tolist() == [[4, VOID, 1]]
    assert _class_of_rgb.cache_info().misses == 1
    state = pickle.dumps(first)
    assert len(state) < 2000
    assert pickle.loads(state).map(label, "m.png").tolist() == [[4, VOID, 1]]
    other = ColourMap({(1, 2, 3): 0, (9, 9, 9): 1})
    assert other.map(label, "m.png").tolist() == [[0, 1, 1]]


def test_a_draw_is_the_same_for_ever():
    assert random_parts(range(12), (8, 1, 1)) == [[1, 2, 3, 4, 6, 7, 8, 9, 10, 11], [0], [5]]
    assert [len(part) for part in random_parts(range(19), (9, 1))] == [18, 1]
    assert [len(part) for part in random_parts(range(1449), (8, 1, 1))] == [1160, 145, 144]
