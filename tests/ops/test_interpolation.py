"""Interpolation by parts, against torch's of all at once."""

import pytest
import torch
import torch.nn.functional as F

from lit_seg.ops import interpolation, upsampled_chunked
from lit_seg.ops.interpolation import Interpolation


def by_parts(logits, full, align_corners, chunk_bytes):
    """All chunks of all bands, put together."""
    way = Interpolation(logits, torch.empty(len(logits), *full), align_corners, chunk_bytes)
    result = torch.full((*logits.shape[:2], *full), torch.nan, dtype=logits.dtype)
    for image in range(len(logits)):
        for band, chunks in way.bands:
            assert len(band.weights) <= way.longest
            for part, x in way.heightened(logits[image, :, band.own], chunks):
                result[image, :, band.full][:, part.full] = x.transpose(0, 1)
    return result


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize(
    ("own", "full"),
    [
        *(((6, 5), (48, 20)), ((13, 17), (101, 90)), ((4, 3), (300, 7)), ((1, 4), (9, 16))),
        *(((9, 1), (20, 3)), ((7, 7), (7, 9))),
        *(((56, 6), (18, 4)), ((40, 3), (7, 1))),  # labels of which some rows lie between no logits
    ],
)
def test_equals_that_of_all_at_once(own, full, rows, align_corners, monkeypatch):
    logits = torch.randn(2, 3, *own, dtype=torch.double)
    wanted = F.interpolate(logits, full, mode="bilinear", align_corners=align_corners)
    for limits in ((64, 128), (5, 9)):
        monkeypatch.setattr(interpolation, "LEAST_BAND", limits[0])
        monkeypatch.setattr(interpolation, "MOST_BAND", limits[1])
        found = by_parts(logits, full, align_corners, 4 * 3 * full[1] * rows)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_few_operations_are_needed_at_a_stride():
    """Each takes time: a chunk is made by one of them, or at the ends of an image by two."""
    for stride, bands in ((4, 8), (8, 4), (16, 4)):
        logits = torch.empty(1, 19, 512 // stride, 512 // stride)
        target = torch.empty(1, 512, 512)
        way = Interpolation(logits, target, False, upsampled_chunked.CHUNK_BYTES)
        assert len(way.bands) == bands
        chunks = [chunk for _, some in way.bands for chunk in some]
        assert len(chunks) <= 33
        assert sum(len(runs) > 1 for _, runs in chunks) <= 2
