"""The private name of Lightning by which ranks wait for the one that prepares the data."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from lightning_fabric.utilities.distributed import _InfiniteBarrier
from pytorch_lightning.trainer.connectors import data_connector


def guard_data_barriers(guard: Callable[[], AbstractContextManager[None]]) -> None:
    """Let the ranks meet within ``guard`` at each barrier in which they wait for the data.

    Lightning makes a group for it, and gives its meeting the days that reading may take.
    """

    class Guarded(_InfiniteBarrier):
        def __enter__(self) -> "Guarded":
            with guard():
                super().__enter__()
            return self

    data_connector._InfiniteBarrier = Guarded  # type: ignore[attr-defined]
