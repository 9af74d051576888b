"""Packs predicted labels as the servers take them whose test labels are not public."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from lit_seg.errors import RunError, check_choice
from lit_seg.files.atomic_io import replace_file, writing
from lit_seg.images.data_format import DataFormat
from lit_seg.inference.prediction_folder import INSTEAD, PredictionFolder

SERVERS = {
    # cityscapesScripts, evalPixelLevelSemanticLabeling.py: label ids in one channel at the size of
    # the image, and one file per image whose name begins with city, sequence and frame
    "cityscapes": re.compile(r"[a-z-]+_\d{6}_\d{6}"),
    # README of CSAILVision/sceneparsing: named as the image, 1 to 150; 0 is not scored
    "ade20k": re.compile(r"ADE_(test|val)_\d{8}"),
}
"""How the names of the test images of each server begin."""


def check_submission(server: str, data_format: DataFormat, names: Sequence[str]) -> None:
    """Refuse predictions that the server would not take.

    Raises:
        RunError: naming the dataset, or the image that is not of the server's test set.
    """
    check_choice("submission", server, list(SERVERS))
    if data_format.dataset != server:
        raise RunError(
            f"--submission {server} needs a run on {server}, and this one was trained on "
            f"{data_format.dataset}"
        )
    for name in names:
        if not SERVERS[server].match(Path(name).name):
            raise RunError(
                f"--submission {server}: {name} is not named as the images of {server}; give its "
                "test images alone"
            )


def pack(server: str, folder: PredictionFolder, names: Sequence[str]) -> Path:
    """Write ``<server>.zip`` into the folder, with the labels of all images side by side."""
    path = folder.path / f"{server}.zip"

    def write(file: object) -> None:
        with zipfile.ZipFile(file, "w") as archive:  # type: ignore[call-overload]
            for name in names:
                archive.write(folder.file("labels", name), f"{Path(name).name}.png")

    with writing(path, INSTEAD):
        replace_file(path, write)
    return path
