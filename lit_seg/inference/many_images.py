"""Labels many images: files are read ahead and written by threads, while the network computes."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
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
    images: Iterable[NamedImage],
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
    with _threads() as pool:
        written: list[Future[None]] = []
        for batch in _batches(pool, images, predictor.batch_size, faults):
            coming = [
                pool.submit(folder.save, batch[i][0], batch[i][1], folder.keep(scores))
                for i, scores in predictor.scores([image for _, image in batch])
            ]
            for each in written:  # of the batch before: threads have written it meanwhile
                each.result()
            written = coming
            done(len(batch))
        for each in written:
            each.result()
    return faults


def _batches(
    pool: ThreadPoolExecutor, images: Iterable[NamedImage], size: int, faults: list[DataError]
) -> Iterator[list[tuple[str, Array]]]:
    batch: list[tuple[str, Array]] = []
    for name, image in _read_ahead(pool, images, size):
        try:
            batch.append((name, image.result()))
        except DataError as fault:
            faults.append(fault)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_ahead(
    pool: ThreadPoolExecutor, images: Iterable[NamedImage], number: int
) -> Iterator[tuple[str, Future[Array]]]:
    waiting: deque[tuple[str, Future[Array]]] = deque()
    for name, read in images:
        waiting.append((name, pool.submit(read)))
        if len(waiting) > number:
            yield waiting.popleft()
    yield from waiting


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
