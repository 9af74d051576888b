"""Labels many images: files are read ahead and written by threads, while the network computes."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from lit_seg.errors import DataError
from lit_seg.images.open_and_save import Array
from lit_seg.inference.prediction_folder import PredictionFolder
from lit_seg.inference.predictor import Predictor


class NamedImage(NamedTuple):
    """The name of an image, and how its ``(H, W, 3)`` uint8 pixels are had."""

    name: str
    read: Callable[[], Array]


def label_images(
    predictor: Predictor,
    images: Sequence[NamedImage],
    folder: PredictionFolder,
    done: Callable[[int], object],
) -> list[DataError]:
    """Write the predictions of images; those that cannot be read are left out.

    Args:
        predictor: scores the images.
        images: what to label.
        folder: to write to.
        done: told of the number of images that a batch held.

    Returns:
        The errors of the images that could not be read.

    Raises:
        WriteError: if a file cannot be written.
    """
    faults: list[DataError] = []
    size = predictor.batch_size
    parts = (images[start : start + size] for start in range(0, len(images), size))
    with _threads() as pool:
        reading = ([(name, pool.submit(read)) for name, read in part] for part in parts)
        written: list[Future[None]] = []
        coming = next(reading, None)
        while coming is not None:
            part, coming = coming, next(reading, None)  # which is read while this one is scored
            batch: list[tuple[str, Array]] = []
            for name, image in part:
                try:
                    batch.append((name, image.result()))
                except DataError as fault:
                    faults.append(fault)
            new = [
                pool.submit(folder.save, *batch[i], folder.keep(scores))
                for i, scores in predictor.scores([image for _, image in batch])
            ]
            for each in written:  # of the part before: threads have written it meanwhile
                each.result()
            written = new
            if batch:
                done(len(batch))
        for each in written:
            each.result()
    return faults


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Some threads; after an error, what they have not begun is dropped."""
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
