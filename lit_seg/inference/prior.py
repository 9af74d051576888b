"""Balances the classes of a trained network by its prior, with a strength that is kept by the run.

``posthoc.json`` in the folder of a run holds the strength that was chosen on its validation images.
"""

import json
import math
from pathlib import Path
from typing import Any

from torch import Tensor

from lit_seg.errors import RunError, reason_of
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.schema import COUNT, Value, difference, is_number
from lit_seg.ops.adjustment import per_class
from lit_seg.runs.layout import POSTHOC

_SCHEMA = 1
_TAU = Value("a finite number from 0", lambda v: is_number(v) and 0 <= v < math.inf)


def balanced(scores: Tensor, log_prior: Tensor, tau: float) -> Tensor:
    r"""Subtract :math:`\tau \log \pi` from scores (Menon et al., arXiv 2007.07314, section 4.1).

    Args:
        scores: ``(N, C, *)`` logits or logarithms of probabilities.
        log_prior: ``(C,)``, of ``lit_seg.losses.logit_adjustment.log_prior``.
        tau: strength, at least 0; 0 leaves the scores as they are.
    """
    if tau == 0:
        return scores
    return scores - tau * per_class(log_prior.to(scores.device), scores)


def write_tau(run: Path, tau: float, **how: Any) -> Path:
    """Keep ``tau`` in a run, with how it was chosen; returns the file."""
    file = run / POSTHOC
    replace_text(file, json.dumps({"schema": _SCHEMA, "tau": tau, **how}, indent=1) + "\n")
    return file


def read_tau(path: Path) -> float:
    """Read the strength that a run keeps, given by its folder or a checkpoint; 0 if it keeps none.

    It is 0 too for another checkpoint than the one that it was chosen on.

    Raises:
        RunError: if the file is damaged.
    """
    folders = [path] if path.is_dir() else [path.parent, path.parent.parent]
    file = next((f for folder in folders if (f := folder / POSTHOC).is_file()), None)
    if file is None:
        return 0.0
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        damage = difference(content, {"schema": COUNT, "tau": _TAU})
    except (OSError, ValueError, RecursionError) as error:
        damage = reason_of(error)
    if not damage and content["schema"] != _SCHEMA:
        damage = f"schema is {content['schema']}, not {_SCHEMA}"
    if damage:
        raise RunError(
            f"{file}: is damaged ({damage}); remove it; `validate --tau_sweep true` writes it anew"
        )
    chosen_on = content.get("checkpoint", path.name)
    return 0.0 if path.is_file() and path.name != chosen_on else float(content["tau"])
