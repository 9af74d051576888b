"""Keeps counts of classes and hashes of a split, outside the data, while its files are the same.

``$XDG_CACHE_HOME/lit_seg/counts`` (or ``~/.cache/lit_seg/counts``; ``LIT_SEG_CACHE`` gives
another folder) holds the counts twice: under a hash of the labels' paths, sizes and times, which
is quick to make at each start, and under a hash of their bytes, which a copied dataset has too.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn

from lit_seg.data.counting.count import ImageCounts, count_images
from lit_seg.data.splits import Split
from lit_seg.errors import DataError
from lit_seg.files.atomic_io import replace_file
from lit_seg.files.lock import locked

_VERSION = 2
"""To be raised when labels are read in another way than before, so that they are counted again."""


def cache_folder(kind: str) -> Path:
    """The folder that ``counts`` are kept in, or ``decoded`` images.

    Raises:
        OSError: if there is no home to keep them in.
    """
    if given := os.environ.get("LIT_SEG_CACHE"):
        return Path(given) / kind
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "lit_seg" / kind
    try:
        return Path.home() / ".cache" / "lit_seg" / kind
    except RuntimeError as error:  # a user without a name, as in containers
        raise OSError(None, str(error).rstrip("."), "~/.cache") from None


def cached_counts(split: Split, num_classes: int, what: str, meaning: str) -> ImageCounts:
    """Find the counts of a split in the cache, or count its labels and keep the counts.

    ``what`` describes the split for the user; ``meaning`` is a text that changes whenever stored
    labels become other classes.
    """
    files = split.label_files()
    if not files:  # the labels are rendered: to hash them would be to render them
        return count_images(split, num_classes)
    try:
        folder = cache_folder("counts")
    except OSError as error:
        _warn(error)
        return count_images(split, num_classes)
    head = f"{_VERSION}\n{meaning}\n{split.meaning}\n{num_classes}\n"
    shape = (len(split), num_classes + 1)
    by_time = folder / f"{hash_files(head, split, files, place_and_times)}.json"
    counts = _read_counts(by_time, shape)
    if counts is not None:
        return counts
    content = hash_files(head, split, files, _bytes)
    by_content = folder / f"{content}.json"
    missing = [by_time]
    # ranks that start together count once; the warning about a folder comes when counts are kept
    with locked(folder / f"{content}.lock", wait=True):
        counts = _read_counts(by_content, shape)
        if counts is None:
            rank_zero_info(f"counting the classes of {what} once; kept in {folder}")
            counts = count_images(split, num_classes)
            missing.append(by_content)
        written = json.dumps(counts.tolist(), separators=(",", ":")).encode()
        try:
            for path in missing:  # ranks may write together
                replace_file(path, lambda file: file.write(written), shared=True)
        except OSError as error:
            error.filename = str(folder)
            _warn(error)
    return counts


def content_hash(split: Split, what: str) -> str:
    """Hash the samples' names, the bytes of their labels and the sizes of their images.

    The hash does not depend on where the data lies. Labels are read when they are new or have new
    times.
    """
    labels, images = split.label_files(), split.image_files()
    quick = hash_files("content\n", split, [*labels, *images], place_and_times)
    try:
        path = cache_folder("counts") / f"{quick}.txt"
    except OSError:
        path = None
    found = _read_hash(path) if path else None
    if found is None:
        if labels:
            rank_zero_info(f"reading the labels of {what} once, to know them when a run goes on")
        sizes = hash_files("sizes\n", split, images, _size)
        found = hash_files(f"{sizes}\n", split, labels, _bytes)
        if path and labels:
            written = found.encode()
            with suppress(OSError):  # then they are read again
                replace_file(path, lambda file: file.write(written), shared=True)
    return found


def _read_hash(path: Path) -> str | None:
    try:
        found = path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    return found if re.fullmatch("[0-9a-f]{64}", found) else None


def _warn(error: OSError) -> None:
    rank_zero_warn(
        f"{error.filename}: counts cannot be kept ({error.strerror}) and will be made again; "
        "LIT_SEG_CACHE gives another folder"
    )


def hash_files(
    head: str, split: Split, files: Sequence[Path], fact: Callable[[Path], bytes]
) -> str:
    """Hash a text, a fact of each file and the names of the samples."""
    digest = hashlib.sha256(head.encode())
    for path in files:
        try:
            digest.update(fact(path))
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; look at its path and rights") from None
    # a file may hold many samples, and a split take some of them
    digest.update(repr([split.name(index) for index in range(len(split))]).encode())
    return digest.hexdigest()


def place_and_times(path: Path) -> bytes:
    """What changes when a file is written or moved, and is quick to know."""
    stat = path.stat()
    return repr((str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)).encode()


def _size(path: Path) -> bytes:
    return f"{path.stat().st_size} ".encode()


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read_counts(path: Path, shape: tuple[int, int]) -> ImageCounts | None:
    try:
        counts = np.array(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):  # the file is missing or damaged
        return None
    return counts if counts.shape == shape and counts.dtype == np.int64 else None
