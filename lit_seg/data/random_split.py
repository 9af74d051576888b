"""Splits that are drawn here, for datasets without official ones."""

import numpy as np

_SEED = 0


def drawn(size: int, tenths: tuple[int, ...]) -> list[list[int]]:
    """Parts of so many tenths of the numbers below ``size``, each sorted, drawn once for all.

    What is left over goes to the first ones. The sizes are those of
    ``torch.utils.data.random_split``, which PAT uses.
    """
    sizes = [size * share // 10 for share in tenths]
    for i in range(size - sum(sizes)):
        sizes[i] += 1
    # the old generator is the one whose numbers NumPy promises never to change
    order = np.random.RandomState(_SEED).permutation(size)
    ends = np.cumsum(sizes)[:-1].tolist()
    return [np.sort(part).tolist() for part in np.split(order, ends)]
