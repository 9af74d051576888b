"""Views of an image: windows, mirror images and scales are averaged as they are defined."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.inference.views import Views, score
from lit_seg.models.resized_logits import Logits

IMAGE = torch.randint(0, 256, (2, 3, 13, 17), dtype=torch.uint8)


def network(image: Tensor) -> Tensor:
    """Logits that depend on the place in what the network is given, and on all channels."""
    rows = torch.arange(image.shape[2]).view(1, 1, -1, 1)
    columns = torch.arange(image.shape[3]).view(1, 1, 1, -1)
    x = image.float() / 32
    return torch.cat([x, x.sum(1, keepdim=True) / 3 + rows * 0.1 - columns * 0.2], 1)


def scores(views: Views, size: tuple[int, int], factor: float = 1, **options: Any) -> Tensor:
    return score(
        lambda image: Logits(network(image) * factor), IMAGE, views, size, **options
    ).whole()


def test_one_view_gives_the_logits_of_the_network() -> None:
    assert torch.equal(scores(Views(), (13, 17)), network(IMAGE))


def test_logits_are_resized_not_labels() -> None:
    expected = F.interpolate(network(IMAGE), size=(26, 40), mode="bilinear", align_corners=False)
    assert torch.equal(scores(Views(), (26, 40)), expected)


def test_padding_is_cut_before_the_size_is_restored() -> None:
    expected = F.interpolate(network(IMAGE)[:, :, :9, :17], size=(18, 34), mode="bilinear")
    assert torch.equal(scores(Views(), (18, 34), content=(9, 17)), expected)


@pytest.mark.parametrize("stride", [(3, 4), (5, 5), (1, 2)])
def test_each_pixel_has_the_mean_logits_of_the_windows_that_hold_it(
    stride: tuple[int, int],
) -> None:
    crop = (5, 6)
    found = scores(Views(crop, stride), (13, 17))

    def starts(length: int, window: int, step: int) -> set[int]:
        regular = set(range(0, length - window + 1, step))
        return regular | {length - window}  # the last one ends with the image

    for y, x in [(0, 0), (4, 5), (6, 11), (12, 16), (7, 3)]:
        logits = [
            network(IMAGE[:, :, top : top + 5, left : left + 6])[:, :, y - top, x - left]
            for top in starts(13, 5, stride[0])
            for left in starts(17, 6, stride[1])
            if top <= y < top + 5 and left <= x < left + 6
        ]
        torch.testing.assert_close(found[:, :, y, x], torch.stack(logits).mean(0))


def test_a_window_larger_than_the_image_is_the_image() -> None:
    torch.testing.assert_close(scores(Views((50, 60)), (13, 17)), network(IMAGE))


def test_probabilities_of_views_are_averaged_once() -> None:
    found = scores(Views(flip=True, scales=(1, 2)), (13, 17))
    large = F.interpolate(IMAGE.float(), size=(26, 34), mode="bilinear").round().byte()
    shares = [
        F.interpolate(logits, size=(13, 17), mode="bilinear").softmax(1)
        for image in (IMAGE, large)
        for logits in (network(image), network(image.flip(-1)).flip(-1))
    ]
    torch.testing.assert_close(found.exp(), torch.stack(shares).mean(0))


def test_a_probability_of_zero_stays_finite() -> None:
    found = scores(Views(flip=True), (13, 17), factor=1e4)
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"crop": (0, 4)}, "crop.*0, 4"),
        ({"stride": (2, 2)}, "stride.*crop"),
        ({"crop": (4, 4), "stride": (5, 1)}, "stride.*5, 1"),
        ({"scales": ()}, "scales"),
        ({"scales": (1, 100)}, "scales.*100"),
        ({"scales": (float("nan"),)}, "scales.*nan"),
    ],
)
def test_views_that_cannot_be_are_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Views(**options)  # type: ignore[arg-type]
