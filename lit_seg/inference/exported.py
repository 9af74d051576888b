"""Loads an exported network, which is one file that needs neither smp nor the run."""

import json
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lit_seg.errors import OfClassifierError, RunError, reason_of
from lit_seg.files.schema import ANYTHING, COUNT, TEXT, Value, difference, is_number
from lit_seg.images.data_format import DataFormat
from lit_seg.inference.plain_export import read_plain_export
from lit_seg.inference.trained import TrainedNetwork
from lit_seg.models.input_check import check_images
from lit_seg.models.resized_logits import Logits

METADATA = "lit_seg_metadata.json"
"""The name of the text in an export that says what its classes are, and of that file for smp."""
SUFFIXES = (".pt2", ".onnx")
_SCHEMA = 1
_CONTENT = {
    "schema": COUNT,
    "lit_seg": TEXT,
    "class_names": [TEXT],
    "class_pixels": [COUNT],
    "tau": Value("a number", is_number),
    "data_format": {str: ANYTHING},
    str: ANYTHING,
}

Run = Callable[[Tensor], Tensor]


def metadata_of(network: TrainedNetwork, tau: float) -> dict[str, Any]:
    """Describe a network for its export; means and deviations are of RGB from 0 to 255.

    Args:
        network: what is exported.
        tau: strength of the post-hoc balancing that is part of the exported logits.
    """
    return {
        "schema": _SCHEMA,
        "lit_seg": version("lit-seg"),
        "class_names": network.class_names,
        "class_pixels": network.class_pixels,
        "tau": tau,
        "data_format": network.data_format.plain(),
        "preprocessing": {
            "pixel_mean": network.pixel_mean.flatten().tolist(),
            "pixel_std": network.pixel_std.flatten().tolist(),
            "size_multiple": network.size_multiple,
        },
    }


class ExportedNetwork(nn.Module):
    """A network from an exported file, which is used as a :class:`TrainedNetwork` is.

    Args:
        run: gives logits of images.
        metadata: of :func:`metadata_of`.
        program: the modules that ``run`` uses, which ``to`` moves to a device.
    """

    def __init__(self, run: Run, metadata: dict[str, Any], program: nn.Module | None) -> None:
        super().__init__()
        self._run = run
        self.program = program
        self.class_names: list[str] = metadata["class_names"]
        self.class_pixels: list[int] = metadata["class_pixels"]
        self.data_format = DataFormat.of(metadata["data_format"])
        self.tau: float = metadata["tau"]

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, C, H, W)`` float32 logits of ``(N, channels, H, W)`` images of any size.

        The images are those of :class:`TrainedNetwork`. The logits include the post-hoc balancing
        of strength ``tau``.
        """
        channels = self.data_format.channels
        check_images(image, channels)
        return self._run(image if channels == 3 else image.int())

    def logits(self, image: Tensor) -> Logits:
        """Compute the logits of :meth:`forward`, as a :class:`TrainedNetwork` gives them."""
        return Logits(self(image))

    def train(self, mode: bool = True) -> "ExportedNetwork":
        """Do nothing: an exported network is in evaluation mode for good, and torch refuses."""
        return self


def load_exported(path: Path | str) -> ExportedNetwork:
    """Load ``model.pt2`` or ``model.onnx``; no code is run from the file.

    Raises:
        RunError: naming the file and what is missing or wrong in it; ``OfClassifierError`` if it is
            of a classifier.
    """
    path = Path(path).expanduser()
    run, content, program = open_export(path)
    images = content.get("data_format") if isinstance(content, dict) else None
    if isinstance(images, dict) and "resize" in images:  # which no format of segmentation has
        raise OfClassifierError(f"{path}: is of a classifier; `lit_seg.load` takes it")
    try:
        damage = difference(content, _CONTENT)
        if not damage and content["schema"] == _SCHEMA:
            return ExportedNetwork(run, content, program)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        damage = reason_of(error)
    raise _damaged(path, damage or "schema")


def open_export(path: Path) -> tuple[Run, Any, nn.Module | None]:
    """Open an export: what gives scores of images, its metadata, and the modules that this uses.

    Raises:
        RunError: naming the file and what is wrong with it.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; give a {' or '.join(SUFFIXES)} file")
    load = {".pt2": _torch_program, ".onnx": _onnx_session}.get(path.suffix)
    if load is None:
        raise RunError(f"{path}: is no {' or '.join(SUFFIXES)} file")
    try:
        run, text, program = load(path)
    except RunError:
        raise
    except Exception as error:  # whatever torch and onnxruntime raise on damage
        reason = (str(error) or type(error).__name__).splitlines()[0][:300]
        raise RunError(f"{path}: cannot be loaded ({reason}); export the run anew") from error
    if text is None:
        raise RunError(f"{path}: does not name its classes; give a file of `lit_seg export`")
    try:
        return run, json.loads(text), program
    except (ValueError, RecursionError) as error:
        raise _damaged(path, reason_of(error)) from None


def _damaged(path: Path, what: str) -> RunError:
    return RunError(
        f"{path}: its {METADATA} is of another version or damaged ({what}); export the run anew"
    )


def _torch_program(path: Path) -> tuple[Run, str | None, nn.Module]:
    extra = {METADATA: ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reads weights from bytes, which it cannot write
        program = torch.export.load(read_plain_export(path), extra_files=extra).module()

    def run(image: Tensor) -> Tensor:
        logits: Tensor = program(image)[1]
        return logits

    return run, extra[METADATA] or None, program


def _onnx_session(path: Path) -> tuple[Run, str | None, None]:
    if find_spec("onnxruntime") is None:
        raise RunError(f"{path}: needs onnxruntime; `pip install 'lit-seg[export]'` brings it")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    there = {output.name for output in session.get_outputs()}
    name = "logits" if "logits" in there else "scores"  # which classifiers give

    def run(image: Tensor) -> Tensor:
        (logits,) = session.run([name], {"image": np.ascontiguousarray(image.cpu().numpy())})
        return torch.from_numpy(logits).to(image.device)

    return run, session.get_modelmeta().custom_metadata_map.get(METADATA), None
