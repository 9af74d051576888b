"""Scores a validation or test set, batch by batch."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from lit_seg.data.dataset import Sample
from lit_seg.distributed.step_exchange import is_finite, non_finite, of_any_rank
from lit_seg.errors import NonFiniteError
from lit_seg.inference.prior import balanced
from lit_seg.inference.views import predicted
from lit_seg.losses.base import SegLoss
from lit_seg.metrics import (
    ClassScores,
    ConfusionMatrix,
    PixelMean,
    confusion_scores,
    image_counts,
)
from lit_seg.metrics.boundary import boundary_counts
from lit_seg.metrics.collectives import gather_over_ranks, sum_over_ranks
from lit_seg.metrics.labels import void_of
from lit_seg.metrics.scores import CLASS_STATS, MEANS
from lit_seg.models.resized_logits import Logits
from lit_seg.ops import class_nll


class Evaluation(nn.Module):
    """Counts the batches of one pass over a dataset, and scores the pass over all ranks.

    Args:
        class_names: in the order of the class ids.
        taus: strengths of post-hoc balancing, each of which is counted in the same pass.
        boundaries: whether pixels near the boundaries of classes are counted too.
    """

    def __init__(
        self, class_names: Sequence[str], taus: Sequence[float] = (), boundaries: bool = False
    ) -> None:
        super().__init__()
        self.class_names = class_names
        self.void = void_of(len(class_names))
        self.confusion = ConfusionMatrix(len(class_names))
        self.mean_loss = PixelMean()
        self.mean_ce = PixelMean()
        self.taus = taus
        self.of_taus = [ConfusionMatrix(len(class_names)) for _ in taus]
        self._of_taus = nn.ModuleList(self.of_taus)  # which moves them to the device
        self.boundaries = np.zeros((len(class_names), 3), np.int64) if boundaries else None
        self._image_counts: list[tuple[str, Tensor]] = []  # those of this rank
        self._non_finite: NonFiniteError | None = None  # the first such batch of this rank

    def update(self, logits: Logits, seg_loss: SegLoss, batch: Sample, stage: str) -> None:
        """Count a batch, given its logits and how its loss is computed."""
        target = batch["target"]
        pixels = (target != self.void).sum()
        for_loss = logits.for_loss(target, self.void, seg_loss.upsampling)
        loss = seg_loss(*for_loss)
        if self._non_finite is None and not is_finite(loss, logits.small):
            self._non_finite = non_finite(stage, loss, logits.small, batch["name"])
        preds = predicted(logits)
        self.confusion.update(preds, target)  # which looks at the labels
        self.mean_loss.update(loss, pixels)
        ce = class_nll(*for_loss, align_corners=seg_loss.align_corners).sums.sum()
        self.mean_ce.update(ce / pixels.clamp(min=1), pixels)
        classes = len(self.class_names)
        if self.boundaries is not None:
            for pair in zip(preds.cpu().numpy(), target.cpu().numpy(), strict=True):
                self.boundaries += boundary_counts(*pair, classes)
        counts = image_counts(preds, target, classes).cpu()
        # a rank that has no image left fills its batch with one that has no name
        named = zip(batch["name"], counts, strict=True)
        self._image_counts += [(name, count) for name, count in named if name]

    def update_taus(self, scores: Logits, log_prior: Tensor, target: Tensor) -> None:
        """Count what scores that are not balanced yet would predict with each of ``taus``."""
        for tau, confusion in zip(self.taus, self.of_taus, strict=True):
            small = balanced(scores.small, log_prior, tau)
            confusion.update(predicted(replace(scores, small=small)), target)

    def compute(self, stage: str) -> tuple[ClassScores, dict[str, Tensor]]:
        """Compute the scores per class, and all values to log.

        Raises:
            NonFiniteError: on all ranks, if a loss or logits of one were NaN or infinite.
        """
        if failure := of_any_rank(self._non_finite, stage, self.confusion.device):
            self.reset()
            raise failure
        scores = confusion_scores(self.confusion.compute().cpu())
        values = {
            "loss": self.mean_loss.compute(),
            "ce": self.mean_ce.compute(),
            **{name: getattr(scores, name) for name in MEANS},
            "classes_scored": torch.tensor(float(scores.num_scored)),
        }
        for c, name in enumerate(self.class_names):
            values |= {f"{stat}/{name}": getattr(scores, stat)[c] for stat in CLASS_STATS}
        return scores, values

    def confusion_of_taus(self) -> Tensor:
        """The ``(T, C, C)`` confusion matrices of ``taus`` over all ranks, on the CPU."""
        classes = len(self.class_names)
        found = [each.compute().cpu() for each in self.of_taus]
        return torch.stack(found) if found else torch.zeros(0, classes, classes, dtype=torch.long)

    def boundary_counts(self) -> Tensor | None:
        """``(C, 3)`` pixels near true, predicted and both boundaries; None if not asked for."""
        if self.boundaries is None:
            return None
        counts = torch.from_numpy(self.boundaries).to(self.confusion.device)
        return sum_over_ranks(counts).cpu()

    def counts_per_image(self) -> dict[str, Tensor]:
        """Gather ``(3, C)`` pixels labelled, predicted and hit of each image, by its name."""
        return dict(sorted(gather_over_ranks(self._image_counts)))

    def reset(self) -> None:
        """Forget all batches, for the next pass."""
        self._image_counts, self._non_finite = [], None
        if self.boundaries is not None:
            self.boundaries = np.zeros_like(self.boundaries)
        for metric in (self.mean_loss, self.mean_ce, self.confusion, *self.of_taus):
            metric.reset()
