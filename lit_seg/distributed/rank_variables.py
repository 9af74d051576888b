"""The environment variables that tell a process which rank it is."""

import os

from lit_seg.errors import RunError

_NUMBERS = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "MASTER_PORT"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"),
    *("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"),
)


def check_rank_variables() -> None:
    """Refuse a variable that is no number, before Lightning is imported: it reads them then.

    Raises:
        RunError: naming the variable and its value.
    """
    for name in _NUMBERS:
        value = os.environ.get(name, "0")
        if not value.isdecimal():
            raise RunError(
                f"{name}={value!r} is no whole number; torchrun and srun set it for each rank, one "
                "process needs none: unset it"
            )
