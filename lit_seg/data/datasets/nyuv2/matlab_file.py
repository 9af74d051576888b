"""Lists of numbers from the .mat files of MATLAB 5 to 7, read by SciPy in a process of its own."""

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_SECONDS = 60
_MOST_BYTES, _MOST_VALUES = 2**20, 2**20
"""The files of NYUv2 have 10 kB and 894 values: whatever holds far more is another file."""


def read_matlab(path: Path, *names: str) -> dict[str, npt.NDArray[Any]]:
    """The numbers of each variable in one row, column by column; variables may be missing.

    Raises:
        ValueError: if the file is damaged or of another kind, or a variable is no array of
            numbers.
    """
    stat = path.stat()
    return _read_apart(path, names, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))


@lru_cache(maxsize=8)  # each split reads the same two files
def _read_apart(
    path: Path, names: Sequence[str], version: tuple[int, int, int]
) -> dict[str, npt.NDArray[Any]]:
    import_module("scipy.io")  # slow, so only NYUv2 imports it, and a fork finds it imported

    # SciPy does not only raise on damaged files: some end its process, some keep it busy
    context = get_context("fork" if os.name == "posix" and os.uname().sysname == "Linux" else None)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, path, names), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(_SECONDS):
            raise ValueError(f"it is damaged: SciPy has not read it in {_SECONDS} s")
        found: dict[str, npt.NDArray[Any]] | str = receiver.recv()
    except EOFError:
        raise ValueError("it is damaged: SciPy ended while it read it") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _send(sender: Connection, path: Path, names: Sequence[str]) -> None:
    try:
        sender.send(_read(path, names))
    except Exception as error:  # SciPy has a dozen kinds for damaged files
        with suppress(OSError):
            sender.send(" ".join(str(error).split()) or type(error).__name__)


def _read(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    scipy_io: Any = import_module("scipy.io")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"it has {size} bytes, expected at most {_MOST_BYTES}")
    found = {name: (shape, kind) for name, shape, kind in scipy_io.whosmat(path) if name in names}
    for name, (shape, kind) in found.items():
        if kind not in ("single", "double") and "int" not in kind:
            raise ValueError(f"`{name}` is no array of numbers")
        if math.prod(shape) > _MOST_VALUES:  # SciPy would allocate them before it reads
            raise ValueError(f"`{name}` has shape {shape}, expected at most {_MOST_VALUES} values")
    values = scipy_io.loadmat(path, variable_names=list(found)) if found else {}
    return {name: np.asarray(values[name]).ravel(order="F") for name in found}
