"""`python -m lit_seg predict`: what it writes, goes on with and refuses."""

import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import lit_seg
from lit_seg.cli.commands.predict import main
from lit_seg.data import ADE20K, Cityscapes
from lit_seg.images.data_format import DataFormat
from lit_seg.images.open_and_save import save_picture
from lit_seg.images.overlays import blend, colourise
from lit_seg.inference.prediction_folder import PredictionFolder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photographs of two sizes, two of them in a sub-folder, the last one turned by EXIF."""
    rng, exif = np.random.default_rng(0), Image.Exif()
    folder = tmp_path / "photos"
    for name, size in (("a.png", (30, 40)), ("b/a.png", (30, 40)), ("b/c.jpg", (33, 35))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        exif[0x0112] = 6 if name == "b/c.jpg" else 1
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name, exif=exif)
    return folder


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_files_have_the_names_of_the_images(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "b" / "broken.png").write_bytes((photos / "a.png").read_bytes()[:900])
    out = tmp_path / "out"
    asked = ["--confidence", "--probabilities", "--batch_size", "2"]
    assert main([str(run), str(photos), "--out", str(out), *asked]) == 2
    names = ("a", "b/a", "b/c")
    kinds = {"labels": "png", "overlays": "jpg", "confidence": "png", "probabilities": "npz"}
    expected = {f"{kind}/{name}.{end}" for kind, end in kinds.items() for name in names}
    assert files(out) == {*expected, "predictions.json"}
    predictor = lit_seg.load(run, batch_size=2)
    for result, name in zip(
        predictor([photos / f"{n}" for n in ("a.png", "b/a.png", "b/c.jpg")]), names, strict=True
    ):
        assert (read(out / f"labels/{name}.png") == result.labels).all()
        confidence = read(out / f"confidence/{name}.png").astype(float)
        assert np.abs(confidence - 255 * result.probabilities.max(0)).max() <= 0.51
        found = np.load(out / f"probabilities/{name}.npz")["probabilities"]
        assert found.dtype == np.float16
        assert np.abs(found - result.probabilities).max() < 1e-3
        save_picture(tmp_path / "shown.jpg", result.overlay(), quality=90)
        assert (read(out / f"overlays/{name}.jpg") == read(tmp_path / "shown.jpg")).all()
    assert read(out / "labels/b/c.png").shape == (35, 33)
    captured = capsys.readouterr()
    assert "3 images in " in captured.out
    (fault, error) = captured.err.splitlines()
    assert fault.startswith(f"{photos}/b/broken.png: cannot be read as an image")
    assert error == f"error: 1 file could not be read; the others are in {out}"


def test_it_goes_on_with_an_earlier_call(
    run: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, save = tmp_path / "out", PredictionFolder.save

    def stop(folder: PredictionFolder, name: str, *args: object) -> None:
        if name == "b/a":
            raise KeyboardInterrupt
        save(folder, name, *args)

    call = [str(run), str(photos), "--out", str(out), "--batch_size", "1"]
    monkeypatch.setattr(PredictionFolder, "save", stop)
    assert main(call) == 130
    assert capsys.readouterr().err == f"stopped; the same command with --out {out} goes on\n"
    monkeypatch.setattr(PredictionFolder, "save", save)
    assert "labels/a.png" in files(out)
    (out / "labels" / "a.png").write_bytes(b"not written again")
    (out / "labels" / ".b.png.0.tmp").touch()  # of a call that was killed
    assert main(call) == 0
    assert re.search(r"^[12] images? in ", capsys.readouterr().out, re.MULTILINE)
    assert (out / "labels" / "a.png").read_bytes() == b"not written again"
    assert {f"labels/{name}.png" for name in ("a", "b/a", "b/c")} <= files(out)
    assert "labels/.b.png.0.tmp" not in files(out)
    assert main([*call, "--flip"]) == 2
    assert '"flip": true' in capsys.readouterr().err
    assert main(call) == 0
    assert "already there: 3 of 3 images" in capsys.readouterr().out
    others = photos.rename(tmp_path / "others")  # of which the same names would seem done
    assert main([str(run), str(others), "--out", str(out)]) == 2
    assert f'"{others}/"' in capsys.readouterr().err


def test_without_a_source_it_labels_the_validation_images(run: Path) -> None:
    expected = {"predictions.json", *(f"labels/scene_{i:04}.png" for i in range(6))}
    for path in (run / "checkpoints" / "best.ckpt", run):
        before = set(run.glob("predictions*"))
        assert main([str(path), "--no-overlay"]) == 0
        (new,) = set(run.glob("predictions*")) - before
        assert files(new) == expected
        assert read(new / "labels" / "scene_0000.png").shape == (128, 192)


def test_a_video_keeps_its_size_and_pace(run: Path, tmp_path: Path) -> None:
    codec, size = cv2.VideoWriter.fourcc(*"mp4v"), (48, 32)
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), codec, 12.5, size)
    for i in range(5):
        writer.write(np.full((32, 48, 3), 50 * i, np.uint8))
    writer.release()
    (tmp_path / "cut.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    sources = [str(tmp_path / "film.avi"), str(tmp_path / "cut.mp4")]
    assert main([str(run), *sources, "--out", str(out), "--batch_size", "2"]) == 2
    assert files(out) == {"predictions.json", "labels/film.mp4", "overlays/film.mp4"}
    found = cv2.VideoCapture(str(out / "overlays" / "film.mp4"))
    facts = (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT, *(3, 4))
    assert [found.get(fact) for fact in facts] == [12.5, 5, *size]
    _, frame = found.read()
    predictor = lit_seg.load(run)
    black = predictor(np.zeros((32, 48, 3), np.uint8))
    colours = colourise(black.labels, predictor.data_format.palette)
    assert np.abs(frame[..., ::-1].astype(float) - blend(black.image, colours)).mean() < 10
    before = (out / "labels" / "film.mp4").stat().st_mtime_ns
    assert main([str(run), sources[0], "--out", str(out), "--batch_size", "2"]) == 0
    assert (out / "labels" / "film.mp4").stat().st_mtime_ns == before


def of_dataset(run: Path, folder: Path, dataset: type) -> Path:
    """The checkpoint of the run, as if its classes were the first of another dataset."""
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    ids = list(dataset.label_ids[:12])
    content["hyper_parameters"]["data_format"] |= {"dataset": dataset.folder, "ids": ids}
    torch.save(content, folder / "best.ckpt")
    return folder / "best.ckpt"


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        (Cityscapes, "berlin/berlin_000000_000019_leftImg8bit"),
        (ADE20K, "ADE_test_00000001"),
    ],
)
def test_a_submission_is_what_the_server_takes(
    dataset: type, name: str, run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = dataset.folder
    checkpoint = of_dataset(run, photos.parent, dataset)
    tests = photos.parent / "test"
    (tests / name).parent.mkdir(parents=True)
    (photos / "a.png").rename(tests / f"{name}.png")
    call = [str(checkpoint), "--submission", server, "--out"]
    assert main([*call, str(photos.parent / "out"), str(tests)]) == 0
    with zipfile.ZipFile(photos.parent / "out" / f"{server}.zip") as archive:
        (member,) = archive.namelist()
        assert member == f"{Path(name).name}.png"
        label = Image.open(archive.open(member))
        assert (label.mode, label.size) == ("L", (40, 30))
    expected = lit_seg.load(checkpoint)(tests / f"{name}.png").labels
    assert (np.asarray(label) == np.array(dataset.label_ids)[expected]).all()
    capsys.readouterr()
    assert main([*call, str(photos.parent / "other"), str(photos)]) == 2
    assert f"b/a is not named as the images of {server}" in capsys.readouterr().err
    assert not (photos.parent / "other").exists()


def test_ids_above_255_are_written_in_16_bits(tmp_path: Path) -> None:
    form = DataFormat("mine", [(0, 0, 0)] * 12, [*range(300, 312)], 8, 8, "stretch")
    folder = PredictionFolder(tmp_path, form, ["labels"])
    labels = np.array([[0, 11], [5, 3]], np.uint8)
    folder.save("x", np.zeros((2, 2, 3), np.uint8), {"labels": labels})
    assert read(tmp_path / "labels" / "x.png").tolist() == [[300, 311], [305, 303]]
