"""Counts per image, against the confusion matrix of each."""

import torch

from lit_seg.metrics import confusion_matrix, image_counts
from lit_seg.metrics.labels import VOID


def test_counts_are_the_margins_and_diagonal_of_each_images_confusion_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    preds = torch.randint(0, 5, (3, 7, 8), generator=generator)
    target = torch.randint(0, 5, (3, 7, 8), generator=generator)
    target[1:, :3] = VOID
    counts = image_counts(preds, target, 5)
    assert counts.shape == (3, 3, 5)
    for n in range(3):
        matrix = confusion_matrix(preds[n], target[n], 5)
        expected = torch.stack([matrix.sum(1), matrix.sum(0), matrix.diagonal()])
        assert torch.equal(counts[n], expected)


def test_an_image_of_void_counts_nothing() -> None:
    target = torch.full((1, 2, 2), VOID)
    assert image_counts(torch.zeros(1, 2, 2, dtype=torch.long), target, 3).sum() == 0
