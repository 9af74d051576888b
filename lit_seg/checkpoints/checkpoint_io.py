"""Writes checkpoint files whole or not at all, and reads them without running code in them."""

from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from lit_seg.errors import WriteError
from lit_seg.files.atomic_io import replace_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a new file and renames it, so that a killed process leaves the old file whole.

    Lightning moves a file from the system's temporary folder. If the run lies on another disk, that
    is a copy, which a kill cuts short.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint, or raise a WriteError that says why not and keep the old file."""
        path = Path(path)
        try:
            replace_file(path, lambda file: torch.save(checkpoint, file))
        except (OSError, RuntimeError) as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, OSError):
                cause = cause.__context__  # torch wraps the error of the system
            if cause is None:
                raise
            kept = "; the old one is kept" if path.exists() else ""
            raise WriteError(
                f"{path}: the checkpoint cannot be written ({cause.strerror or cause}){kept}. Make "
                "room or give another folder by --run_dir"
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read tensors and plain values only, whatever ``weights_only`` is."""
        content: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only=True)
        return content


class NoCheckpoints(AtomicCheckpointIO):
    """Writes no checkpoint, because ``trainer.enable_checkpointing`` is false."""

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        pass
