"""Images of a user's folder with other channels than red, green and blue."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from lit_seg.data.dataset import SegDataset
from lit_seg.data.transforms import EvalTransform, TrainTransform
from lit_seg.errors import DataError, RunError
from lit_seg.export.export_run import export_run
from lit_seg.images.bands import as_picture, read_bands
from lit_seg.images.data_format import DataFormat
from lit_seg.inference.predictor import Predictor
from lit_seg.tasks import LitSegmenter
from tests.data.layout_of_folder import folder, write_folder

STEMS = tuple("abcdefghij")


def numbers(channels, dtype, seed=0, size=(12, 16)):
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def written(path, image, **options):
    """Save an array as the suffix and the options say."""
    if path.suffix == ".tif":
        pytest.importorskip("tifffile").imwrite(path, image, **options)
    elif image.dtype == np.uint8:
        Image.fromarray(image).save(path)
    else:
        order = image if image.ndim == 2 else image[..., [2, 1, 0, *range(3, image.shape[2])]]
        path.write_bytes(cv2.imencode(path.suffix, order)[1].tobytes())
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_png_is_read_as_it_is_stored(channels, dtype, tmp_path):
    image = numbers(channels, dtype)
    found = read_bands(written(tmp_path / "x.png", image), channels)
    assert found.dtype == dtype
    assert np.array_equal(found, image.reshape(12, 16, channels))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", ["contig", "separate", "pages", "deflate", "grey"])
def test_a_tiff_is_read_as_it_is_stored(layout, dtype, tmp_path):
    channels = 1 if layout == "grey" else 7
    image = numbers(channels, dtype)
    planes = np.moveaxis(image, -1, 0) if channels > 1 else image
    options = {
        "contig": {"photometric": "minisblack", "planarconfig": "contig"},
        "separate": {"photometric": "minisblack", "planarconfig": "separate"},
        "pages": {"photometric": "minisblack"},
        "deflate": {"photometric": "minisblack", "compression": "zlib"},
        "grey": {},
    }[layout]
    saved = planes if layout in ("separate", "pages") else image
    if layout == "deflate":
        options["planarconfig"] = "contig"
    found = read_bands(written(tmp_path / "x.tif", saved, **options), channels)
    assert np.array_equal(found, image.reshape(12, 16, channels))


def test_what_cannot_be_read_is_named(tmp_path):
    path = written(tmp_path / "x.png", numbers(4, np.uint8))
    with pytest.raises(DataError, match=r"x\.png: has 4 bands, and `data.init_args.channels` is 2"):
        read_bands(path, 2)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"x\.png: cannot be read"):
        read_bands(path, 4)


def test_a_tiff_that_holds_something_else_is_named(tmp_path):
    path = written(tmp_path / "x.tif", numbers(1, np.uint8).astype(np.float32))
    with pytest.raises(DataError, match=r"x\.tif: holds numbers of type float32; scale them"):
        read_bands(path, 1)
    path.write_text("no TIFF")
    with pytest.raises(DataError, match=r"x\.tif: cannot be read as TIFF"):
        read_bands(path, 1)
    with pytest.raises(DataError, match=r"y\.tif: no such file"):
        read_bands(tmp_path / "y.tif", 1)


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (4, np.uint8), (4, np.uint16)])
def test_a_folder_trains_on_its_channels(channels, dtype, tmp_path):
    """Its statistics are those of all pixels, and the network sees numbers as they are stored."""
    write_folder(tmp_path)
    images = [numbers(channels, dtype, seed) for seed in range(len(STEMS))]
    for stem, image in zip(STEMS, images, strict=True):
        written(tmp_path / "images" / f"{stem}.png", image)
    splits = {"train": 0.8, "val": 0.2}
    data = folder(tmp_path, channels=channels, splits=splits, height=14, width=16)
    train = [STEMS.index(image.stem) for image, _ in data.split("train").pairs]
    pixels = np.concatenate([images[i].reshape(-1, channels) for i in train]).astype(float)
    assert np.allclose(data.data_format.mean, pixels.mean(0))
    assert np.allclose(data.data_format.std, pixels.std(0))
    batch = next(iter(data.val_dataloader()))
    of_files = torch.from_numpy(data.split("val").load(0)[0].astype(np.int64)).movedim(-1, 0)
    assert torch.equal(batch["image"][0, :, :12], of_files)
    assert not batch["image"][0, :, 12:].any()
    assert next(iter(data.train_dataloader()))["image"].shape == (2, channels, 14, 16)
    small = {"architecture": "pat_unet", "options": {"width": 2}}
    model = LitSegmenter([1, 1, 1], data_format=data.data_format, **small).eval()
    mean, std = (torch.tensor(each).reshape(-1, 1, 1) for each in (pixels.mean(0), pixels.std(0)))
    x = (batch["image"] - mean) / std
    padded = torch.nn.functional.pad(x.float(), (0, 0, 0, 2))
    torch.testing.assert_close(model(batch["image"]), model.network(padded)[:, :, :14])
    with pytest.raises(RunError, match=rf"give \(N, {channels}, H, W\)"):
        model(batch["image"].float())


def four_channels(path):
    """A checkpoint of a network that sees four channels."""
    form = DataFormat("x", [(0, 0, 0), (9, 9, 9)], [0, 1], 16, 16, "pad", 4, [9.0] * 4, [7.0] * 4)
    small = {"architecture": "pat_unet", "options": {"width": 2}}
    model = LitSegmenter([1, 1], data_format=form, **small).eval()
    options = {k: v for k, v in model.hparams.items() if k not in ("loss", "optimizer")}
    options |= {"class_names": ["a", "b"], "class_counts": {"pixels": [1, 1]}}
    checkpoint = {"state_dict": model.state_dict(), "hyper_parameters": options}
    model.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return model


def test_a_checkpoint_labels_images_of_its_channels(tmp_path):
    """Its format says how many bands images have."""
    model = four_channels(tmp_path / "x.ckpt")
    predictor = Predictor(tmp_path / "x.ckpt", device="cpu")
    image = numbers(4, np.uint16, size=(16, 16))
    found, again = predictor([image, str(written(tmp_path / "x.png", image))])
    batch = torch.from_numpy(image.astype(np.int32)).movedim(-1, 0)[None]
    assert np.array_equal(found.labels, model(batch)[0].argmax(0))
    assert np.array_equal(found.labels, again.labels)
    assert found.overlay().shape == (16, 16, 3)
    with pytest.raises(
        DataError, match=r"cannot be \(16, 16, 3\) .*; give \(H, W, 4\) uint8 or uint16"
    ):
        predictor(image[..., :3])
    with pytest.raises(RunError, match=r"no pictures .*--check"):
        export_run(tmp_path / "x.ckpt")


@pytest.mark.slow
def test_an_export_takes_the_channels_of_its_checkpoint(tmp_path):
    four_channels(tmp_path / "x.ckpt")
    image = numbers(4, np.uint16, size=(16, 16))
    check = [written(tmp_path / "x.png", image)]
    export = export_run(tmp_path / "x.ckpt", "onnx", check=check)
    found, want = (
        Predictor(path, device="cpu")(image) for path in (export.file, tmp_path / "x.ckpt")
    )
    assert (found.labels == want.labels).all()


def test_more_channels_than_opencv_names_are_scaled_cropped_and_flipped(tmp_path):
    """All of them alike: here they are equal, and stay so."""
    write_folder(tmp_path)
    data = folder(tmp_path, channels=7, mean=[0.0] * 7, std=[1.0] * 7, height=20, width=18)
    image = np.repeat(numbers(1, np.uint16)[..., None], 7, axis=2)
    for seed in range(8):
        out, label = data._train(image, np.zeros((12, 16), np.uint8), seed)
        assert (out.shape, label.shape, out.dtype) == ((20, 18, 7), (20, 18), np.uint16)
        assert (out == out[..., :1]).all()
        assert not out[label == 255].any()


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("scale", [0.4, 1.6])
@pytest.mark.parametrize(("channels", "kind"), [(5, np.uint16), (130, np.uint8), (512, np.uint8)])
def test_many_channels_are_what_each_is_by_itself(channels, kind, scale, fit):
    """OpenCV shrinks four, and of more than 128 it sees no image."""
    image = numbers(channels, kind, size=(25, 31))
    label = np.zeros((25, 31), np.uint8)

    def sample(of, transform):
        split = SimpleNamespace(load=lambda _: (of, label), name=str)
        return SegDataset(split, transform)[0, 0, 0]["image"]

    training = TrainTransform((25, 31), fit, (22, 26), (scale, scale), flip=1.0)
    for transform in (training, EvalTransform(round(25 * scale), 31, fit)):
        whole = sample(image, transform)
        assert len(whole) == channels
        for c in (0, 3, 4, channels - 1):
            one = sample(image[..., c : c + 1], transform)[0]
            assert abs(whole[c].double() - one.double()).max() <= 1


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"channels": 0}, "`channels` must be 1 to 512, got 0"),
        ({"channels": 4, "mean": [1.0], "std": [1.0] * 4}, r"`mean` must be 4 numbers.*\[1.0\]"),
        ({"mean": [1.0] * 3}, "`std` must be 3 numbers above 0, .*got None"),
        ({"mean": [1.0] * 3, "std": [1.0, 0.0, 1.0]}, "`std` must be 3 numbers above 0"),
    ],
)
def test_channels_and_statistics_must_fit(given, named, tmp_path):
    with pytest.raises(ValueError, match=named):
        _ = folder(write_folder(tmp_path), **given).data_format


def test_other_channels_are_shown_by_the_first_of_them():
    deep = np.array([[[0, 1, 2, 3], [512, 1024, 0, 9]]], np.uint16)
    assert as_picture(deep).tolist() == [[[0, 0, 0], [127, 255, 0]]]
    grey = np.array([[[7], [9]]], np.uint8)
    assert as_picture(grey).tolist() == [[[7] * 3, [9] * 3]]
    rgb = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert np.array_equal(as_picture(rgb), rgb)


def test_a_format_of_an_older_version_is_of_rgb():
    content = {"dataset": "x", "palette": [[1, 2, 3]], "ids": [0], "height": 4, "width": 4}
    found = DataFormat.of({**content, "fit": "pad"})
    assert (found.channels, found.mean) == (3, None)
    assert DataFormat.of(found.plain()) == found
