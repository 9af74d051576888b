"""Building the network and finding weights to start from, also on a machine without network."""

import logging
import threading
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor, nn

from lit_seg.errors import RunError
from lit_seg.files.torch_file import read_plain

_DOWNLOAD_SECONDS = 120.0


def build_network(
    architecture: str, encoder: str, num_classes: int, options: dict[str, Any]
) -> nn.Module:
    """A randomly initialised smp model.

    Raises:
        ValueError: for an unknown architecture, encoder or option, with what there is.
    """
    if ":" in encoder:  # timm would fetch and build what is described elsewhere
        raise ValueError(f"`encoder` must be the name of one, not an address, got {encoder!r}")
    try:
        network: nn.Module = smp.create_model(
            architecture, encoder, encoder_weights=None, classes=num_classes, **options
        )
    except (AttributeError, KeyError, TypeError, RuntimeError, ValueError) as error:
        if "Wrong encoder name" in str(error):  # smp goes on with all 76
            near = get_close_matches(encoder, smp.encoders.get_encoder_names(), n=5, cutoff=0.3)
            raise ValueError(
                f"`encoder`: there is no {encoder!r}; close to it are {', '.join(near)}"
            ) from error
        raise ValueError(
            f"`model` cannot be built from architecture={architecture!r}, encoder={encoder!r}, "
            f"options={options}: {error}"
        ) from error
    return network


def check_backend(name: str) -> None:
    """Refuse what is no backend of ``torch.compile``.

    Raises:
        ValueError: naming those that there are.
    """
    known = [*torch.compiler.list_backends(), "eager", "aot_eager"]
    if name not in known:
        raise ValueError(f"`compile`: there is no backend {name!r}; there are {', '.join(known)}")


def load_encoder_weights(network: nn.Module, encoder: str, weights: str) -> bool:
    """Load published encoder weights; without a network say so and keep the random ones.

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
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # a line for each retry
    result: dict[str, Any] = {}

    def fetch() -> None:
        try:
            result["state"] = smp.encoders.get_encoder(encoder, weights=weights).state_dict()
        except Exception as error:  # each hub client raises errors of its own
            result["error"] = error

    # In a thread, since some clients retry for minutes: training must start, not hang.
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
        f"encoder {encoder}: {weights} weights could not be had ({reason}); it starts from random "
        "ones. On a machine without network, give a local file by INIT=<path>."
    )
    return False


def load_local_weights(network: nn.Module, path: str) -> None:
    """Load the weights of a checkpoint or state dict wherever name and shape agree.

    Accepts a Lightning checkpoint of this project, a state dict of the network, or one of an
    encoder alone. A head with other classes is left as it is.

    Raises:
        RunError: if the file is missing, is no such file, or fits nowhere.
    """
    if not Path(path).is_file():
        raise RunError(f"`init`: {path} is no file; give a checkpoint or a state dict")
    state = read_plain(Path(path))
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    state = {key.removeprefix("network."): value for key, value in state.items()}
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


def size_multiple(network: nn.Module) -> int:
    """Input height and width must be multiples of this."""
    return int(getattr(getattr(network, "encoder", None), "output_stride", 32))
