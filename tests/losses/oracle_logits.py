"""Slow readings of the losses that adjust logits, one pixel at a time in Python floats."""

import math

from tests.losses import oracle


def log_prior(counts):
    """log π_c; a class without pixels is taken as if it had one."""
    counts = [max(n, 1) for n in counts]
    return [math.log(n / sum(counts)) for n in counts]


def shifted_cross_entropy(logits, target, shift):
    """The mean nll with ``shift[c]`` added to the scores of class c."""
    total, pixels = 0.0, oracle.valid_pixels(logits, target)
    for scores, label in pixels:
        total += oracle.nll([s + a for s, a in zip(scores, shift, strict=True)], label)
    return total / len(pixels)


def logit_adjustment(logits, target, counts, tau=1.0):
    """Eq. 10 of Menon et al."""
    return shifted_cross_entropy(logits, target, [tau * p for p in log_prior(counts)])


def balanced_softmax(logits, target, counts):
    """Eq. 4 of Ren et al.: -log of n_y exp(z_y) / sum_j n_j exp(z_j)."""
    total, pixels = 0.0, oracle.valid_pixels(logits, target)
    for scores, label in pixels:
        top = max(scores)  # taken out so that exp does not overflow
        parts = [max(n, 1) * math.exp(s - top) for n, s in zip(counts, scores, strict=True)]
        total += math.log(sum(parts)) - math.log(max(counts[label], 1)) - (scores[label] - top)
    return total / len(pixels)


def margins(counts, max_margin=0.5):
    """m_c of LDAM: ``max_margin`` for the rarest class that there is, and for those without."""
    rarest = max(n**-0.25 for n in counts if n)
    return [max_margin * n**-0.25 / rarest if n else max_margin for n in counts]


def ldam(logits, target, counts, max_margin=0.5, scale=20.0, weights=None):
    """Eq. 13 of Cao et al., times ``weights[y]`` and over the sum of these if they are given."""
    margin = margins(counts, max_margin)
    total = norm = 0.0
    for scores, label in oracle.valid_pixels(logits, target):
        scores[label] -= margin[label]
        weight = 1 if weights is None else weights[label]
        total += weight * oracle.nll([scale * s for s in scores], label)
        norm += weight
    return total / norm


def blv(logits, target, counts, noise):
    """Eq. 5 and 6 of Wang et al. with this noise, of the shape of the logits."""
    rarity = [-p for p in log_prior(counts)]
    size = [c / max(rarity) for c in rarity]
    drawn = oracle.valid_pixels(noise, target)
    total, pixels = 0.0, oracle.valid_pixels(logits, target)
    for (scores, label), (deltas, _) in zip(pixels, drawn, strict=True):
        noisy = [
            s + abs(min(max(d, -1), 1)) * c for s, d, c in zip(scores, deltas, size, strict=True)
        ]
        total += oracle.nll(noisy, label)
    return total / len(pixels)


def seesaw(logits, target, seen, mitigation=0.8, compensation=2.0, min_confidence=0.0, frozen=None):
    """Eq. 3 to 6 of Wang et al. with ``seen`` pixels per class, this step's included.

    The compensation is that of the ``frozen`` logits, where they are given: what a derivative of
    the loss has to take for constant.
    """
    seen = [max(n, 1) for n in seen]
    pixels = oracle.valid_pixels(logits, target)
    sources = pixels if frozen is None else oracle.valid_pixels(frozen, target)
    total = 0.0
    for (scores, label), (source, _) in zip(pixels, sources, strict=True):
        sigma = [math.exp(-oracle.nll(source, c)) for c in range(len(source))]
        denominator = 0.0
        for c, score in enumerate(scores):
            factor = 1.0
            if c != label:
                factor = min(1, seen[c] / seen[label]) ** mitigation
                factor *= max(1, sigma[c] / max(sigma[label], min_confidence)) ** compensation
            denominator += factor * math.exp(score - scores[label])
        total += math.log(denominator)
    return total / len(pixels)


def pixels_of_classes(target, num_classes):
    """The valid pixels of each class."""
    counts = [0] * num_classes
    for label in target.flatten().tolist():
        if label != oracle.VOID:
            counts[label] += 1
    return counts
