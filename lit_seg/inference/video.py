"""Labels the frames of a video: two videos of its size and pace, of colours and of overlays."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2

from lit_seg.errors import DataError, WriteError
from lit_seg.files.atomic_io import writing
from lit_seg.images.open_and_save import Array
from lit_seg.images.overlays import blend, colourise
from lit_seg.inference.prediction_folder import INSTEAD, OF_VIDEOS, PredictionFolder
from lit_seg.inference.predictor import Predictor, labels_of

_PACE = 25.0
"""Frames per second of a video that does not say it."""


def label_video(
    predictor: Predictor,
    path: Path,
    name: str,
    folder: PredictionFolder,
    done: Callable[[int], object],
) -> None:
    """Write ``labels/<name>.mp4``, the colours of the classes, and ``overlays/<name>.mp4``.

    ``done`` is told of the number of frames that a batch held.

    Raises:
        DataError: if it is no video that OpenCV can read.
        WriteError: if the new videos cannot be written.
    """
    source = cv2.VideoCapture(str(path))
    pace = source.get(cv2.CAP_PROP_FPS) or _PACE
    writers: dict[str, _Writer] = {}
    palette = folder.data_format.palette
    try:
        for frames in _batches(source, predictor.batch_size):
            if not writers:
                height, width = frames[0].shape[:2]
                for kind in set(OF_VIDEOS) & set(folder.kinds):
                    file = folder.file(kind, name, is_video=True)
                    writers[kind] = _Writer(file, pace, (width, height))
            labels = {i: labels_of(scores) for i, scores in predictor.scores(frames)}
            for i, frame in enumerate(frames):
                colours = colourise(labels[i], palette)
                pictures = {"labels": colours, "overlays": blend(frame, colours)}
                for kind, writer in writers.items():
                    writer.write(pictures[kind])
            done(len(frames))
        if not writers:
            reason = "it is empty" if path.is_file() and not path.stat().st_size else ""
            raise DataError(
                f"{path}: cannot be read as a video{f' ({reason})' if reason else ''}; save it "
                "anew, such as by `ffmpeg -i <video> new.mp4`"
            )
        for writer in writers.values():
            writer.finish()
    finally:
        source.release()
        for writer in writers.values():
            writer.discard()


def _batches(source: Any, size: int) -> Iterator[list[Array]]:
    batch: list[Array] = []
    while True:
        found, frame = source.read()
        if found:
            batch.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        if batch and (len(batch) == size or not found):
            yield batch
            batch = []
        if not found:
            return


class _Writer:
    """Writes a video under another name until it is whole."""

    def __init__(self, path: Path, pace: float, size: tuple[int, int]) -> None:
        self.path = path
        self.draft = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.tmp.mp4")
        self.frames = 0
        with writing(path, INSTEAD):
            path.parent.mkdir(parents=True, exist_ok=True)
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self.writer = cv2.VideoWriter(str(self.draft), codec, pace, size)

    def write(self, frame: Array) -> None:
        self.writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def finish(self) -> None:
        """Give the video its name; OpenCV says nothing of a full disk, so it is counted again."""
        self.writer.release()
        written = cv2.VideoCapture(str(self.draft))
        frames = int(written.get(cv2.CAP_PROP_FRAME_COUNT))
        written.release()
        if frames != self.frames:
            raise WriteError(
                f"{self.path}: cannot be written (it holds {frames} of {self.frames} frames); make "
                f"room or give {INSTEAD}"
            )
        with writing(self.path, INSTEAD):
            self.draft.replace(self.path)

    def discard(self) -> None:
        """Remove what is not finished."""
        self.writer.release()
        with suppress(OSError):
            self.draft.unlink(missing_ok=True)
