"""Writes a module by ``torch.export``, as ONNX, and as a folder of smp."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch.export import Dim, ExportedProgram

from lit_seg.errors import RunError, reason_of
from lit_seg.export.deployed import DeployedNetwork
from lit_seg.export.torch_export_private import remove_guards
from lit_seg.inference.exported import METADATA

FORMATS = ("pt2", "onnx", "smp")
FILES = {"pt2": "model.pt2", "onnx": "model.onnx", "smp": "model.safetensors"}
"""The name of the file that has the weights, of each format."""
_NEEDED = {"onnx": ("onnx", "onnxscript", "onnxruntime")}
# two images, and no size that the network's stride divides: torch fixes the sizes 0 and 1, and
# operations that do nothing at the size of the trace
_BATCH, _HEIGHT, _WIDTH = 2, 70, 102


def check_packages(name: str) -> None:
    """Refuse a format whose packages are not installed.

    Raises:
        RunError: naming them and what installs them.
    """
    if missing := [each for each in _NEEDED.get(name, ()) if find_spec(each) is None]:
        raise RunError(
            f"--format {name} needs {', '.join(missing)}; `pip install 'lit-seg[export]'` brings it"
        )


def write_format(
    name: str, network: DeployedNetwork, folder: Path, metadata: dict[str, Any]
) -> Path:
    """Write the network into a folder that is there; returns the file with the weights.

    Raises:
        RunError: if the network cannot be written so, naming the reason.
    """
    file = folder / FILES[name]
    try:
        with quiet():
            _WRITERS[name](network, file, json.dumps(metadata))
    except (RunError, OSError):
        raise
    except Exception as error:  # whatever the exporters raise for an operation that they lack
        kind = type(network.network).__name__
        others = " or ".join(f"--format {each}" for each in FORMATS if each != name)
        raise RunError(
            f"{kind} cannot be exported as {name} ({reason_of(error)[:300]}); try {others}"
        ) from error
    return file


def save_pt2(program: ExportedProgram, file: Path, metadata: str) -> None:
    """Write a program for torch."""
    torch.export.save(program, file, extra_files={METADATA: metadata})


def save_onnx(
    program: ExportedProgram,
    file: Path,
    metadata: str,
    outputs: Sequence[str],
    axes: dict[int, str],
) -> None:
    """Write a program from ``image`` to ``outputs`` as ONNX; those ``axes`` have any size."""
    onnx = torch.onnx.export(
        program,
        dynamo=True,
        input_names=["image"],
        output_names=outputs,
        dynamic_shapes={"image": axes},
        verbose=False,
    )
    assert onnx is not None
    onnx.model.metadata_props[METADATA] = metadata
    onnx.save(file, external_data=False)  # weights in the same file


def _write_onnx(network: DeployedNetwork, file: Path, metadata: str) -> None:
    axes = {0: "batch", 2: "height", 3: "width"}
    save_onnx(_program(network), file, metadata, ["labels", "logits"], axes)


def _write_smp(network: DeployedNetwork, file: Path, metadata: str) -> None:
    model = network.network
    if not isinstance(model, smp.base.SegmentationModel):
        raise RunError(
            f"--format smp is for networks of smp, and {type(model).__name__} is none; give "
            "--format pt2 or onnx"
        )
    model.save_pretrained(file.parent)
    file.chmod((file.parent / "config.json").stat().st_mode)  # it is made for its owner alone
    # not in smp's own `config.json`, whose unknown names go to the encoder
    (file.parent / METADATA).write_text(metadata + "\n", encoding="utf-8")


_WRITERS: dict[str, Callable[[DeployedNetwork, Path, str], None]] = {
    "pt2": lambda network, file, metadata: save_pt2(_program(network), file, metadata),
    "onnx": _write_onnx,
    "smp": _write_smp,
}


def _program(network: DeployedNetwork) -> ExportedProgram:
    channels = network.pixel_mean.shape[1]
    dtype = torch.uint8 if channels == 3 else torch.int32
    image = torch.zeros(_BATCH, channels, _HEIGHT, _WIDTH, dtype=dtype)
    sizes = {"image": {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}}
    program = torch.export.export(network, (image,), dynamic_shapes=sizes, strict=False)
    remove_guards(program)
    return program


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters from telling about their own insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
