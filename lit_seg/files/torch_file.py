"""Reads files of ``torch.save`` without running code from them."""

import pickle
import re
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch

from lit_seg.errors import RunError


def read_plain(path: Path) -> Any:
    """Read a file of ``torch.save`` that holds tensors and plain values only."""
    whole = is_zipfile(path)  # torch writes zip files since 1.6
    try:
        return torch.load(path, map_location="cpu", mmap=whole, weights_only=True)
    except Exception as error:  # torch raises whatever unpickling raises
        code = re.search(r"GLOBAL (\S+)", str(error))
        if not path.stat().st_size:
            reason = "it is empty"
        elif code:
            reason = f"it asks for {code[1]}, and no code of a checkpoint is run"
        elif not whole and path.open("rb").read(2) == b"PK":
            reason = "it is cut short or damaged"
        elif not whole or isinstance(error, pickle.UnpicklingError):
            reason = "it is no file of torch.save, or holds more than tensors and plain values"
        else:
            reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(
            f"{path}: cannot be read as a checkpoint ({reason}){other_checkpoints(path)}"
        ) from None


def other_checkpoints(path: Path) -> str:
    """Write a hint that names the other checkpoints in the folder, or an empty text."""
    others = sorted(str(other) for other in path.parent.glob("*.ckpt") if other != path)
    return f"; there is also {', '.join(others[:5])}" if others else ""
