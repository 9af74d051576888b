"""The second stage of a decoupled training: what it takes from the finished run of the first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from reprlib import repr as short
from typing import Any

import torch
from torch import Tensor, nn

from lit_seg.checkpoints.checkpoint_files import find_checkpoint
from lit_seg.classification.methods.base import Method
from lit_seg.data.dataset import Sample
from lit_seg.errors import RunError
from lit_seg.files.torch_file import read_plain
from lit_seg.runs.summary_schema import is_finished

_BACKBONE, _HEAD = "method.backbone.", "method.head."


def load_first_stage(
    path: str, backbone: nn.Module, head: nn.Linear, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Load backbone and linear head of a finished run, with the weights of its last step.

    Args:
        path: the run, or a checkpoint.
        backbone: gets its weights.
        head: likewise.
        data: ``class_names`` and ``class_counts`` of the second stage.

    Returns:
        The hyperparameters of the run.

    Raises:
        RunError: if there is no such run, it has not finished, or it has another method than
            ``plain``, other data, network or head.
    """
    run = Path(path)
    if run.is_dir() and not is_finished(run):
        raise RunError(
            f"`model.stage_one` {path}: has not finished; go on with it by "
            f"`python -m lit_seg.classification fit --resume {path}`"
        )
    file = find_checkpoint(run, "last")
    checkpoint = read_plain(file)
    state, had = checkpoint["state_dict"], checkpoint.get("hyper_parameters", {})
    if (method := had.get("method")) != "plain":
        what = f"is a run of the method {method}" if method else "is of no classifier"
        raise RunError(
            f"`model.stage_one` {path}: {what}; a second stage begins with one of `plain`, which "
            "`python -m lit_seg.classification train --model plain --loss ce` trains"
        )
    for key, own in data.items():
        if had[key] != own:
            raise RunError(
                f"`model.stage_one` {path}: its `{key}` are {short(had[key])}, here they are "
                f"{short(own)}; give a run on the same images, also of the same seed where that "
                "draws them"
            )
    for prefix, module in ((_BACKBONE, backbone), (_HEAD, head)):
        part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        own = module.state_dict()
        wrong = sorted(own.keys() ^ part.keys()) or [
            k for k in own if own[k].shape != part[k].shape
        ]
        if wrong:
            raise RunError(
                f"`model.stage_one` {path}: {prefix}{wrong[0]} does not fit this network; give a "
                "run of the method plain with the same network, a linear head and the same classes"
            )
        module.load_state_dict(part)
    return dict(had)


@torch.no_grad()
def features_of(
    method: Method,
    batches: Iterable[Sample],
    normalised: Callable[[Tensor], Tensor],
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """``(B, D)`` features and ``(B,)`` labels of the images of each batch of this rank."""
    for batch in batches:
        # a rank that has no image left fills its batch with one that has no name
        named = torch.tensor([bool(name) for name in batch["name"]])
        features = method.features(normalised(batch["image"].to(device)))
        yield features[named.to(device)], batch["target"][named].to(device)
