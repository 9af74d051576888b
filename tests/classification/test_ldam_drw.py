"""LDAM-DRW with its cosine head, as the published code computes it, from losses that exist."""

from functools import partial

import torch
import torch.nn.functional as F

from lit_seg.classification.heads.cosine import CosineHead
from lit_seg.classification.methods.plain import Plain
from lit_seg.losses import DeferredReweightingLoss, LDAMLoss
from tests.classification.small import COUNTS, backbone, batch


def published(cosines, target, weight):
    margins = torch.tensor([n**-0.25 for n in COUNTS])
    margins = margins * 0.5 / margins.max()
    z = cosines.clone()
    for i, y in enumerate(target):
        z[i, y] -= margins[y]
    return F.cross_entropy(30 * z, target, weight)  # divides by the weights of the batch


def test_it_is_that_of_the_published_code_before_and_after_the_deferral():
    drw = DeferredReweightingLoss(COUNTS, partial(LDAMLoss, scale=30.0), start=0.8, beta=0.9999)
    method, (images, target) = Plain(backbone(), CosineHead(5, 3), drw).eval(), batch(0)
    cosines = method(images)
    assert cosines.abs().max() <= 1
    for done, beta in ((0.79, 0.0), (0.8, 0.9999)):
        method.set_progress(done)
        weight = torch.tensor([(1 - beta) / (1 - beta**n) for n in COUNTS])
        weight = weight / weight.sum() * len(COUNTS)
        expected = published(cosines, target, weight)
        torch.testing.assert_close(method.train_step((images, target)).loss, expected)
