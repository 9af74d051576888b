"""The folder of predictions: one file per kind and image, each of them whole, to go on with."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lit_seg.errors import RunError
from lit_seg.files.atomic_io import replace_file, writing
from lit_seg.images.data_format import DataFormat
from lit_seg.images.open_and_save import Array, save_picture
from lit_seg.images.overlays import blend, colourise
from lit_seg.inference.predictor import labels_of
from lit_seg.models.resized_logits import Logits

MARKER = "predictions.json"
"""Says what the predictions were made of; only such a folder is gone on with."""
INSTEAD = "another folder by --out"
_SUFFIXES = {"labels": ".png", "overlays": ".jpg", "confidence": ".png", "probabilities": ".npz"}
OF_VIDEOS = ("labels", "overlays")
"""The kinds that a video has too."""


@dataclass(frozen=True)
class PredictionFolder:
    """Writes the predictions of each image below a folder, named like the image.

    ``labels/<name>.png`` holds the ids of the dataset in one channel of 8 bits, or of 16 if one is
    above 255; ``overlays/<name>.jpg`` the colours of the classes over the image;
    ``confidence/<name>.png`` 255 times the highest probability; ``probabilities/<name>.npz``
    ``(C, H, W)`` float16 as ``probabilities``.

    Args:
        path: of the folder.
        data_format: has the ids and the palette.
        kinds: which of these are written; labels always are.
    """

    path: Path
    data_format: DataFormat
    kinds: Collection[str] = ("labels", "overlays")

    def begin(self, made_of: dict[str, Any]) -> None:
        """Make the folder, or go on with it if it holds predictions that were made alike.

        Raises:
            RunError: if it holds something else.
        """
        marker = self.path / MARKER
        text = json.dumps({"schema": 1, **made_of}, indent=2) + "\n"
        if marker.is_file():
            if (there := marker.read_text(encoding="utf-8")) != text:
                lines = set(there.splitlines()) ^ set(text.splitlines())
                raise RunError(
                    f"{self.path}: holds predictions that were made in another way "
                    f"({', '.join(sorted(line.strip(' ,') for line in lines))}); give {INSTEAD}"
                )
            for left in self.path.rglob(".*.tmp*"):  # drafts of a call that was killed
                left.unlink(missing_ok=True)
            return
        with writing(self.path, INSTEAD):
            if self.path.exists() and any(self.path.iterdir()):
                raise RunError(f"{self.path}: holds other files; give {INSTEAD}")
            replace_file(marker, lambda file: file.write(text.encode()), shared=True)

    def file(self, kind: str, name: str, is_video: bool = False) -> Path:
        """Name the file of a kind for an image or a video."""
        return self.path / kind / f"{name}{'.mp4' if is_video else _SUFFIXES[kind]}"

    def is_done(self, name: str, is_video: bool = False) -> bool:
        """Whether all files of an image or a video are there, each of which is whole."""
        kinds = set(self.kinds) & set(OF_VIDEOS) if is_video else self.kinds
        return all(self.file(kind, name, is_video).is_file() for kind in kinds)

    def keep(self, scores: Logits) -> dict[str, npt.NDArray[Any]]:
        """Reduce the scores of an image to the arrays that :meth:`save` takes."""
        kept = {"labels": labels_of(scores)}
        if set(self.kinds) - set(OF_VIDEOS):
            share = scores.whole()[0].softmax(0)
            kept["confidence"] = (share.amax(0) * 255).round().byte().cpu().numpy()
            if "probabilities" in self.kinds:
                kept["probabilities"] = share.half().cpu().numpy()
        return kept

    def save(self, name: str, image: Array, kept: dict[str, npt.NDArray[Any]]) -> None:
        """Write the files of an ``(H, W, 3)`` image.

        Raises:
            WriteError: naming the file and the reason.
        """
        files = {kind: self.file(kind, name) for kind in self.kinds}
        save_picture(files["labels"], self.data_format.in_ids(kept["labels"]), INSTEAD, True)
        if "overlays" in files:
            colours = colourise(kept["labels"], self.data_format.palette)
            save_picture(files["overlays"], blend(image, colours), INSTEAD, True, quality=90)
        if "confidence" in files:
            save_picture(files["confidence"], kept["confidence"], INSTEAD, True)
        if "probabilities" in files:
            path, array = files["probabilities"], kept["probabilities"]
            with writing(path, INSTEAD):
                replace_file(path, partial(np.savez_compressed, probabilities=array), shared=True)
