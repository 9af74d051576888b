"""Exports a run: writes the file, compares it with the network, and keeps it with its card."""

import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import segmentation_models_pytorch as smp
import torch

from lit_seg.errors import RunError
from lit_seg.export.deployed import DeployedNetwork
from lit_seg.export.formats import FILES, check_packages, write_format
from lit_seg.export.model_card import write_card
from lit_seg.export.parity import Network, differences, images_of
from lit_seg.files.atomic_io import writing
from lit_seg.inference.exported import load_exported, metadata_of
from lit_seg.inference.prior import balanced, read_tau
from lit_seg.inference.trained import TrainedNetwork, checkpoint_file, load_network
from lit_seg.losses.logit_adjustment import log_prior
from lit_seg.runs.layout import CHECKPOINTS, numbered


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        file: with the weights; its folder holds the card too.
        differences: largest difference of a logit, by height and width of the images.
    """

    file: Path
    differences: dict[tuple[int, int], float]


def export_run(
    path: Path,
    name: str = "pt2",
    out: Path | None = None,
    check: Sequence[Path] = (),
    resize: bool = False,
    tau: float | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Export:
    """Export the best checkpoint of a run, or a checkpoint, into a folder that is new.

    Args:
        path: the run or checkpoint.
        name: a format of ``FORMATS``.
        out: the folder; ``exports/<format>`` of the run by default, or that with a number.
        check: images to compare the export on; the pictures of the run by default.
        resize: whether the export brings images to the size of the run's evaluation.
        tau: strength of the post-hoc balancing of classes, at least 0; that of the run by default.
            The format ``smp`` holds the network alone, without it.
        tell: is called with what is done next.

    Raises:
        RunError: if something is missing, or the export differs from the network; nothing is left.
    """
    check_packages(name)
    checkpoint = checkpoint_file(path)
    trained = load_network(checkpoint)
    run = checkpoint.parent
    run = run.parent if run.name == CHECKPOINTS else run
    images = images_of(check, run, trained.data_format.channels)
    size = _size(trained, name) if resize else None
    folder = _new_folder(out, run / "exports" / name)
    if name == "smp":
        tau = 0.0
    elif tau is None:
        tau = read_tau(checkpoint)
    no_scores = torch.zeros(1, len(trained.class_names))
    offset = balanced(no_scores, log_prior(trained.class_pixels), tau)[0]
    deployed = DeployedNetwork(trained, offset, size)
    metadata = metadata_of(trained, tau)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        with writing(folder, "another folder by --out"):
            draft.mkdir(parents=True)
            tell(f"writing {FILES[name]}, which takes up to a minute ...")
            file = write_format(name, deployed, draft, metadata)
            tell("comparing it with the network ...")
            found = differences(
                _loaded(name, file, trained), partial(deployed.reference, trained), images, file
            )
            write_card(draft, run, checkpoint, deployed, metadata, found)
            with suppress(FileNotFoundError):
                folder.rmdir()  # only an empty one, which may have been made by hand
            draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Export(folder / file.name, found)


def _size(trained: TrainedNetwork, name: str) -> tuple[int, int]:
    form = trained.data_format
    if name == "smp":
        raise RunError("--resize cannot be given with --format smp, which holds the network alone")
    if form.fit != "stretch":
        raise RunError(
            f"--resize changes the proportions of images, and the run keeps them (`fit` is "
            f"{form.fit!r}); leave it out, and give images of about {form.height}x{form.width}"
        )
    return form.height, form.width


def _new_folder(out: Path | None, wanted: Path) -> Path:
    if out is None:
        return numbered(wanted)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise RunError(f"{out}: is there already; give another folder by --out, or move it away")
    return out


def _loaded(name: str, file: Path, trained: TrainedNetwork) -> Network:
    """Load what was written, as its users will."""
    if name != "smp":
        return load_exported(file)
    with redirect_stdout(None):  # it prints that it loads
        found = smp.from_pretrained(str(file.parent))
    return TrainedNetwork(
        found,
        trained.pixel_mean,
        trained.pixel_std,
        trained.class_names,
        trained.class_pixels,
        trained.data_format,
    )
