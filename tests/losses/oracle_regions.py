"""Slow readings of the region losses, one pixel at a time in Python floats."""

import math

from tests.losses import oracle


def probabilities(scores):
    """The softmax."""
    return [math.exp(-oracle.nll(scores, c)) for c in range(len(scores))]


def of_images(logits, target):
    """``[(logits, target)]`` of the images with a valid pixel, each as a batch of one."""
    images = [(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))]
    return [image for image in images if oracle.valid_pixels(*image)]


def mean_over_images(loss, logits, target, **options):
    """What ``per_image`` stands for."""
    values = [loss(*image, **options) for image in of_images(logits, target)]
    return sum(values) / len(values)


def soft_tversky(logits, target, fp_weight=0.3, fn_weight=0.7):
    """1 - mean of TP / (TP + α FP + β FN) over the classes with a valid pixel."""
    num_classes = logits.shape[1]
    hit, wrong, missed = ([0.0] * num_classes for _ in range(3))
    present = set()
    for scores, label in oracle.valid_pixels(logits, target):
        present.add(label)
        for c, p in enumerate(probabilities(scores)):
            if c == label:
                hit[c] += p
                missed[c] += 1 - p
            else:
                wrong[c] += p
    overlaps = [
        hit[c] / (hit[c] + fp_weight * wrong[c] + fn_weight * missed[c]) for c in sorted(present)
    ]
    return 1 - sum(overlaps) / len(overlaps)


def soft_iou(logits, target):
    """1 - mean of Σ py / Σ (p + y - py)."""
    return _mean_distance(logits, target, lambda p, y: (p * y, p + y - p * y))


def soft_dice(logits, target):
    """1 - mean of 2 Σ py / (Σ p + Σ y)."""
    return _mean_distance(logits, target, lambda p, y: (2 * p * y, p + y))


def _mean_distance(logits, target, parts):
    pixels = [(probabilities(s), y) for s, y in oracle.valid_pixels(logits, target)]
    present = sorted({y for _, y in pixels})
    distance = 0.0
    for c in present:
        above, below = zip(*(parts(p[c], int(y == c)) for p, y in pixels), strict=True)
        distance += 1 - sum(above) / sum(below)
    return distance / len(present)


def hard_tversky(logits, target, fp_weight, fn_weight):
    """The same of predictions: how far the mean metric of the classes present is from 1."""
    pixels = [(oracle.predicted(s), y) for s, y in oracle.valid_pixels(logits, target)]
    present = sorted({y for _, y in pixels})
    distance = 0.0
    for c in present:
        hit = sum(guess == c == label for guess, label in pixels)
        wrong = sum(guess == c != label for guess, label in pixels)
        missed = sum(guess != c == label for guess, label in pixels)
        distance += 1 - hit / (hit + fp_weight * wrong + fn_weight * missed)
    return distance / len(present)


def lovasz_softmax(logits, target):
    """Eq. 9 of Berman et al. as the paper defines it, by sets.

    Pixels become wrong one by one, in the order of their errors; each adds its error times what it
    adds to the Jaccard loss of the set of wrong pixels.
    """
    pixels = [(probabilities(s), y) for s, y in oracle.valid_pixels(logits, target)]
    present = sorted({y for _, y in pixels})
    total = 0.0
    for c in present:
        truth = {n for n, (_, y) in enumerate(pixels) if y == c}
        errors = [1 - p[c] if n in truth else p[c] for n, (p, _) in enumerate(pixels)]
        order = sorted(range(len(pixels)), key=lambda n, errors=errors: -errors[n])
        wrong, before = set(), 0.0
        for n in order:
            wrong.add(n)
            after = 1 - len(truth - wrong) / len(truth | wrong)
            total += errors[n] * (after - before)
            before = after
    return total / len(present)
