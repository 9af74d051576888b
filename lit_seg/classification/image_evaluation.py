"""Scores a validation or test set of images: counts per class, without a matrix of all pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from lit_seg.data.dataset import Sample
from lit_seg.distributed.step_exchange import is_finite, non_finite, of_any_rank
from lit_seg.errors import NonFiniteError
from lit_seg.metrics import PixelMean, predict_labels
from lit_seg.metrics.collectives import gather_over_ranks
from lit_seg.metrics.labels import check_labels, void_of
from lit_seg.metrics.scores import MEANS, Array, class_scores, overall_scores
from lit_seg.metrics.shot_groups import group_accuracies
from lit_seg.ops import class_nll


@dataclass(frozen=True)
class ImageScores:
    """What a pass over a set found.

    Attributes:
        images: name, true and predicted class id of each, sorted by name.
        counts: ``(C, 3)`` images of the class, predicted as it, and both.
        per_class: IoU, recall (the accuracy of a class) and precision, each ``(C,)``.
        values: ``pixel_acc``, the share of images that are right; ``macc``, the mean accuracy of
            the classes; ``miou`` and ``mprec``; the mean accuracy of each group of classes.
    """

    images: Sequence[tuple[str, int, int]]
    counts: npt.NDArray[np.int64]
    per_class: tuple[Array, Array, Array]
    values: Mapping[str, float]


class ImageEvaluation(nn.Module):
    """Counts the batches of one pass over a set, and scores the pass over all ranks.

    Args:
        num_classes: C.
        groups: class ids of ``many``, ``medium`` and ``few``.
    """

    def __init__(self, num_classes: int, groups: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.groups = groups
        self.void = void_of(num_classes)
        self.mean_loss = PixelMean()
        self.mean_ce = PixelMean()
        self._images: list[tuple[str, int, int]] = []  # those of this rank
        self._non_finite: NonFiniteError | None = None  # the first such batch of this rank

    def update(self, scores: Tensor, loss: Tensor | None, batch: Sample, stage: str) -> None:
        """Count a batch, given its ``(N, C)`` scores and its loss, if the method has one."""
        target = batch["target"]
        check_labels(target, self.num_classes)
        scores = scores.clamp(min=-1e30)  # a class without an image has the score -inf in NCM
        number = (target != self.void).sum()
        ce = class_nll(scores, target).sums.sum() / number.clamp(min=1)
        loss = ce if loss is None else loss
        if self._non_finite is None and not is_finite(loss, scores):
            self._non_finite = non_finite(stage, loss, scores, batch["name"])
        self.mean_loss.update(loss, number)
        self.mean_ce.update(ce, number)
        pairs = zip(batch["name"], target.tolist(), predict_labels(scores).tolist(), strict=True)
        # a rank that has no image left fills its batch with one that has no name
        self._images += [pair for pair in pairs if pair[0]]

    def compute(self, stage: str) -> tuple[ImageScores, dict[str, float]]:
        """Score the pass; also all values to log.

        Raises:
            NonFiniteError: on all ranks, if a loss or scores of one were NaN or infinite.
        """
        if failure := of_any_rank(self._non_finite, stage, self.mean_ce.device):
            self.reset()
            raise failure
        scores = scored(sorted(gather_over_ranks(self._images)), self.num_classes, self.groups)
        means = {"loss": self.mean_loss.compute().item(), "ce": self.mean_ce.compute().item()}
        counted = float(np.isfinite(scores.per_class[0]).sum())
        return scores, {**means, **scores.values, "classes_scored": counted}

    def reset(self) -> None:
        """Forget all batches, for the next pass."""
        self._images, self._non_finite = [], None
        self.mean_loss.reset()
        self.mean_ce.reset()


def scored(
    images: Sequence[tuple[str, int, int]], num_classes: int, groups: Mapping[str, Sequence[int]]
) -> ImageScores:
    """Score predictions: name, true and predicted class id of each image."""
    pairs = np.array([image[1:] for image in images], np.int64).reshape(-1, 2)
    right = pairs[pairs[:, 0] == pairs[:, 1], 0]
    columns = [np.bincount(ids, minlength=num_classes) for ids in (*pairs.T, right)]
    counts = np.stack(columns, axis=-1)
    per_class = class_scores(counts)
    means = dict(zip(MEANS, overall_scores(counts, tail=()).tolist(), strict=False))
    values = means | group_accuracies(per_class[1], groups)
    return ImageScores(images, counts, per_class, values)
