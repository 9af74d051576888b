"""Pixels near the boundaries of classes, from which the boundary IoU of each class follows."""

import cv2
import numpy as np
import numpy.typing as npt

from lit_seg.metrics.labels import void_of

SHARE_OF_DIAGONAL = 0.02
"""How far from a contour a pixel counts, as a share of the diagonal of the image."""


def boundary_width(height: int, width: int) -> int:
    """The distance in pixels up to which a pixel is near a contour, at least 1."""
    return max(1, round(SHARE_OF_DIAGONAL * float(np.hypot(height, width))))


def boundary_counts(
    preds: npt.NDArray[np.integer], target: npt.NDArray[np.integer], num_classes: int
) -> npt.NDArray[np.int64]:
    """Count the pixels of one image that are near a contour of each class.

    A pixel of a class is near its contour if a pixel of another class, void or the edge of the
    image is at most d away, in rows and in columns; d is 2 % of the diagonal. Pixels that are
    void in the truth are not counted.

    Args:
        preds: ``(H, W)`` predicted class ids.
        target: ``(H, W)`` true class ids or void.
        num_classes: C.

    Returns:
        ``(C, 3)`` near the true contour, near the predicted one, and near both. Summed over images,
        ``class_scores`` makes the boundary IoU of them.

    Reference: Cheng et al., *Boundary IoU*, arXiv 2103.16562, section 4, whose measure is of single
    masks; here the mask of a class is all its pixels in an image, and counts are summed over
    images, as those of the IoU are.
    """
    distance = boundary_width(*target.shape)
    kernel = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    counts = np.zeros((num_classes, 3), np.int64)
    known = target != void_of(num_classes)

    def near(labels: npt.NDArray[np.integer], c: int) -> npt.NDArray[np.bool_]:
        mask = (labels == c).astype(np.uint8)
        inner = cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        found: npt.NDArray[np.bool_] = (mask != inner) & known
        return found

    for c in np.union1d(preds[known], target[known]):
        true, predicted = near(target, c), near(preds, c)
        parts = (true, predicted, true & predicted)
        counts[c] = [np.count_nonzero(part) for part in parts]
    return counts
