"""Random logits and labels to try a loss or a metric on."""

import torch
import torch.nn.functional as F

from lit_seg.labels import void_of


def draw(seed, shape=(2, 4, 5, 6), void=0.2, absent=(), skill=1.0):
    """Float32 logits of the shape ``(N, C, *)`` and int64 labels ``(N, *)``.

    Args:
        seed: of a generator of its own, so that a test does not depend on those before it.
        shape: of the logits.
        void: share of void pixels.
        absent: classes without a pixel.
        skill: added to the logit of the true class; -20 misses every pixel, 20 hits every pixel.
    """
    generator = torch.Generator().manual_seed(seed)
    num_classes = shape[1]
    present = torch.tensor([c for c in range(num_classes) if c not in absent])
    # squared: low ids are frequent and high ids rare
    share = torch.rand((shape[0], *shape[2:]), generator=generator) ** 2
    target = present[(share * len(present)).long()]
    logits = torch.randn(shape, generator=generator)
    logits += skill * F.one_hot(target, num_classes).movedim(-1, 1)
    target[torch.rand(target.shape, generator=generator) < void] = void_of(num_classes)
    return logits, target


def value_and_grad(loss, logits, target):
    """The loss and its gradient with respect to the logits, both detached."""
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    return value.detach(), torch.autograd.grad(value, logits)[0]
