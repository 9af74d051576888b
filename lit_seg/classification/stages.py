"""The second stage of a decoupled training: what it takes from the finished run of the first."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path

import torch
from torch import Tensor, nn

from lit_seg.checkpoints.checkpoint_files import find_checkpoint
from lit_seg.classification.heads.tau_norm import TauNormHead
from lit_seg.classification.methods.base import Method
from lit_seg.data.dataset import Sample
from lit_seg.errors import RunError
from lit_seg.files.torch_file import read_plain
from lit_seg.metrics.collectives import gather_over_ranks
from lit_seg.runs.summary_schema import is_finished

_BACKBONE, _HEAD = "method.backbone.", "method.head."


def load_first_stage(path: str, backbone: nn.Module, head: nn.Linear) -> None:
    """Load backbone and linear head of a finished run, with the weights of its last step.

    Raises:
        RunError: if there is no such run, it has not finished, or it has another network or head.
    """
    run = Path(path)
    if run.is_dir() and not is_finished(run):
        raise RunError(
            f"`model.stage_one` {path}: has not finished; go on with it by "
            f"`python -m lit_seg.classification fit --resume {path}`"
        )
    file = find_checkpoint(run, "last")
    state = read_plain(file)["state_dict"]
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


def prepare(
    method: Method, train: tuple[Tensor, Tensor] | None, val: tuple[Tensor, Tensor] | None
) -> str:
    """Let a second stage look at the features of all images once, before its first step.

    Args:
        method: of the second stage.
        train: features and labels of the training images, for methods that need them.
        val: those of the validation images, by which tau-norm chooses its strength.

    Returns:
        A line that says what was found, or nothing.
    """
    if train is not None:
        method.prepare(*train)
    head = getattr(method, "head", None)
    if val is None or not isinstance(head, TauNormHead):
        return ""
    table = head.choose(*val)
    return (
        f"tau-norm: tau {float(head.tau):g} has the highest mean accuracy of classes on the "
        f"validation images, {max(table.values()):.4f}"
    )


@torch.no_grad()
def features_of(
    method: Method,
    batches: Iterable[Sample],
    normalised: Callable[[Tensor], Tensor],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """``(N, D)`` features and ``(N,)`` labels of all images over all ranks, in eval mode."""
    was = method.training
    method.eval()
    found = []
    for batch in batches:
        features = method.backbone(normalised(batch["image"].to(device))).cpu()
        # a rank that has no image left fills its batch with one that has no name
        # each a copy: a row that is sent to other ranks would take its whole batch along
        copies = [vector.clone() for vector in features]
        rows = zip(batch["name"], copies, batch["target"].tolist(), strict=True)
        found += [row for row in rows if row[0]]
    method.train(was)
    _, vectors, targets = zip(*sorted(gather_over_ranks(found), key=itemgetter(0)), strict=True)
    return torch.stack(vectors).to(device), torch.tensor(targets, device=device)
