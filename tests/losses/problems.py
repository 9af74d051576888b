"""Random logits and labels to try a loss or a metric on."""

import functools
import inspect

import torch
import torch.nn.functional as F

from lit_seg.metrics.labels import void_of


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


PROBLEMS = {
    "plain": draw(0),
    "no void": draw(1, void=0.0),
    "much void": draw(2, void=0.9),
    "absent classes": draw(3, absent=(0, 2)),
    "one class": draw(4, absent=(0, 1, 3)),
    "all hit": draw(5, skill=20),
    "all missed": draw(6, skill=-20),
    "one image": draw(7, (1, 4, 5, 6)),
    "one pixel": draw(8, (1, 3, 1, 1), void=0.0, skill=-1),
    "two classes": draw(9, (2, 2, 5, 6)),
    "no space": draw(10, (40, 4)),
    "a line": draw(11, (2, 4, 19)),
    "a volume": draw(12, (2, 4, 3, 4, 3)),
}


def every_problem(test):
    """Call the test with the ``name`` of each problem, as one case: thousands cost seconds."""

    @functools.wraps(test)
    def over_all(**options):
        for name in PROBLEMS:
            try:
                test(name=name, **options)
            except AssertionError as error:
                error.add_note(f"problem: {name}")
                raise

    others = [each for each in inspect.signature(test).parameters.values() if each.name != "name"]
    over_all.__signature__ = inspect.Signature(others)
    return over_all
