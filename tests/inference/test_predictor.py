"""A predictor gives the labels that validation counts, of all that holds an image."""

import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import lit_seg
from lit_seg.data import Streets
from lit_seg.errors import DataError, LitSegError
from lit_seg.images.resize import fit_image, fit_label
from lit_seg.inference import predictor as predictor_module
from lit_seg.inference.exported import ExportedNetwork
from lit_seg.inference.predictor import Predictor, as_array
from lit_seg.inference.prior import balanced, write_tau
from lit_seg.inference.views import Views
from lit_seg.losses.logit_adjustment import log_prior


@pytest.fixture(scope="module")
def predictor(run: Path) -> Predictor:
    return lit_seg.load(run)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)


def test_the_labels_are_those_that_the_validation_counted(run: Path) -> None:
    # the weights of the last validation, in batches as there: others round in another way
    last = lit_seg.load(run / "checkpoints" / "last.ckpt", batch_size=4)
    names, form = last.class_names, last.data_format
    table = pd.read_csv(run / "val_images.csv").set_index(["image", "class"])
    split, size = Streets().split("val"), (form.height, form.width)
    samples = [split.load(i) for i in range(len(split))]
    results = last([fit_image(image, size, form.fit) for image, _ in samples])
    for i, (_, truth) in enumerate(samples):
        truth, labels = fit_label(truth, size, form.fit), results[i].labels
        for c, name in enumerate(names):
            found = [(truth == c).sum(), (labels[truth != 255] == c).sum()]
            found.append(((truth == c) & (labels == c)).sum())
            if any(found):
                row = table.loc[(split.name(i), name), ["labelled", "predicted", "hits"]]
                assert row.tolist() == found


def test_all_that_holds_an_image_gives_the_same(
    predictor: Predictor, image: np.ndarray, tmp_path: Path
) -> None:
    picture = Image.fromarray(image)
    picture.save(tmp_path / "a.png")
    other = np.ascontiguousarray(image[:50])
    found = predictor(
        [
            *(image, other, picture, torch.from_numpy(image).movedim(-1, 0)),
            *(tmp_path / "a.png", str(tmp_path / "a.png")),
        ]
    )
    alone = predictor(image)
    assert alone.labels.dtype == np.uint8
    assert alone.labels.shape == image.shape[:2]
    assert (found[1].labels == predictor(other).labels).all()
    for each in (found[0], *found[2:]):
        assert (each.labels == alone.labels).all()
        assert (each.image == image).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_a_photograph_is_labelled_as_it_is_seen(
    orientation: int, suffix: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """Orientation 6 is seen with the left column of the file as its top row, 3 upside down."""
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16] = 250  # top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(stored).save(path, exif=exif)
    seen = {3: stored[::-1, ::-1], 6: np.rot90(stored, -1)}[orientation]
    for given in (path, Image.open(path)):
        found = as_array(given)
        assert found.shape == seen.shape
        assert np.abs(found.astype(int) - seen).max() < 10
    assert not recwarn.list


def test_a_damaged_field_of_exif_harms_nothing(tmp_path: Path) -> None:
    """The artist is a number, which Pillow can read and cannot write."""
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    artist = struct.pack("<HHIf", 0x013B, 11, 1, 1.5)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + orientation + artist + bytes(4)
    Image.new("RGB", (16, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert as_array(tmp_path / "a.jpg").shape == (16, 8, 3)


def test_a_result_has_what_a_reader_needs(predictor: Predictor, image: np.ndarray) -> None:
    result = predictor(image)
    assert result.class_names == predictor.class_names
    probabilities = result.probabilities
    assert probabilities.shape == (len(result.class_names), 90, 130)
    assert np.allclose(probabilities.sum(0), 1, atol=1e-5)
    assert (probabilities.argmax(0) == result.labels).all()
    overlay = result.overlay(opacity=0.25)
    colour = predictor.data_format.palette[result.labels[7, 9]]
    expected = [0.75 * int(a) + 0.25 * b for a, b in zip(image[7, 9], colour, strict=True)]
    assert np.abs(overlay[7, 9] - np.array(expected)).max() <= 0.5


def test_a_padded_image_loses_its_padding(
    run: Path, image: np.ndarray, predictor: Predictor
) -> None:
    """A slow reading: the content of the fitted image, cut out, and resized to the original."""
    padded = lit_seg.load(run)
    padded.data_format = replace(padded.data_format, fit="pad")
    tall = np.ascontiguousarray(image[:, :40])  # 90 x 40 in 64 x 96: 64 x 28 and black on the right
    fitted = fit_image(tall, (64, 96), "pad")
    assert not fitted[:, 28:].any()
    logits = predictor.network(torch.from_numpy(fitted).movedim(-1, 0)[None])[:, :, :, :28]
    expected = F.interpolate(logits, size=(90, 40), mode="bilinear", align_corners=False)
    assert (padded(tall).labels == expected[0].argmax(0).numpy()).all()


def test_views_are_averaged(run: Path, image: np.ndarray, predictor: Predictor) -> None:
    both = lit_seg.load(run, views=Views(flip=True))(image).probabilities
    mirrored = predictor(np.ascontiguousarray(image[:, ::-1])).probabilities[:, :, ::-1]
    assert np.allclose(both, (predictor(image).probabilities + mirrored) / 2, atol=1e-5)


def test_the_strength_that_a_run_keeps_balances_its_classes(
    run: Path, image: np.ndarray, predictor: Predictor
) -> None:
    file = write_tau(run, 0.7)
    balanced = lit_seg.load(run)
    file.unlink()
    assert (balanced.tau, lit_seg.load(run, tau=0).tau) == (0.7, 0)
    pixels = np.maximum(predictor.network.class_pixels, 1)
    prior = (pixels / pixels.sum()).reshape(-1, 1, 1)
    weighted = predictor(image).probabilities / prior**0.7
    assert (balanced(image).labels == weighted.argmax(0)).mean() > 0.999
    expected = weighted / weighted.sum(0)
    assert np.allclose(balanced(image).probabilities, expected, atol=1e-5)


def test_an_export_that_is_balanced_is_not_balanced_again(
    run: Path, image: np.ndarray, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, form = predictor.network, predictor.data_format
    prior = log_prior(network.class_pixels)
    metadata = {
        "class_names": network.class_names, "class_pixels": network.class_pixels,
        "data_format": form.plain(), "tau": 0.5,
    }  # fmt: skip
    exported = ExportedNetwork(lambda x: balanced(network(x), prior, 0.5), metadata, None)
    monkeypatch.setattr(predictor_module, "load_exported", lambda file: exported)
    as_it_is, without = (lit_seg.load(run / "model.pt2", tau=tau) for tau in (None, 0))
    wanted = lit_seg.load(run, tau=0.5)(image).probabilities
    assert np.allclose(as_it_is(image).probabilities, wanted, atol=1e-5)
    assert np.allclose(without(image).probabilities, predictor(image).probabilities, atol=1e-5)
    assert (as_it_is.tau, without.tau) == (0.5, 0)


def test_bfloat16_is_nearly_the_same(run: Path, image: np.ndarray, predictor: Predictor) -> None:
    fast = lit_seg.load(run, precision="bfloat16")(image).probabilities
    exact = predictor(image).probabilities
    assert 0 < np.abs(fast - exact).max() < 0.05


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (np.zeros((4, 4), np.uint8), r"\(4, 4\) of uint8.*np\.stack"),
        (np.zeros((4, 4, 3), np.float32), r"\(4, 4, 3\) of float32.*255"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\) of uint8.*list\(images\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), r"\(4, 4, 3\) of torch\.uint8"),
        (torch.zeros(3, 4, 4), r"\(3, 4, 4\) of torch\.float32"),
        (Image.fromarray(np.zeros((4, 4), np.float32)), "mode F"),
        (None, "a NoneType"),
        ([], "the list of images is empty"),
        ("no/such.png", "no/such.png: no such file"),
        (__file__, "none of BMP"),
    ],
)
def test_what_is_no_image_is_named(given: object, named: str, predictor: Predictor) -> None:
    with pytest.raises(DataError, match=named) as error:
        predictor(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"device": "nosuch"}, "`device` cannot be 'nosuch'"),
        ({"device": "cuda:7"}, "`device` cannot be 'cuda:7'"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"tau": -1.0}, "`tau` must be .*, got -1"),
        ({"tau": math.nan}, "`tau` must be .*, got nan"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    options: dict[str, object], named: str, run: Path
) -> None:
    with pytest.raises(LitSegError, match=named):
        lit_seg.load(run, **options)
