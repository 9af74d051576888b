"""Makes balanced sets of images long-tailed: how many of each class, and which."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from lit_seg.classification.data.image_splits import Targets
from lit_seg.data.card import SplitName
from lit_seg.data.sampling import Order
from lit_seg.errors import check_choice

Shape = Literal["exp", "step"]
"""Counts fall from class to class, or once, after half of the classes."""


def tail_counts(largest: float, factor: float, classes: int, shape: Shape = "exp") -> list[int]:
    """The images of each class, from the most frequent to the rarest.

    Source: Cao et al., *LDAM*, arXiv 1906.07413, ``imbalance_cifar.py`` of its code: n_i =
    int(n_max f^(i/(C-1))), or int(n_max f) for the second half of the classes.

    Args:
        largest: n_max, the images of the most frequent class.
        factor: f, the share of them that the rarest has.
        classes: C, at least 2.
        shape: the rule.

    Raises:
        ValueError: if an option is out of range, or leaves a class without an image.

    Example:
        >>> tail_counts(124, 0.02, 10)
        [124, 80, 51, 33, 21, 14, 9, 5, 3, 2]
    """
    check_choice("shape", shape, get_args(Shape))
    if not 0 < factor <= 1:
        raise ValueError(f"`factor` must be in (0, 1], got {factor}")
    if shape == "exp":
        counts = [int(largest * factor ** (i / (classes - 1.0))) for i in range(classes)]
    else:
        head = classes // 2
        counts = [int(largest)] * head + [int(largest * factor)] * (classes - head)
    if not counts[-1]:
        raise ValueError(
            f"`factor` must leave an image of the rarest class, got {factor} of {largest:g} images"
        )
    return counts


def ldam_images(targets: Targets, counts: Sequence[int]) -> Order:
    """The images that LDAM's code and all that follow it train on: class by class, by one seed."""
    draws = np.random.RandomState(0)
    chosen = []
    for c, count in enumerate(counts):
        images = np.flatnonzero(targets == c)
        draws.shuffle(images)
        chosen.append(images[:count])
    return np.concatenate(chosen)


def drawn_images(
    targets: Targets, counts: Sequence[int], val: int, test: int, seed: int
) -> Mapping[SplitName, Order]:
    """Draw which class has which count, and which of its images train, validate and test.

    Every class has ``test`` images to test and up to ``val`` to validate: what is left of it.

    Args:
        targets: the class of each image of a balanced set.
        counts: training images of a class, from the most frequent to the rarest.
        val: validation images of a class, at most.
        test: test images of a class.
        seed: of all draws.

    Raises:
        ValueError: if a class has too few images.
    """
    # the old generator is the one whose numbers NumPy promises never to change
    draws = np.random.RandomState(seed % 2**32)
    order = draws.permutation(len(counts))
    totals = np.bincount(targets, minlength=len(counts))
    if totals[order[0]] <= counts[0] + test:  # digit 8 of scikit-learn has just these two parts
        order[[0, 1]] = order[[1, 0]]
    parts: dict[SplitName, list[Order]] = {"train": [], "val": [], "test": []}
    of_class = dict(zip(order.tolist(), counts, strict=True))
    for c, total in enumerate(totals):
        tested, trained = test, test + of_class[c]
        if total <= trained:
            raise ValueError(
                f"`largest` and `test_images` must leave an image of each class to validate, got "
                f"{of_class[c]} and {test} of the {total} images of class {c}"
            )
        images = draws.permutation(np.flatnonzero(targets == c))
        parts["test"].append(images[:tested])
        parts["train"].append(images[tested:trained])
        parts["val"].append(images[trained : trained + val])
    return {name: np.concatenate(images) for name, images in parts.items()}
