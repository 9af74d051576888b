"""Labels come as they are stored, or not at all: nothing may change a number in silence."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lit_seg.data.label_maps import ColourMap, read_ids
from lit_seg.errors import DataError
from lit_seg.images.decode import read_image

RNG = np.random.default_rng(0)


def grey_png(values, depth):
    """A grey PNG of 1, 2 or 4 bits, which Pillow cannot write."""
    rows = b""
    for row in values:
        bits = "".join(format(int(value), f"0{depth}b") for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    height, width = values.shape
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("depth", [2, 4])
def test_grey_of_few_bits_keeps_its_ids(tmp_path, depth):
    values = RNG.integers(0, 2**depth, (7, 11))
    (tmp_path / "m.png").write_bytes(grey_png(values, depth))
    np.testing.assert_array_equal(read_ids(tmp_path / "m.png"), values)


@pytest.mark.parametrize("largest", [1, 3, 9, 254, 255, 300, 1000, 65535])
def test_pgm_keeps_its_ids_whatever_its_maximum_is(tmp_path, largest):
    values = RNG.integers(0, largest + 1, (7, 11))
    data = values.astype(">u2" if largest > 255 else np.uint8).tobytes()
    (tmp_path / "m.pgm").write_bytes(b"P5 11 7 %d\n" % largest + data)
    np.testing.assert_array_equal(read_ids(tmp_path / "m.pgm"), values)


def test_shades_by_colour_are_those_that_are_seen(tmp_path):
    (tmp_path / "m.png").write_bytes(grey_png(np.array([[0, 1, 2, 3]]), 2))
    shades = ColourMap({(85 * i,) * 3: i for i in range(4)})
    assert shades(tmp_path / "m.png").tolist() == [[0, 1, 2, 3]]


def jpeg():
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 3, (16, 16), np.uint8)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("read", [read_ids, ColourMap({(0, 0, 0): 0})])
def test_a_jpeg_under_another_name_is_no_mask(tmp_path, read):
    (tmp_path / "m.png").write_bytes(jpeg())
    with pytest.raises(DataError, match=r"m\.png: holds JPEG data, which changes the values"):
        read(tmp_path / "m.png")
    assert read_image(tmp_path / "m.png").shape == (16, 16, 3)


def test_a_tiff_that_holds_jpeg_is_no_mask(tmp_path):
    label = Image.fromarray(np.zeros((16, 16), np.uint8))
    label.save(tmp_path / "m.tif", compression="jpeg")
    with pytest.raises(DataError, match=r"m\.tif: holds JPEG data"):
        read_ids(tmp_path / "m.tif")
    label.save(tmp_path / "m.tif", compression="tiff_lzw")
    assert not read_ids(tmp_path / "m.tif").any()


@pytest.mark.parametrize("read", [read_ids, read_image])
def test_a_tiff_of_several_pages_is_refused(tmp_path, read):
    pages = [Image.fromarray(np.full((4, 5), i, np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / "m.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"m\.tif: holds 3 pages, of which one is the picture"):
        read(tmp_path / "m.tif")


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_of_an_animation_the_first_picture_is_the_image_and_none_is_the_mask(tmp_path, kind):
    pages = [Image.fromarray(np.full((4, 5, 3), 100 * i, np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / f"m.{kind}", save_all=True, append_images=pages[1:])
    assert not read_image(tmp_path / f"m.{kind}").any()
    with pytest.raises(DataError, match=rf"m\.{kind}: holds 3 pages"):
        read_ids(tmp_path / f"m.{kind}")


def test_an_image_beyond_all_measure_says_what_to_do(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "m.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"m\.png: is too large .*400 pixels.*; cut it into tiles"):
        read_image(tmp_path / "m.png")


def test_a_folder_is_called_one(tmp_path):
    with pytest.raises(DataError, match=r"is a folder, not an image"):
        read_image(tmp_path)
