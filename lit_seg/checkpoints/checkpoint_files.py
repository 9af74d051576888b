"""Finds the checkpoints of a run, and checks them before they are loaded."""

from pathlib import Path

from lit_seg.checkpoints.checkpoint_schema import damage_of
from lit_seg.errors import RunError, plural
from lit_seg.files.torch_file import other_checkpoints, read_plain
from lit_seg.runs.layout import CHECKPOINTS, find_run

_OF_A_RUN = {
    *("epoch", "global_step", "loops", "lr_schedulers", "optimizer_states"),
    "pytorch-lightning_version",
}


def find_checkpoint(path: Path, prefer: str) -> Path:
    """Find the checkpoint that ``path`` means: a file, or a checkpoint of a run folder.

    Args:
        path: a checkpoint file or a run folder.
        prefer: ``"best"`` or ``"last"``; a run that lacks it gives the other.

    Raises:
        RunError: if the run holds no checkpoint, or it cannot be read.
    """
    if not path.is_file():
        folder = find_run(path) / CHECKPOINTS
        files = [folder / f"{name}.ckpt" for name in (prefer, "last", "best")]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            raise RunError(f"{folder}: holds no checkpoint yet; the run must be started anew")
        path = found
    content = read_plain(path)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunError(
            f"{path}: is no checkpoint of a run, it holds no state_dict; give a run or one of its"
        )
    if missing := _OF_A_RUN - content.keys():
        raise _of_weights_alone(path, sorted(missing))
    if damage := damage_of(content):
        raise RunError(
            f"{path}: the state of the run in it is damaged ({damage}){other_checkpoints(path)}"
        )
    return path


def check_length(checkpoint: Path, max_epochs: int | None, max_steps: int) -> None:
    """Refuse an end of training that is before the position of the checkpoint.

    Raises:
        RunError: naming both numbers of epochs or steps; or if the checkpoint holds no position.
    """
    content = read_plain(checkpoint)
    if "position" not in content:
        raise _of_weights_alone(checkpoint, ["position"])
    epochs = content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    steps = content["global_step"]
    for key, limit, done in (("epoch", max_epochs, epochs), ("step", max_steps, steps)):
        if limit is not None and 0 <= limit < done:
            raise RunError(
                f"{checkpoint}: has done {plural(done, key)}, `trainer.max_{key}s` is {limit}; "
                "give more to go on, or train a new run"
            )


def _of_weights_alone(path: Path, missing: list[str]) -> RunError:
    return RunError(
        f"{path}: holds weights but not the state of a run ({', '.join(missing)}); INIT takes its "
        "weights for a new run"
    )
