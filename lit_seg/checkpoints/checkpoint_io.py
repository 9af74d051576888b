"""Writing and reading checkpoints: whole or not at all, and no code in them is run."""

from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from lit_seg.errors import WriteError
from lit_seg.files.atomic_io import replace_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the file and then takes its place, so that a kill leaves the one before.

    Lightning's own writer moves a file from the system's temporary folder, which is a copy, that
    can be cut short, when the run lies on another disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            WriteError: if the disk is full or the folder cannot be written; the file that was
                there is as it was.
        """
        path = Path(path)
        try:
            replace_file(path, lambda file: torch.save(checkpoint, file))
        except (OSError, RuntimeError) as error:
            cause = _os_error(error)
            if cause is None:
                raise
            kept = "; the one before is kept" if path.exists() else ""
            raise WriteError(
                f"{path}: the checkpoint cannot be written ({cause.strerror or cause}){kept}. Make "
                "room or give another folder by --run_dir"
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint; only tensors and plain values, whatever ``weights_only`` is."""
        content: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only=True)
        return content


def _os_error(error: BaseException | None) -> OSError | None:
    """What the system said; torch wraps it in an error of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__context__
    return error
