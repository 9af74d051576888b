"""Loads the weights that a network starts from: published, in a local file, or a checkpoint."""

import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torchvision
from lightning_utilities.core.rank_zero import rank_zero_info
from safetensors import SafetensorError
from safetensors.torch import load_file
from segmentation_models_pytorch.encoders import TimmViTEncoder
from timm.models import adapt_input_conv
from torch import Tensor, nn

from lit_seg.distributed.torch_private import COMPILED
from lit_seg.errors import RunError, plural, reason_of
from lit_seg.files.torch_file import read_plain
from lit_seg.models.recall_deeplab import RecallDeepLab
from lit_seg.runs.layout import CHECKPOINTS

_DOWNLOAD_SECONDS = 120.0
_OF_SMP = "model.safetensors"
"""The weights in a folder that smp's ``save_pretrained`` wrote."""


def load_encoder_weights(network: nn.Module, encoder: str, weights: str) -> bool:
    """Load published weights of the encoder, as far as their names and shapes fit.

    If they cannot be downloaded, the encoder keeps its random weights and a line says so. Weights
    for RGB are adapted to other channels as smp and timm do: the sum of them for one channel, else
    the three in turn, scaled so that the sum stays.

    Returns:
        Whether the weights were loaded.

    Raises:
        RunError: if the encoder has no weights of this name.
    """
    # smp would take any name for timm's encoders, and download those that it asks for by another
    known = smp.encoders.encoders.get(encoder, {}).get("pretrained_settings", ["imagenet"])
    if isinstance(network, RecallDeepLab):
        known = ["imagenet"]
    if weights not in known:
        raise RunError(
            f"`weights`: encoder {encoder} has no weights {weights!r}; there are {', '.join(known)}"
        )
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it logs a line for each retry
    result: dict[str, Any] = {}

    def fetch() -> None:
        try:
            result["state"] = _published(network, encoder, weights).state_dict()
        except Exception as error:  # each hub client raises errors of its own
            result["error"] = error

    # In a thread, because some clients retry for minutes, and training must start, not hang.
    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(_DOWNLOAD_SECONDS)
    if "state" in result:
        # an encoder that was made less deep has fewer tensors
        own = network.state_dict()
        fitting, _ = _fitting_tensors(result["state"], own)
        network.load_state_dict(fitting, strict=False)
        tensors = sum(name.startswith("encoder.") for name in own)
        some = "" if len(fitting) == tensors else f"; {len(fitting)} of its {tensors} tensors fit"
        rank_zero_info(f"encoder {encoder}: starts from {weights} weights{some}")
        return True
    error = result.get("error") or f"no answer in {_DOWNLOAD_SECONDS:.0f} s"
    reason = (str(error) or repr(error)).splitlines()[0]
    rank_zero_info(
        f"encoder {encoder}: {weights} weights could not be downloaded ({reason}); it starts from "
        "random ones. On a machine without network, give a local file by INIT=<path>."
    )
    return False


def _published(network: nn.Module, encoder: str, weights: str) -> nn.Module:
    """Build the encoder with its published weights."""
    own: Any = network.encoder
    if isinstance(network, RecallDeepLab):
        found: nn.Module = torchvision.models.get_model(
            encoder, weights="IMAGENET1K_V1", progress=False
        )
        return found
    if isinstance(own, TimmViTEncoder):  # smp makes it for DPT alone
        size = own.model.patch_embed.img_size  # timm fits the embedding of places to it
        model: nn.Module = timm.create_model(own.name, pretrained=True, img_size=size)
        return model
    return smp.encoders.get_encoder(encoder, weights=weights)  # type: ignore[no-any-return]


def load_local_weights(network: nn.Module, path: str, published: bool = False) -> None:
    """Load the tensors of a file whose name and shape agree with the network's.

    A line says how many they are, and which parts of the network stay random; not the encoder's, if
    it has its ``published`` weights already.

    The file may be of torch or safetensors, and hold a checkpoint of this project or another, a
    state dict of the network, or one of an encoder alone, such as torchvision's and timm's. A
    folder that smp's ``save_pretrained`` wrote is taken too. What has another shape in the network,
    such as a segmentation head for other classes, keeps its random weights, and is listed.

    Raises:
        RunError: if there is no such file, it cannot be read, or no tensor fits.
    """
    path = os.path.expanduser(path)
    if (Path(path) / _OF_SMP).is_file():
        path = str(Path(path) / _OF_SMP)
    if not Path(path).is_file():
        run = Path(path) / CHECKPOINTS / "best.ckpt"
        such = f" such as {run}" if run.is_file() else ""
        raise RunError(
            f"`init`: {path} is no file; give a checkpoint{such} or a state dict, or a "
            "folder of smp's `save_pretrained`"
        )
    own = network.state_dict()
    fitting, unlike = _fitting_tensors(_read(path), own)
    weights = [name for name, tensor in fitting.items() if tensor.is_floating_point()]
    if not weights:  # perhaps numbers of batches, which all networks have
        raise RunError(
            f"`init`: no tensor of {path} fits this network by name and shape; give weights of "
            f"the same architecture and encoder"
        )
    if broken := [name for name in weights if not fitting[name].isfinite().all()]:
        raise RunError(
            f"`init`: {broken[0]} of {path} holds NaN or infinite numbers, the first of "
            f"{len(broken)} tensors; give weights of a training that did not diverge"
        )
    network.load_state_dict(fitting, strict=False)
    rest = Counter(name.partition(".")[0] for name in own if name not in fitting)
    if published:
        del rest["encoder"]
    of_part = Counter(name.partition(".")[0] for name in own)
    random = [f"{number} of {of_part[part]} of {part}" for part, number in rest.items()]
    rank_zero_info(
        f"{len(fitting)} of {len(own)} tensors start from {path}"
        + (f"; random: {', '.join(random)}" if random else "")
        + (f"; of other shapes in the file: {', '.join(unlike)}" if unlike else "")
    )


def _read(path: str) -> Any:
    if not path.endswith(".safetensors"):
        return read_plain(Path(path))
    try:
        return load_file(path)
    except SafetensorError as error:
        raise RunError(f"{path}: cannot be read as safetensors ({reason_of(error)})") from None


def _fitting_tensors(
    content: Any, own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Find the tensors of a file that fit the network, by the network's names.

    Programs put different beginnings before the names, such as ``model.`` or ``backbone.``. Names
    are compared without them, and the beginning with which most tensors fit is taken. Also returned
    are the names that have another shape in the file.
    """
    names = {_plain(name): name for name in own}
    found: dict[tuple[int, str, str], dict[str, Tensor]] = {}
    unlike: dict[tuple[int, str, str], list[str]] = {}
    for number, tensors in enumerate(_state_dicts(content)):
        for key, tensor in tensors.items():
            parts = _plain(key).split(".")
            for start, part in product(range(len(parts)), _PARTS):
                name = names.get(part + ".".join(parts[start:]))
                if not name or not _holds_like(tensor, own[name]):
                    continue
                place = (number, ".".join(parts[:start]), part)
                fitted = _for_channels(tensor, own[name])
                if fitted.shape == own[name].shape:
                    found.setdefault(place, {})[name] = fitted
                else:
                    unlike.setdefault(place, []).append(name)
    if not found:
        return {}, []
    best = max(found, key=lambda place: len(found[place]))
    return found[best], unlike.get(best, [])


def _for_channels(tensor: Tensor, own: Tensor) -> Tensor:
    """Adapt the kernels of a first convolution for RGB to the channels of the network."""
    of_rgb = own.ndim == 4 and tensor.shape == (own.shape[0], 3, *own.shape[2:])
    if not of_rgb or own.shape[1] == 3:
        return tensor
    adapted: Tensor = adapt_input_conv(own.shape[1], tensor)
    return adapted


def _holds_like(tensor: Tensor, own: Tensor) -> bool:
    """Whether a tensor holds real numbers, and fractions where those of the network do."""
    dense = tensor.layout == own.layout and not (tensor.is_meta or tensor.is_quantized)
    return dense and tensor.is_floating_point() == own.is_floating_point()


_PARTS = ("", "encoder.", "encoder.model.")
"""The part of a network that weights may be for: all of it, or its encoder, of smp or timm."""


def _plain(name: str) -> str:
    """Remove what DataParallel, torch.compile and timm's stages add to the name of a tensor."""
    parts = [part for part in name.split(".") if part not in ("module", COMPILED)]
    return re.sub(r"_(\d+)(?=\.)", r".\1", ".".join(parts))


def _state_dicts(content: Any, depth: int = 5) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors of each mapping in a file, such as its ``state_dict`` or ``model``."""
    if isinstance(content, Mapping) and depth:
        yield {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        for value in content.values():
            yield from _state_dicts(value, depth - 1)


def check_fits(
    checkpoint: Mapping[str, Any], class_names: Sequence[str], own: Mapping[str, Tensor]
) -> None:
    """Refuse a checkpoint of other classes, another network or another loss.

    Args:
        checkpoint: as Lightning loaded it.
        class_names: the classes of this run.
        own: the state dict of this run's module.

    Raises:
        RunError: naming what differs.
    """
    names = checkpoint.get("hyper_parameters", {}).get("class_names")
    if names and list(names) != list(class_names):
        raise RunError(
            f"the checkpoint was trained on the classes {', '.join(names)}; the data has "
            f"{', '.join(class_names)}. Take the data it was trained on, or start a new run from "
            "its weights by INIT"
        )
    found = checkpoint["state_dict"]
    foreign = sorted(own.keys() ^ found.keys()) + [
        key for key in own.keys() & found.keys() if own[key].shape != found[key].shape
    ]
    if foreign:
        raise RunError(
            f"the checkpoint does not fit this network and loss: {foreign[0]} differs, the first "
            f"of {plural(len(foreign), 'tensor')}. RESUME and CKPT take the run's own model and "
            "loss; INIT takes the tensors that fit from any checkpoint"
        )
