"""What is wrong with folders in the wild: trained all the same, or told in one clear line."""

import io
import os
import re
import warnings

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from lit_seg.cli.main import main
from lit_seg.errors import DataError
from lit_seg.images.decode import read_image
from tests.conftest import TINY, layers
from tests.data.layout_of_folder import COLOURS, NAMES, folder, stems, write_folder, write_pair
from tests.data.layouts import save

HALF = {"train": 0.5, "val": 0.5}
ONE = {"train": "t.txt", "val": "v.txt"}


@pytest.fixture
def root(tmp_path):
    """Two pairs; the first is what a test breaks."""
    write_folder(tmp_path, ("bad", "good"))
    (tmp_path / "t.txt").write_text("bad")
    (tmp_path / "v.txt").write_text("good")
    return tmp_path


def said(root, **options):
    """What is said when the first pair is loaded: one line, of no traceback."""
    with pytest.raises(DataError) as error:
        folder(root, splits=ONE, **options).split("train").load(0)
    message = str(error.value)
    assert "\n" not in message
    return message


def rename(root, name, to):
    os.replace(root / name, root / to)


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "truncated"),
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>please log in</html>", "it is none of BMP"),
    ],
)
def test_damaged_files_are_named(root, kind, content, reason):
    path = root / kind / "bad.png"
    save(path, np.random.default_rng(0).integers(0, 3, (90, 90), np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert re.search(rf"{kind}/bad\.png: cannot be read as an image \(.*{reason}", said(root))


def test_a_label_of_no_class(root):
    save(root / "masks/bad.png", np.full((12, 16), 200, np.uint8))
    assert re.search(r"masks/bad\.png: .*\[200\], expected only 0-2, 255", said(root))


def test_sixteen_bits_where_eight_were_meant(root):
    save(root / "masks/bad.png", np.full((12, 16), 771, np.uint16))  # 3 in each byte
    assert re.search(r"masks/bad\.png: .*\[771\], expected only 0-2, 255", said(root))


def test_images_of_sixteen_bits(root):
    save(root / "images/bad.png", np.full((12, 16), 3000, np.uint16))
    assert re.search(r"images/bad\.png: .*8 bits per channel, .*scale it", said(root))


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_colours_of_sixteen_bits(root, kind):
    write_pair(root, "images/bad.png", "masks/bad.png", values=[*COLOURS.values()])
    pixels = cv2.imread(str(root / kind / "bad.png"))
    assert cv2.imwrite(str(root / kind / "bad.png"), pixels.astype(np.uint16) * 256 + 1)
    message = said(root, colours=COLOURS)
    assert re.search(rf"{kind}/bad\.png: .*8 bits per channel, .* from 16 bits; scale", message)


@pytest.mark.parametrize(("height", "width"), [(13, 16), (12, 17), (11, 16), (16, 12)])
def test_a_mask_of_another_size(root, height, width):
    save(root / "masks/bad.png", np.zeros((height, width), np.uint8))
    message = said(root)
    assert f"masks/bad.png: is {height}x{width} (height x width), its image" in message
    assert "is 12x16; they must agree" in message
    assert "EXIF" not in message


def turned_photo(root, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(photo).save(root / "images/bad.png", exif=exif)


@pytest.mark.parametrize(
    ("orientation", "size", "warned"),
    [(3, (90, 80), True), (6, (90, 90), True), (1, (90, 90), False)],
)
def test_a_turned_photo_whose_mask_fits_is_told_too(root, orientation, size, warned):
    """A mask that was drawn in a viewer would lie upside down."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(root / "images/bad.jpg", exif=exif)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        read_image(root / "images/bad.jpg")
    assert ["EXIF orientation" in str(each.message) for each in shown] == [True] * warned


def test_masks_of_void_alone_are_told(root):
    counts = np.array([[0] * len(NAMES) + [9]])
    fault = folder(root, splits=ONE).fault_of_counts(counts)
    assert f"every training pixel is void, none is {NAMES[0]}" in fault


@pytest.mark.parametrize(
    ("orientation", "size", "told"),
    [(6, (16, 12), True), (8, (16, 12), True), (3, (16, 12), False), (6, (13, 16), False)],
)
def test_a_photo_on_its_side_is_told(root, orientation, size, told):
    turned_photo(root, orientation)
    save(root / "masks/bad.png", np.zeros(size, np.uint8))
    message = said(root)
    assert "they must agree" in message
    assert (f"EXIF orientation ({orientation})" in message) == told


def test_images_are_used_as_they_are_stored(root):
    turned_photo(root, 6)
    image, label = folder(root, splits=ONE).split("train").load(0)
    assert image.shape == (12, 16, 3)
    assert label.shape == (12, 16)
    np.testing.assert_array_equal(image, np.asarray(Image.open(root / "images/bad.png")))


def test_jpeg_masks_are_refused(root):
    (root / "masks/bad.png").unlink()
    save(root / "masks/bad.JPG", np.zeros((12, 16), np.uint8))
    advice = "bad.JPG: JPEG changes the values of masks; save them as PNG"
    assert advice in said(root)
    assert advice in said(root, mask_suffix=".JPG")
    (root / "t.txt").write_text("bad.png masks/bad.JPG")
    assert advice in said(root)


def test_a_png_beside_a_jpeg_is_the_mask(root):
    save(root / "masks/bad.jpg", np.zeros((12, 16), np.uint8))
    folder(root, splits=ONE).split("train").load(0)


def test_smooth_edges_of_colour_masks(root):
    write_pair(root, "images/bad.png", "masks/bad.png", values=[*COLOURS.values()])
    mask = Image.open(root / "masks/bad.png").resize((32, 24), Image.Resampling.BILINEAR)
    mask.resize((16, 12), Image.Resampling.BILINEAR).save(root / "masks/bad.png")
    assert re.search(
        r"masks/bad\.png: holds \d\d+ colours of no class", said(root, colours=COLOURS)
    )


def test_masks_of_floats(root):
    rename(root, "masks/bad.png", "masks/bad.tif")
    save(root / "masks/bad.tif", np.full((12, 16), 0.5, np.float32))
    assert "masks/bad.tif: holds float32, not ids; save it as integers" in said(root)


def test_a_mask_that_is_not_there(root):
    (root / "masks/bad.png").unlink()
    assert "masks/bad.png: there is no such file, the mask of" in said(root)
    with pytest.raises(DataError, match=r"\(incomplete pairs: 1 of 2\)"):
        folder(root, splits=HALF).split("train")


def test_a_folder_where_a_mask_should_be(root):
    (root / "masks/bad.png").unlink()
    (root / "masks/bad.png").mkdir()
    assert "masks/bad.png: is a folder, not a file" in said(root)


def test_a_folder_named_like_an_image_is_a_folder(root):
    write_pair(root, "images/x.png/c.png", "masks/x.png/c.png")
    data = folder(root, splits=HALF)
    found = stems(data, "train") + stems(data, "val")
    assert sorted(found) in (["bad", "c"], ["bad", "c", "good"])


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_link_to_nothing(root, kind):
    (root / kind / "bad.png").unlink()
    (root / kind / "bad.png").symlink_to("gone.png")
    with pytest.raises(DataError, match=rf"{kind}/bad\.png: is a link to gone\.png, where no file"):
        folder(root, splits=HALF).split("train")


def test_links_to_files_will_do(root):
    for kind in ("images", "masks"):
        rename(root, f"{kind}/bad.png", f"{kind[0]}.store")
        (root / kind / "bad.png").symlink_to(root / f"{kind[0]}.store")
    image, label = folder(root, splits=ONE).split("train").load(0)
    assert image.shape[:2] == label.shape


@pytest.mark.parametrize("kind", ["GIF", "PNG", "BMP", "WEBP"])
def test_images_are_what_they_hold_whatever_their_name(root, kind):
    (root / "images/bad.png").unlink()
    photo = Image.fromarray(np.full((12, 16, 4), (200, 30, 60, 90), np.uint8))
    if kind == "GIF":
        photo = photo.convert("RGB").convert("P")
    photo.convert("RGB" if kind == "BMP" else photo.mode).save(root / "images/bad.jpg", kind)
    image, _ = folder(root, splits=ONE).split("train").load(0)
    assert image.shape == (12, 16, 3)
    assert abs(image[0, 0].astype(int) - (200, 30, 60)).max() < 40


@pytest.mark.parametrize("name", ["with space", "Städte/東京", "a'b [x] {y} %s *"])
def test_any_name_will_do(tmp_path, name):
    root = write_folder(tmp_path / name, (f"{name}/1", f"{name}/2", "3"), images=f"i {name}")
    data = folder(root, images=f"i {name}", splits={"train": 0.6, "val": 0.4})
    for split in ("train", "val"):
        for i in range(len(data.split(split))):
            data.split(split).load(i)
    next(iter(data.train_dataloader()))
    (root / "masks/3.png").unlink()
    with pytest.raises(DataError, match=re.escape(str(root / "masks/3.png"))):
        folder(root, images=f"i {name}").split("train")


def config(tmp_path, root, **options):
    """One YAML, as docs/own_data.md shows it."""
    init = {"root": str(root), "height": 64, "width": 96, "batch_size": 2, "num_workers": 0}
    data = {"class_path": "Folder", "init_args": {**init, **options}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"data": data}, sort_keys=False, allow_unicode=True))
    return path


def fit(tmp_path, data, *more, loss="recall"):
    args = layers(loss)
    args[3] = str(data)  # in place of streets
    tiny = [a for i, a in enumerate(TINY) if "--data." not in a and "--data." not in TINY[i - 1]]
    steps = ("--trainer.max_epochs", "-1", "--trainer.max_steps", "2")
    return main(["fit", *args, *tiny, *steps, "--run_dir", str(tmp_path / "run"), *more])


def truncate(root):
    path = root / "masks" / "bad.png"
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (truncate, {"ids": NAMES}, r"masks/bad\.png: cannot be read as an image"),
        (lambda root: None, {"ids": {"a": 0, "b": [1, 0]}}, "0 cannot be both 'a' and 'b'"),
        (lambda root: None, {"ids": NAMES, "masks": "none"}, r"none: there is no such folder; `m"),
        (lambda root: None, {"ids": NAMES, "splits": {"train": 2.0}}, "fractions in `splits`"),
    ],
)
def test_the_command_line_says_one_line(tmp_path, capfd, damage, options, message):
    root = write_folder(tmp_path / "my data", ("bad", "good", "better"))
    damage(root)
    options = {"splits": {"train": "t.txt", "val": 0.3}, **options}
    if isinstance(options["splits"]["train"], str) and "masks" not in options:
        (root / "t.txt").write_text("bad\ngood\nbetter")
    elif "masks" in options:
        options["splits"] = HALF
    assert fit(tmp_path, config(tmp_path, root, **options)) == 2
    (line,) = [s for s in capfd.readouterr().err.splitlines() if s.startswith("error")]
    assert re.search(message, line)


def test_a_dataset_never_seen_before_trains_with_one_yaml(tmp_path, caplog, monkeypatch):
    """Colours with alpha, six sizes, lists for training and test; nothing is written there."""
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "Gärten von oben"
    sizes = [(40, 60), (60, 40), (33, 47), (64, 96), (128, 96), (50, 50)]
    colours = {
        "pond": [10, 20, 250, 255],
        "lawn": [10, 200, 30, 255],
        "path": [[120, 90, 60, 255], [130, 90, 60, 255]],
        "a pond under trees": [10, 20, 250, 128],
    }
    values = [c for v in colours.values() for c in (v if isinstance(v[0], list) else [v])]
    for i, size in enumerate(sizes * 2):
        place = f"flight {i % 3}/tile {i}"
        values_here = [*values, [0, 0, 0, 0]]
        write_pair(root, f"photos/{place}.jpg", f"truth/{place}_gt.png", size, i, values_here)
    names = [f"flight {i % 3}/tile {i}.jpg" for i in range(12)]
    (root / "train.txt").write_text("\r\n".join(names[:9]) + "\r\n")
    (root / "test.txt").write_text("\n".join(names[9:]))
    before = snapshot(root)
    for folder_, _, _ in os.walk(root):
        os.chmod(folder_, 0o555)
    options = {"images": "photos", "masks": "truth", "mask_suffix": "_gt.png", "name": "gardens"}
    path = config(tmp_path, root, colours=colours, ignore=[[0, 0, 0, 0]], **options)
    assert fit(tmp_path, path) == 0
    test = ["--ckpt_path", str(tmp_path / "run")]
    assert main(["test", *test]) == 0
    for folder_, _, _ in os.walk(root):
        os.chmod(folder_, 0o755)
    assert snapshot(root) == before
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["data"]["init_args"]
    assert list(kept["colours"]) == list(colours)  # their order is that of the classes
    table = (tmp_path / "run" / "val_table.md").read_text()
    assert all(name in table for name in colours)
    assert "a tenth of the training images validates" in caplog.text


def snapshot(root):
    """All below a folder, with the time of its last change."""
    return {path: path.stat().st_mtime_ns for path in [root, *root.rglob("*")]}


def test_nothing_is_ever_written_below_the_root(tmp_path, monkeypatch):
    """For root, modes do not count, so every way of opening a file is watched."""
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    root = write_folder(tmp_path / "data")
    (root / "train.txt").write_text("\n".join("abcdefg"))
    before, opened = snapshot(root), []

    def watch(file, mode="r", *args, **options):
        opened.append((str(file), mode))
        return real(file, mode, *args, **options)

    real = io.open
    monkeypatch.setattr(io, "open", watch)
    monkeypatch.setattr("builtins.open", watch)
    data = folder(root)
    data.prepare_data()
    data.class_counts  # noqa: B018
    for loader in (data.train_dataloader(), data.val_dataloader()):
        list(loader)
    below = {mode for file, mode in opened if file.startswith(str(root))}
    assert below
    assert not {letter for mode in below for letter in mode} & set("wax+")
    assert snapshot(root) == before
    assert list((tmp_path / "cache").rglob("*.json"))
