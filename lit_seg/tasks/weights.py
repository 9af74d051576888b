"""The weights that a network starts from: published, in a local file, or in a checkpoint."""

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor, nn

from lit_seg.errors import RunError
from lit_seg.files.torch_file import read_plain

_DOWNLOAD_SECONDS = 120.0


def load_encoder_weights(network: nn.Module, encoder: str, weights: str) -> bool:
    """Load published weights of the encoder.

    If they cannot be downloaded, the encoder keeps its random weights and a line says so.

    Returns:
        Whether the weights were loaded.

    Raises:
        RunError: if the encoder has no weights of this name.
    """
    known = smp.encoders.encoders.get(encoder, {}).get("pretrained_settings", {weights: None})
    if weights not in known:
        raise RunError(
            f"`weights`: encoder {encoder} has no weights {weights!r}; there are {', '.join(known)}"
        )
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it logs a line for each retry
    result: dict[str, Any] = {}

    def fetch() -> None:
        try:
            result["state"] = smp.encoders.get_encoder(encoder, weights=weights).state_dict()
        except Exception as error:  # each hub client raises errors of its own
            result["error"] = error

    # In a thread, because some clients retry for minutes, and training must start, not hang.
    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(_DOWNLOAD_SECONDS)
    if "state" in result:
        network.encoder.load_state_dict(result["state"])  # type: ignore[union-attr]
        rank_zero_info(f"encoder {encoder}: starts from {weights} weights")
        return True
    error = result.get("error") or f"no answer in {_DOWNLOAD_SECONDS:.0f} s"
    reason = (str(error) or repr(error)).splitlines()[0]
    rank_zero_info(
        f"encoder {encoder}: {weights} weights could not be downloaded ({reason}); it starts from "
        "random ones. On a machine without network, give a local file by INIT=<path>."
    )
    return False


def load_local_weights(network: nn.Module, path: str) -> None:
    """Load the tensors of a file whose name and shape agree with the network's.

    The file may be a checkpoint of this project, a state dict of the network, or one of an encoder
    alone. A segmentation head for other classes keeps its random weights.

    Raises:
        RunError: if there is no such file, it cannot be read, or no tensor fits.
    """
    if not Path(path).is_file():
        raise RunError(f"`init`: {path} is no file; give a checkpoint or a state dict")
    state = read_plain(Path(path))
    state = state.get("state_dict", state) if isinstance(state, Mapping) else {}
    tensors = state.items() if isinstance(state, Mapping) else ()
    state = {str(key).removeprefix("network."): value for key, value in tensors}
    own = network.state_dict()
    if not any(key in own for key in state):
        state = {f"encoder.{key}": value for key, value in state.items()}
    fitting = {
        key: value
        for key, value in state.items()
        if key in own and isinstance(value, Tensor) and own[key].shape == value.shape
    }
    if not fitting:
        raise RunError(
            f"`init`: no tensor of {path} fits this network by name and shape; give weights of "
            f"the same architecture and encoder"
        )
    network.load_state_dict(fitting, strict=False)
    rank_zero_info(f"{len(fitting)} of {len(own)} tensors start from {path}")


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
            f"of {len(foreign)} tensors. RESUME and CKPT take the run's own model and loss; INIT "
            "takes the tensors that fit from any checkpoint"
        )
