"""Counts that were made once, kept outside the data, found again as long as the labels are equal.

``$XDG_CACHE_HOME/lit_seg/counts`` (or ``~/.cache/lit_seg/counts``; ``LIT_SEG_CACHE`` gives
another folder) holds counts under a hash of the labels' bytes, so a copied dataset finds them too.
Since reading all bytes at each start would be slow, a second hash of names, sizes and times
leads to the first.
"""

import hashlib
import io
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn

from lit_seg.data.counting.count import ImageCounts, count_images
from lit_seg.data.dataset import Split
from lit_seg.errors import DataError
from lit_seg.files.atomic_io import replace_file

_READING = 1
"""To be raised when labels are read otherwise than before: then all are counted again."""


def cache_folder() -> Path:
    """Where counts are kept.

    Raises:
        OSError: if there is no home to keep them in.
    """
    if given := os.environ.get("LIT_SEG_CACHE"):
        return Path(given) / "counts"
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "lit_seg" / "counts"
    try:
        return Path.home() / ".cache" / "lit_seg" / "counts"
    except RuntimeError as error:  # a user without a name, as in containers
        raise OSError(None, str(error).rstrip("."), "~/.cache") from None


def cached_counts(split: Split, num_classes: int, what: str, meaning: str) -> ImageCounts:
    """The counts of a split: kept ones if its labels are what they were, else made and kept.

    Args:
        split: to count.
        num_classes: that its labels may hold.
        what: the split is, for the user.
        meaning: of stored labels: whatever turns them into other classes must change it.

    Raises:
        DataError: if the labels cannot be counted.
    """
    files = split.label_files()
    if not files:  # made, not stored: counting is what finding would be
        return count_images(split, num_classes)
    try:
        folder = cache_folder()
    except OSError as error:
        _warn(error)
        return count_images(split, num_classes)
    head = f"{_READING}\n{meaning}\n{split.meaning}\n{num_classes}\n"
    to_keep: dict[Path, bytes] = {}
    by_time = folder / f"{_hash(head, split, files, _place_and_times)}.txt"
    content = _read_hash(by_time)
    if content is None:
        content = _hash(head, split, files, _bytes)
        to_keep[by_time] = content.encode()
    kept = folder / f"{content}.npy"
    counts = _read_counts(kept, len(split), num_classes)
    if counts is not None and not to_keep:
        return counts
    with _alone(folder / f"{content}.lock"):  # ranks that start together count once
        counts = _read_counts(kept, len(split), num_classes)
        if counts is None:
            rank_zero_info(f"counting the classes of {what} once; kept in {folder}")
            counts = count_images(split, num_classes)
            to_keep[kept] = _npy(counts)
        try:
            for path, written in to_keep.items():
                _keep(path, written)
        except OSError as error:
            error.filename = str(folder)
            _warn(error)
    return counts


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for another process that does the same; go on at once where there are no locks."""
    with ExitStack() as stack:
        try:
            import fcntl  # Windows has none

            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        except (OSError, ImportError):
            pass  # a folder that cannot be written is told when counts are kept
        yield


def _keep(path: Path, content: bytes) -> None:
    # a draft of this process alone: ranks may count at the same time
    draft = path.with_name(f"{path.stem}.{socket.gethostname()}.{os.getpid()}.tmp")
    replace_file(path, lambda file: file.write(content), draft)


def _warn(error: OSError) -> None:
    rank_zero_warn(
        f"{error.filename}: counts cannot be kept ({error.strerror}) and will be made again; "
        "LIT_SEG_CACHE gives another folder"
    )


def _hash(head: str, split: Split, files: Sequence[Path], fact: Callable[[Path], bytes]) -> str:
    digest = hashlib.sha256(head.encode())
    for path in files:
        try:
            digest.update(fact(path))
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; look at its path and rights") from None
    # a file may hold many samples, and a split take some of them
    digest.update(repr([split.name(index) for index in range(len(split))]).encode())
    return digest.hexdigest()


def _place_and_times(path: Path) -> bytes:
    found = path.stat()
    return repr(
        (str(path.absolute()), found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    ).encode()


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read_hash(path: Path) -> str | None:
    try:
        text = path.read_text()
    except (OSError, ValueError):
        return None
    return text if re.fullmatch("[0-9a-f]{64}", text) else None


def _read_counts(path: Path, size: int, num_classes: int) -> ImageCounts | None:
    try:
        counts = np.load(path, allow_pickle=False)
    except Exception:  # there is none, or it is damaged, for which numpy has a dozen errors
        return None
    fits = isinstance(counts, np.ndarray) and counts.shape == (size, num_classes + 1)
    return counts if fits and counts.dtype == np.int64 else None


def _npy(counts: ImageCounts) -> bytes:
    file = io.BytesIO()
    np.save(file, counts)
    return file.getvalue()
