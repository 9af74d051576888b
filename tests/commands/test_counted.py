"""The lines that tell how far a long command is."""

import pytest

from lit_seg.cli.counted import Counted


def test_a_line_for_the_first_then_seldom_and_one_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    with Counted("image", 100, seconds=30, clock=lambda: now[0]) as count:
        for now[0], number in ((4.0, 1), (10.0, 1), (34.0, 15)):
            count(number)
        now[0] = 50.0
    assert capsys.readouterr().out.splitlines() == [
        "1 image of 100, 0.25 images/s",
        "17 images of 100, 0.5 images/s",
        "17 images in 50 s, 0.34 images/s",
    ]
