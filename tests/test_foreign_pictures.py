"""A picture from elsewhere is decoded in this process, or refused: it starts no other program."""

import ast
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from lit_seg.data import Synthia
from lit_seg.data.datasets.own_folder.folder import _turned
from lit_seg.data.label_maps import read_ids
from lit_seg.errors import DataError, RunError
from lit_seg.images.decode import decode_colour_label, decode_label, read_image
from lit_seg.images.open_and_save import FORMATS, open_picture
from lit_seg.images.open_and_save import IMAGE_SUFFIXES as IMAGES
from lit_seg.report.sections.pictures import pictures_of
from tests.data import layout_of_synthia

ROOT = Path(__file__).parent.parent
POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    b"newpath 0 0 moveto 8 8 lineto stroke\nshowpage\n%%EOF\n"
)


@pytest.fixture
def proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a Ghostscript leaves when it is started."""
    proof, program = tmp_path / "it ran", tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n/usr/bin/touch "{proof}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return proof


def test_pillow_alone_would_start_it(proof: Path, tmp_path: Path) -> None:
    """So that the tests below show something."""
    (tmp_path / "a.png").write_bytes(POSTSCRIPT)
    with (
        pytest.raises(OSError, match=r"gs|identify|empty|No such"),
        Image.open(tmp_path / "a.png") as image,
    ):
        image.load()
    assert proof.exists()


@pytest.mark.parametrize("read", [read_image, decode_label, decode_colour_label, read_ids])
@pytest.mark.parametrize("end", [".png", ".jpg", ".tif"])
def test_postscript_is_no_image_and_no_mask(read, end: str, proof: Path, tmp_path: Path) -> None:
    path = tmp_path / f"a{end}"
    # a preview in front of it is another form of the format
    for start in (b"", b"\xc5\xd0\xd3\xc6" + bytes([32, 0, 0, 0, 99, 0, 0, 0]) + bytes(20)):
        path.write_bytes(start + POSTSCRIPT)
        with pytest.raises(DataError, match=rf"a\{end}: cannot be read as an image \(.*PNG"):
            read(path)
    assert not proof.exists()


def test_a_look_at_the_orientation_starts_nothing(proof: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(POSTSCRIPT)
    assert _turned(tmp_path / "a.jpg", tmp_path / "a.jpg") == ""
    assert not proof.exists()


@pytest.mark.parametrize("name", ["a_truth.png", "a_image.jpg", "a_prediction.png"])
def test_the_pictures_of_a_run_start_nothing(name: str, proof: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for other in ("a_truth.png", "a_image.jpg", "a_prediction.png"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / other)
    run = SimpleNamespace(seed=0, path=tmp_path)
    comparison = SimpleNamespace(
        methods=[SimpleNamespace(label="ce", runs=[run])],
        classes=["road"],
        colours=["#010203"],
        by_frequency=lambda: [0],
    )
    assert len(pictures_of(comparison)) == 1
    for content, reason in ((POSTSCRIPT, "PNG"), (b"", "PNG")):
        (folder / name).write_bytes(content)
        with pytest.raises(RunError, match=rf"{name}: cannot be read as a picture \(.*{reason}"):
            pictures_of(comparison)
    assert not proof.exists()


def test_a_label_of_synthia_is_a_png(tmp_path: Path) -> None:
    """OpenCV has decoders of its own for a dozen formats."""
    layout_of_synthia.write(tmp_path)
    split = Synthia(root=str(tmp_path)).split("train")
    path = split.label_files()[0]
    Image.fromarray(np.ones((8, 8), np.uint8)).save(path, "TIFF")
    with pytest.raises(DataError, match=f"{path.name}: cannot be read as an image .*no PNG"):
        split.label(0)


def test_every_format_of_the_list_is_read(tmp_path: Path) -> None:
    for kind in FORMATS:
        Image.new("RGB", (5, 4), (9, 9, 9)).save(tmp_path / "a", kind)
        assert read_image(tmp_path / "a").shape == (4, 5, 3)
    Image.init()
    assert {Image.EXTENSION[end] for end in IMAGES} <= set(FORMATS)


def test_pictures_are_opened_in_one_place() -> None:
    """``open_picture`` alone opens files with Pillow, and hardly anything else decodes them."""
    found = {
        (path.relative_to(ROOT).as_posix(), ast.unparse(node))
        for folder in ("lit_seg", "experiments")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        # a benchmark shows how others load data
        if "bench" not in path.parts
        and isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(("Image.open", "imread", "imdecode", "decode_image"))
    }
    assert sorted(found) == [
        ("experiments/loss_pictures.py", "Image.open(buffer)"),  # which it has written itself
        ("lit_seg/data/datasets/synthia.py", "cv2.imdecode(content, cv2.IMREAD_UNCHANGED)"),
        *(  # of what Pillow has decoded before, as the format that it is
            (file, "cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)")
            for file in ("lit_seg/images/bands.py", "lit_seg/images/decode.py")
        ),
        ("lit_seg/images/open_and_save.py", "Image.open(path, formats=FORMATS)"),
    ]
    assert open_picture.__module__ == "lit_seg.images.open_and_save"
