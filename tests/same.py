"""Whether two runs left the same: byte for byte, and checkpoints value for value."""

import json
from pathlib import Path
from typing import Any

import torch

_DIFFERENT: dict[str, Any] = {"options": None, "cost": None}


def differences(run: Path, other: Path) -> list[str]:
    """The files of two run folders that are not the same; what differs by nature is left out."""
    names = {str(p.relative_to(f)) for f in (run, other) for p in f.rglob("*") if p.is_file()}
    names -= {"config.yaml", "command.json", "cost.csv"}  # the folder's name, and measured times
    return sorted(name for name in names if not _same_file(run / name, other / name))


def same(a: Any, b: Any) -> bool:
    """Equality to the last bit through dicts, lists and tensors; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, torch.Tensor):
        equal = a.shape == b.shape and a.dtype == b.dtype
        return equal and torch.equal(torch.nan_to_num(a, nan=-7), torch.nan_to_num(b, nan=-7))
    return bool(a == b) or (a != a and b != b)


def _same_file(a: Path, b: Path) -> bool:
    if not (a.is_file() and b.is_file()):
        return False
    if a.suffix == ".ckpt":  # the bytes of a pickle depend on which strings were one object
        ones, others = (torch.load(path, weights_only=True) for path in (a, b))
        # Lightning's counters of the validation are what the last one left; the position is ours
        return same(ones | {"loops": None}, others | {"loops": None})
    if a.name == "summary.json":  # it holds the options and the measured times too
        ones, others = (json.loads(path.read_text()) for path in (a, b))
        return same(ones | _DIFFERENT, others | _DIFFERENT)
    return a.read_bytes() == b.read_bytes()
