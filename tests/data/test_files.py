"""Files as they are found in the wild: read as meant, or refused with a message that helps."""

import numpy as np
import pytest
from PIL import Image

from lit_seg.data.files import FileSplit, read_image, require_files
from lit_seg.data.labels import LabelMap, read_ids
from lit_seg.errors import DataError
from lit_seg.labels import VOID
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
    with pytest.raises(DataError, match=r"label\.png: .*one channel.*colour-coded"):
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
    require_files(pairs, "Buy it.")
    (tmp_path / f"{lost}1.png").unlink()
    with pytest.raises(DataError, match=rf"{lost}1\.png: no such file.*1 of 6.*Buy it"):
        require_files(pairs, "Buy it.")


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
