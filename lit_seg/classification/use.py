"""Uses a trained classifier: classifies images, and exports what it decides by."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from lit_seg.classification.classifier import LitClassifier
from lit_seg.classification.data.image_format import ImageFormat
from lit_seg.errors import RunError, reason_of
from lit_seg.export.formats import FILES, check_packages, quiet, save_onnx, save_pt2
from lit_seg.export.parity import allowed
from lit_seg.files.atomic_io import writing
from lit_seg.images.bands import read_bands
from lit_seg.images.decode import read_image
from lit_seg.images.open_and_save import Array
from lit_seg.inference.exported import SUFFIXES, open_export
from lit_seg.inference.predictor import device_of
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


class DecidingNetwork(nn.Module):
    """The part of a trained method that decides: in SDN the backbone and head h, without g."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, module: LitClassifier) -> None:
        super().__init__()
        self.method = module.method
        self.register_buffer("pixel_mean", module.pixel_mean.clone())
        self.register_buffer("pixel_std", module.pixel_std.clone())
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``(N,)`` labels and ``(N, C)`` scores of ``(N, channels, H, W)`` uint8 images."""
        scores = self.method((image - self.pixel_mean) / self.pixel_std)
        return scores.argmax(1), scores


class Classifier:
    """Classifies images by what a trained method decides by.

    Args:
        path: a run, of which the last weights are taken as in its table, a checkpoint, or an export
            (.pt2 or .onnx).
        device: such as ``cpu`` or ``cuda:1``; ``auto`` is a GPU if there is one.
        batch_size: images that the network sees at once.

    Raises:
        RunError: if there is no such file, or it is none of a classifier.
    """

    def __init__(self, path: Path | str, device: str = "auto", batch_size: int = 8) -> None:
        self.file = Path(path).expanduser()
        self.device, self.batch_size = device_of(device), batch_size
        if self.file.suffix in SUFFIXES:
            self._scores, facts, program = open_export(self.file)
            try:
                self.class_names: list[str] = list(facts["class_names"])
                self.data_format = ImageFormat.of(facts["data_format"])
            except (KeyError, TypeError) as error:
                raise RunError(f"{self.file}: is no export of a classifier ({error!r})") from None
            if program is not None:
                program.to(self.device)
            return
        if not self.file.is_file():
            self.file = self.file / CHECKPOINTS / "last.ckpt"
        if not self.file.is_file():
            raise RunError(f"{path}: holds no checkpoint; give the folder of a run or a checkpoint")
        try:
            module = LitClassifier.load_from_checkpoint(self.file, map_location="cpu")
        except RunError:
            raise
        except Exception as error:  # of another task, or damaged
            reason = reason_of(error)[:200]
            raise RunError(f"{self.file}: is none of a classifier ({reason})") from error
        self.class_names, self.data_format = module.class_names, module.data_format
        self.network = DecidingNetwork(module).to(self.device)
        self._scores = lambda image: self.network(image)[1]

    @overload
    def __call__(self, image: Path | str | Array) -> Classified: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, image: Sequence[Path | str | Array]) -> list[Classified]: ...

    def __call__(
        self, image: Path | str | Array | Sequence[Path | str | Array]
    ) -> Classified | list[Classified]:
        """Classify a file or an ``(H, W, channels)`` array of any size, or each of a list."""
        if not isinstance(image, list | tuple):
            return self([image])[0]  # type: ignore[list-item]
        found = []
        for start in range(0, len(image), self.batch_size):
            batch = np.stack([self._fitted(one) for one in image[start : start + self.batch_size]])
            scores = self._scores(torch.from_numpy(batch).movedim(-1, 1).to(self.device))
            for row in scores.softmax(1).float().cpu().numpy():
                label = int(row.argmax())
                found.append(Classified(label, self.class_names[label], row))
        return found

    def _fitted(self, image: Path | str | Array) -> Array:
        channels = self.data_format.channels
        if not isinstance(image, np.ndarray):
            file = Path(image)
            image = read_image(file) if channels == 3 else read_bands(file, channels)
        return self.data_format.fitted(image).reshape(*self.size, channels)

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
    model = Classifier(path, "cpu")
    network = model.network
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
                    network, (image,), dynamic_shapes={"image": {0: Dim.DYNAMIC}}, strict=False
                )
                if name == "pt2":
                    save_pt2(program, file, json.dumps(facts))
                else:
                    outputs = ["labels", "scores"]
                    save_onnx(program, file, json.dumps(facts), outputs, {0: "batch"})
                found = open_export(file)[0](image)  # read as its users will
        except Exception as error:  # whatever exporters raise for operations that they lack
            file.unlink(missing_ok=True)
            kind = type(network.method).__name__
            raise RunError(f"{kind} cannot be exported as {name} ({reason_of(error)[:300]})") from (
                error
            )
    scores = network(image)[1]
    difference = float((found - scores).abs().max())
    if not difference <= allowed(scores):
        file.unlink()
        raise RunError(f"{file}: its scores differ by {difference:.2g}, so it is not kept")
    return file, difference
