"""Make this process believe that it is one of two ranks, without starting the other."""

import contextlib
from collections.abc import Iterator
from unittest import mock

import torch.distributed as dist
from torch import Tensor


@contextlib.contextmanager
def one_of_two_ranks(*others: Tensor) -> Iterator[mock.Mock]:
    """Sums over ranks add these counts of the other rank in turn; gives the spy on them.

    The tests of two real ranks say that gloo sums like this. This one is cheap, and what it runs
    counts for coverage and mutations.
    """
    expected = iter(others)

    def add_other(counts: Tensor) -> None:
        counts += next(expected)

    with (
        mock.patch.object(dist, "is_initialized", return_value=True),
        mock.patch.object(dist, "get_world_size", return_value=2),
        mock.patch.object(dist, "all_reduce", side_effect=add_other) as all_reduce,
    ):
        yield all_reduce
        assert next(expected, None) is None, "fewer sums over ranks than expected"
