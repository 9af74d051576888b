"""Loads a trained network from a run or a checkpoint, without its loss, its data or a trainer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lit_seg.errors import OfClassifierError, RunError
from lit_seg.files.torch_file import read_plain
from lit_seg.images.data_format import DataFormat
from lit_seg.images.open_and_save import IMAGE_SUFFIXES
from lit_seg.models.any_size import padded_forward, size_multiple
from lit_seg.models.build import build_network
from lit_seg.models.input_check import check_images
from lit_seg.models.normalisation import NORMALISATION
from lit_seg.models.resized_logits import Logits
from lit_seg.runs.layout import CHECKPOINTS

_NETWORK = "network."
"""What the names of the network's tensors begin with in a checkpoint."""


class TrainedNetwork(nn.Module):
    """A trained network with all that is needed to label images, in evaluation mode.

    Args:
        network: gives logits of normalised images.
        pixel_mean: ``(1, 3, 1, 1)`` mean of RGB from 0 to 255, by which images are normalised.
        pixel_std: the same of the standard deviation.
        class_names: in the order of the class ids.
        class_pixels: pixels of each class in the training set.
        data_format: of the dataset that it was trained on.
        channels_last: whether images and weights have the layout that convolutions prefer.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        network: nn.Module,
        pixel_mean: Tensor,
        pixel_std: Tensor,
        class_names: list[str],
        class_pixels: list[int],
        data_format: DataFormat,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("pixel_mean", pixel_mean)
        self.register_buffer("pixel_std", pixel_std)
        self.class_names = class_names
        self.class_pixels = class_pixels
        self.data_format = data_format
        self.size_multiple = size_multiple(network)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, C, H, W)`` logits of ``(N, channels, H, W)`` images of any size.

        They are uint8, RGB where there are three channels; others may hold 16 bits, as int32.
        """
        return self.logits(image).whole()

    def logits(self, image: Tensor) -> Logits:
        """Compute the logits of :meth:`forward`, which are not upsampled yet."""
        check_images(image, self.data_format.channels)
        x = (image - self.pixel_mean) / self.pixel_std
        return padded_forward(self.network, x, self.size_multiple, self.memory_format)


def load_network(path: Path | str) -> TrainedNetwork:
    """Load the network of a run, which is its best checkpoint, or of a checkpoint file.

    No code is run from the file, and no state of the loss or the optimizer is needed.

    Raises:
        RunError: naming the file and what is missing or wrong in it; ``OfClassifierError`` if it is
            of a classifier.
    """
    file = checkpoint_file(Path(path))
    content = read_plain(file)
    options = content.get("hyper_parameters") if isinstance(content, Mapping) else None
    if not isinstance(options, Mapping) or "state_dict" not in content:
        raise RunError(f"{file}: is no checkpoint of a run; give a run or one of its checkpoints")
    if not options.get("data_format"):
        raise RunError(
            f"{file}: does not hold the palette and image size of its dataset; write it anew by "
            "`make train RESUME=<run>`"
        )
    if "palette" not in options["data_format"]:
        raise OfClassifierError(
            f"{file}: is of a classifier; `lit_seg.load` and "
            "`python -m lit_seg.classification export` take it"
        )
    try:
        return _network_of(content, options)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(
            f"{file}: its network cannot be built ({reason}); give another checkpoint"
        ) from error


def checkpoint_file(path: Path) -> Path:
    """Find the file that is meant by a run or a checkpoint: the best of a run, else its last.

    Raises:
        RunError: if there is none.
    """
    path = path.expanduser()
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise RunError(f"{path}: is an image; first give the run or checkpoint that labels it")
        return path
    files = [path / CHECKPOINTS / f"{name}.ckpt" for name in ("best", "last")]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        if (path / "model.safetensors").is_file():
            raise RunError(
                f"{path}: is an export of smp; load it by `smp.from_pretrained({str(path)!r})`"
            )
        for file in (path / "model.pt2", path / "model.onnx"):
            if file.is_file():
                raise RunError(f"{path}: is the folder of an export; give {file}")
        what = "holds no checkpoint" if path.is_dir() else "no such run or checkpoint"
        raise RunError(f"{path}: {what}; give the folder of a run or a checkpoint file")
    return found


def _network_of(content: Mapping[str, Any], options: Mapping[str, Any]) -> TrainedNetwork:
    names, form = list(options["class_names"]), DataFormat.of(options["data_format"])
    network = build_network(
        options["architecture"],
        options["encoder"],
        len(names),
        options["options"] or {},
        form.channels,
    )
    tensors = {
        name.removeprefix(_NETWORK): tensor
        for name, tensor in content["state_dict"].items()
        if name.startswith(_NETWORK)
    }
    network.load_state_dict(tensors)
    mean, std = content[NORMALISATION].float()  # of a run in float64, too
    return TrainedNetwork(
        network,
        mean,
        std,
        class_names=names,
        class_pixels=[int(number) for number in options["class_counts"]["pixels"]],
        data_format=form,
        channels_last=bool(options.get("channels_last", True)),
    )
