"""Slow readings of the weighted and the modulated losses: one pixel at a time, in Python floats.

Like ``oracle`` they share nothing with ``lit_seg`` but the value of void. With them what they are
compared on: problems, and the values that published code gave.
"""

import json
import math
import statistics
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
import torch

from tests.losses import oracle
from tests.losses.parity import passes_gradcheck
from tests.losses.problems import draw

SMALL = draw(165, (2, 3, 2, 4), skill=0.5)
"""To take a gradient of number by number: small, and no pixel is close to a tie, neither of its
classes nor with another. Each class has hits, misses and false positives."""

both_normalizers = pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])


def assert_equals(loss, problem, want, weight=1.0):
    """``loss`` has the value ``want``, in the float32 of ``forward`` and in float64 without it.

    -log p ends with the logarithm of a number of at least 1, so it is known up to the spacing of
    floats at 1 and no better: this times the largest ``weight`` is what a value may be off where
    all pixels are hit and there are no digits left for a relative error.
    """
    logits, target = problem
    value = loss(logits, target)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(want, rel=1e-6, abs=2**-23 * weight)
    value = loss.loss(logits.double(), target)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(want, rel=1e-12, abs=2**-52 * weight)


def has_its_gradient(loss, problem=SMALL):
    """Whether autograd gives the slopes of the value, in float64. It asserts so itself."""
    return passes_gradcheck(loss, *problem)


def published(name, *skip):
    """Parametrizes ``case`` by the file of that name, without the cases named."""
    file = Path(__file__).parent / "published" / f"{name}.json"
    cases = json.loads(file.read_text())["cases"]
    assert {case["name"] for case in cases} >= set(skip)
    cases = [case for case in cases if case["name"] not in skip]
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def problem_of(case):
    """The float64 logits and the labels of a published case."""
    logits = torch.tensor(case["logits"], dtype=torch.float64).view(case["shape"])
    return logits, torch.tensor(case["target"]).view(len(logits), *logits.shape[2:])


def assert_is_published(loss, case, scale=1.0, rel=1e-10):
    """Value and gradient are those of the case; ``scale`` multiplies its logits first.

    The file gives 12 digits of a value and 7 of a gradient; ``rel`` is of the value.
    """
    logits, target = problem_of(case)
    leaf = logits.requires_grad_()
    value = loss.loss(leaf * scale, target)
    assert value.item() == pytest.approx(case["loss"], rel=rel)
    (grad,) = torch.autograd.grad(value, leaf)
    largest = max(map(abs, case["grad"]))
    assert grad.flatten().tolist() == pytest.approx(case["grad"], rel=1e-6, abs=1e-6 * largest)


def frequency_weights(pixels, scheme, image_pixels=None):
    """Class weights from frequencies; ``image_pixels`` are of the images that hold the class."""
    total = sum(pixels)
    present = [c for c, n in enumerate(pixels) if n > 0]
    weights = [0.0] * len(pixels)
    if scheme in ("inverse", "sqrt_inverse"):
        for c in present:
            inverse = total / pixels[c]
            weights[c] = inverse if scheme == "inverse" else math.sqrt(inverse)
        mean = sum(n * w for n, w in zip(pixels, weights, strict=True)) / total
        return [w / mean for w in weights]
    if scheme == "enet":
        for c in present:
            weights[c] = 1 / math.log(1.02 + pixels[c] / total)
        return weights
    of = image_pixels if scheme == "segnet" else [total] * len(pixels)
    frequency = {c: pixels[c] / of[c] for c in present}
    for c in present:
        weights[c] = statistics.median(frequency.values()) / frequency[c]
    return weights


def class_balanced_weights(counts, beta=None):
    """(1 - beta) / (1 - beta^n), scaled to sum to the number of classes there are.

    In decimals, as many as it takes: floats lose theirs where beta is close to 1.
    """
    with localcontext(prec=80):
        samples = Decimal(sum(counts))
        beta = (samples - 1) / samples if beta is None else Decimal(beta)
        weights = [(1 - beta) / (1 - beta**n) if n else Decimal(0) for n in counts]
        present = sum(n > 0 for n in counts)
        return [float(w * present / sum(weights)) for w in weights]


def missing(scores, label):
    """1 - p of the label, as what the other classes have: all its digits, also close to 0."""
    top = max(scores)
    others = sum(math.exp(s - top) for k, s in enumerate(scores) if k != label)
    return others / sum(math.exp(s - top) for s in scores)


def focal(logits, target, gamma, weights=None, normalizer="valid", given=None):
    """The mean of w_y (1 - p)^gamma (-log p), over the valid pixels or the sum of their weights."""
    weights = weights or [1.0] * logits.shape[1]
    total = norm = 0.0
    for scores, label in oracle.valid_pixels(logits, target):
        times = given[label] if given else 1
        hard = missing(scores, label) ** gamma
        total += times * weights[label] * hard * oracle.nll(scores, label)
        norm += times * (weights[label] if normalizer == "weight_sum" else 1)
    return total / norm if norm else 0.0


def pixel_sets(logits, target):
    """For each class two sets of pixels, predicted as it and labelled as it; void is in none."""
    classes = range(logits.shape[1])
    predicted, labelled = [set() for _ in classes], [set() for _ in classes]
    for pixel, (scores, label) in enumerate(oracle.valid_pixels(logits, target)):
        predicted[oracle.predicted(scores)].add(pixel)
        labelled[label].add(pixel)
    return list(zip(predicted, labelled, strict=True))


def set_metric(metric, predicted, labelled, fp_weight=0.3, fn_weight=0.7):
    """A metric of a class from its two sets of pixels; None where it is not defined."""
    both = len(predicted & labelled)
    whole = {
        "recall": len(labelled),
        "precision": len(predicted),
        "dice": (len(predicted) + len(labelled)) / 2,
        "jaccard": len(predicted | labelled),
        "tversky": both
        + fp_weight * len(predicted - labelled)
        + fn_weight * len(labelled - predicted),
    }[metric]
    return both / whole if whole else None


def next_metrics(old, logits, target, metric, momentum=0.0, **options):
    """The metric of each class after a step; None stands for one that was never defined."""
    new = list(old or [None] * logits.shape[1])
    for c, (predicted, labelled) in enumerate(pixel_sets(logits, target)):
        now = set_metric(metric, predicted, labelled, **options)
        if now is not None:
            new[c] = now if new[c] is None else momentum * new[c] + (1 - momentum) * now
    return new


def hardest(logits, target, keep=0.7, threshold=None, min_kept=100_000):
    """The -log p that online hard example mining takes the mean of, largest first."""
    pixels = oracle.valid_pixels(logits, target)
    nlls = sorted((oracle.nll(s, y) for s, y in pixels), reverse=True)
    if threshold is None:
        number = max(int(keep * len(pixels)), 1)
    else:
        number = max(sum(math.exp(-s) < threshold for s in nlls), min_kept)
    return nlls[:number]


def ohem(logits, target, **options):
    """The mean over the hardest pixels."""
    chosen = hardest(logits, target, **options)
    return sum(chosen) / len(chosen) if chosen else 0.0


def pat_factor(gone, num_classes, weight_form="paper", temperature=20.0, epsilon=0.0):
    """What a pixel weighs by what its confidence lacks to 1."""
    return {
        "paper": lambda: 1 / math.exp((-gone + epsilon) / temperature),
        "reciprocal": lambda: math.exp((-gone + epsilon) / temperature),
        "inap": lambda: math.exp(gone) / 2,
        "ina": lambda: math.exp(gone * num_classes) / 2,
    }[weight_form]()


def pat_pixels(logits, target, weights=None, divide_by="mask", **options):
    """For each valid pixel its scores, its label and the weight of its -log p in the loss."""
    num_classes = logits.shape[1]
    images = [oracle.valid_pixels(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))]
    norm = {
        "mask": sum(len(image) > 0 for image in images),
        "pixels": sum(map(len, images)),
        "logits": sum(map(len, images)) * num_classes,
    }[divide_by]
    pixels = []
    for image in images:
        for scores, label in image:
            weight = pat_factor(missing(scores, label), num_classes, **options) / norm
            if divide_by == "mask":
                weight /= sum(other == label for _, other in image)
            pixels.append((scores, label, weight * (weights[label] if weights else 1)))
    return pixels


def pat(logits, target, **options):
    """Eq. 4 with Eq. 5, and the other forms of either."""
    pixels = pat_pixels(logits, target, **options)
    return sum(weight * oracle.nll(scores, label) for scores, label, weight in pixels)


def frozen_gradient(pixels):
    """The gradient of the weighted sum of -log p by the scores, if the weights are constants.

    Args:
        pixels: scores, label and weight of each.
    """
    return [
        [w * (math.exp(-oracle.nll(s, c)) - (c == y)) for c in range(len(s))] for s, y, w in pixels
    ]


def gradient_of(loss, problem):
    """The gradient of ``loss`` in float64, a row of C numbers for each valid pixel."""
    logits, target = problem
    leaf = logits.double().requires_grad_()
    (grad,) = torch.autograd.grad(loss.loss(leaf, target), leaf)
    # as `valid_pixels` reads logits
    return [row for row, _ in oracle.valid_pixels(grad, target)]
