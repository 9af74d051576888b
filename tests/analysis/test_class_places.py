"""Classes of runs whose seeds draw which class is rare: common names, but only there."""

from pathlib import Path

import numpy as np
import pytest

from lit_seg.analysis.class_places import by_place
from lit_seg.runs.run import Run
from lit_seg.runs.summary import Summary, run_scores


def run(seed: int, counts: dict[str, int], rule: str | None = "kang") -> Run:
    """Its classes have the recalls .1, .2 and so on, in the order of their ids."""
    recall = np.arange(1, 1 + len(counts)) / 10
    scores = run_scores(list(counts), list(counts.values()), (recall, recall, recall), 0.5)
    summary = Summary(1, 1, scores, {}, {}, {})
    config = {} if rule is None else {"model.rule": rule}
    place = ("digits", "plain", "ce", seed, (f"seed{seed}",), Path(f"seed{seed}"), f"seed{seed}")
    return Run(*place, 1, 1, summary, config, "")


def test_a_class_is_its_place_in_the_order_of_counts() -> None:
    first, second = by_place([run(0, {"a": 5, "b": 2, "c": 2}), run(1, {"a": 2, "b": 2, "c": 5})])
    names = ["5 images", "2 images", "2 images (2)"]
    assert list(first.scores.classes) == list(second.scores.classes) == names
    assert second.scores.column("recall").tolist() == [0.3, 0.1, 0.2]
    assert second.places == {"c": names[0], "a": names[1], "b": names[2]}


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([run(1, {"a": 5, "b": 2})], id="the same counts"),
        pytest.param([run(1, {"a": 2, "b": 6})], id="other counts"),
        pytest.param([run(1, {"a": 2, "c": 5})], id="other classes"),
        pytest.param([run(1, {"a": 2, "b": 5}), run(1, {"a": 5, "b": 2})], id="a seed, two orders"),
        pytest.param([run(1, {"a": 2, "b": 5}, None)], id="segmentation"),
    ],
)
def test_other_runs_stay_as_they_are(others: list[Run]) -> None:
    runs = [run(0, {"a": 5, "b": 2}), *others]
    assert all(a is b for a, b in zip(by_place(runs), runs, strict=True))
