"""Slow readings of the formulas: one pixel at a time, in Python floats, no torch reduction.

They share nothing with ``lit_seg`` but the value of void, so that a mistake there cannot hide here.
"""

import math

VOID = 255


def valid_pixels(logits, target):
    """``[(scores of the C classes, label)]`` of the pixels that count."""
    scores = logits.detach().double().movedim(1, -1).reshape(-1, logits.shape[1]).tolist()
    return [(s, y) for s, y in zip(scores, target.flatten().tolist(), strict=True) if y != VOID]


def predicted(scores):
    """The class with the largest score, the lowest id among equals."""
    return scores.index(max(scores))


def nll(scores, label):
    """-log p of the label under the softmax."""
    top = max(scores)  # taken out so that exp does not overflow
    return top - scores[label] + math.log(sum(math.exp(s - top) for s in scores))


def cross_entropy(logits, target):
    """Eq. 1 as a mean: the nll of a valid pixel."""
    pixels = valid_pixels(logits, target)
    return sum(nll(s, y) for s, y in pixels) / len(pixels)


def misses_and_support(logits, target):
    """FN_c and N_c = FN_c + TP_c as two lists."""
    misses, support = [0] * logits.shape[1], [0] * logits.shape[1]
    for scores, label in valid_pixels(logits, target):
        support[label] += 1
        if predicted(scores) != label:
            misses[label] += 1
    return misses, support


def next_recall(old, misses, support, momentum=0.0, floor_one=False):
    """Recall after a step; None stands for a class that was never seen."""
    new = list(old)
    for c in range(len(old)):
        if support[c] == 0:
            continue
        missed = max(misses[c], 1) if floor_one else misses[c]
        now = 1 - missed / support[c]
        new[c] = now if old[c] is None else momentum * old[c] + (1 - momentum) * now
    return new


def recall_weights(recall, min_weight=0.0, max_weight=1.0):
    """1 - R_c within the bounds, 1 for a class that was never seen."""
    return [min(max(1.0 if r is None else 1 - r, min_weight), max_weight) for r in recall]


def weighted_cross_entropy(logits, target, weights, normalizer="valid", given=None):
    """Eq. 5 with these weights, over the valid pixels or over the sum of their weights.

    With ``given`` class weights each pixel counts so many times, in the sum and in what divides it.
    """
    total = norm = 0.0
    for scores, label in valid_pixels(logits, target):
        times = given[label] if given else 1
        total += times * weights[label] * nll(scores, label)
        norm += times * (weights[label] if normalizer == "weight_sum" else 1)
    return total / norm if norm else 0.0


def recall_loss(
    logits,
    target,
    momentum=0.0,
    normalizer="valid",
    floor_one=False,
    min_weight=0.0,
    max_weight=1.0,
    recall=None,
):
    """The loss of a training step and the recall after it, from the ``recall`` before it."""
    before = [None] * logits.shape[1] if recall is None else recall
    counts = misses_and_support(logits, target)
    after = next_recall(before, *counts, momentum, floor_one)
    weights = recall_weights(after, min_weight, max_weight)
    return weighted_cross_entropy(logits, target, weights, normalizer), after
