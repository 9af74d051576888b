"""Uses a trained classifier: classifies images, and exports what it decides by."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from lit_seg.classification.classifier import LitClassifier
from lit_seg.errors import RunError, reason_of
from lit_seg.export.formats import FILES, check_packages, quiet, save_onnx, save_pt2
from lit_seg.export.parity import allowed
from lit_seg.files.atomic_io import writing
from lit_seg.images.bands import read_bands
from lit_seg.images.decode import read_image
from lit_seg.images.open_and_save import Array
from lit_seg.runs.layout import CHECKPOINTS

FORMATS = ("pt2", "onnx")


class Classified(NamedTuple):
    """What :class:`Classifier` says of an image.

    Attributes:
        label: id of the class.
        name: of that class.
        probabilities: ``(C,)`` float32, the softmax of the scores.
    """

    label: int
    name: str
    probabilities: Array


class Classifier(nn.Module):
    """The part of a trained method that decides: in SDN the backbone and head h, without g.

    Args:
        path: a run, of which the last weights are taken as in its table, or a checkpoint file.

    Raises:
        RunError: if there is no checkpoint, or it is none of a classifier.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        path = Path(path).expanduser()
        file = path if path.is_file() else path / CHECKPOINTS / "last.ckpt"
        if not file.is_file():
            raise RunError(f"{path}: holds no checkpoint; give the folder of a run or a checkpoint")
        try:
            module = LitClassifier.load_from_checkpoint(file, map_location="cpu")
        except RunError:
            raise
        except Exception as error:  # of another task, or damaged
            raise RunError(f"{file}: is none of a classifier ({reason_of(error)[:200]})") from error
        self.class_names, self.data_format = module.class_names, module.data_format
        self.method = module.method
        self.register_buffer("pixel_mean", module.pixel_mean.clone())
        self.register_buffer("pixel_std", module.pixel_std.clone())
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``(N,)`` labels and ``(N, C)`` scores of ``(N, channels, H, W)`` uint8 images."""
        scores = self.method((image - self.pixel_mean) / self.pixel_std)
        return scores.argmax(1), scores

    def classify(self, images: Sequence[Path | str | Array]) -> list[Classified]:
        """Classify files, or ``(H, W, channels)`` arrays, of any size."""
        channels, found = self.data_format.channels, []
        for image in images:
            if not isinstance(image, np.ndarray):
                file = Path(image)
                image = read_image(file) if channels == 3 else read_bands(file, channels)
            fitted = self.data_format.fitted(image).reshape(*self.size, channels)
            batch = torch.from_numpy(fitted).movedim(-1, 0)[None].to(self.pixel_mean.device)
            label, scores = self(batch)
            share = scores[0].softmax(0).float().cpu().numpy()
            found.append(Classified(int(label), self.class_names[int(label)], share))
        return found

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that the network sees."""
        return self.data_format.height, self.data_format.width


def export_classifier(path: Path, name: str, out: Path | None = None) -> tuple[Path, float]:
    """Write what decides as one file, and compare it with the classifier on random images.

    The file takes ``(N, channels, H, W)`` uint8 images of the size in its metadata and gives labels
    and scores.

    Returns:
        The file, and the largest difference of a score.

    Raises:
        RunError: if the method cannot be exported so, or the file differs; it is removed then.
    """
    check_packages(name)
    model = Classifier(path)
    folder = out or (path if path.is_dir() else path.parent.parent) / "exports" / name
    file = folder / FILES[name]
    if file.exists():
        raise RunError(f"{file}: is there already; give another folder by --out")
    facts = {"class_names": model.class_names, "data_format": model.data_format.plain()}
    shape = (2, model.data_format.channels, *model.size)
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0))
    image = images.to(torch.uint8)
    with writing(folder, "another folder by --out"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with quiet():
                program = torch.export.export(
                    model, (image,), dynamic_shapes={"image": {0: Dim.DYNAMIC}}, strict=False
                )
                if name == "pt2":
                    save_pt2(program, file, json.dumps(facts))
                else:
                    outputs = ["labels", "scores"]
                    save_onnx(program, file, json.dumps(facts), outputs, {0: "batch"})
                found = _scores(name, file, image)
        except Exception as error:  # whatever exporters raise for operations that they lack
            file.unlink(missing_ok=True)
            kind = type(model.method).__name__
            raise RunError(f"{kind} cannot be exported as {name} ({reason_of(error)[:300]})") from (
                error
            )
    scores = model(image)[1]
    difference = float((found - scores).abs().max())
    if not difference <= allowed(scores):
        file.unlink()
        raise RunError(f"{file}: its scores differ by {difference:.2g}, so it is not kept")
    return file, difference


def _scores(name: str, file: Path, image: Tensor) -> Tensor:
    """What the file gives, read as its users will."""
    if name == "pt2":
        scores: Tensor = torch.export.load(file).module()(image)[1]
        return scores
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["scores"], {"image": image.numpy()})[0])
