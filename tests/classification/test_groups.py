"""Many, medium and few, on counts that differ by rule and on the real lists."""

import json
import math
import os
from collections import Counter
from pathlib import Path

import pytest

from lit_seg.classification.groups import group_accuracies, shot_groups

LISTS = Path(os.environ.get("DATA_ROOT", "data")) / "longtail_splits"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("kang", [[0], [1, 2, 3], [4]]), ("oltr", [[0, 1], [2], [3, 4]])],
)
def test_the_rules_differ_at_100_and_at_20(rule, expected):
    groups = shot_groups([101, 100, 21, 20, 19], rule)
    assert groups == dict(zip(("many", "medium", "few"), expected, strict=True))


def test_mislas_counts_off_the_sorted_classes():
    counts = list(range(365))
    groups = shot_groups(counts, "mislas")
    assert [len(ids) for ids in groups.values()] == [131, 157, 77]
    assert groups["few"] == list(range(77))


def test_a_rule_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"`rule` 'mislas' is for .*365.*got 10; take 'kang'"):
        shot_groups([1] * 10, "mislas")
    with pytest.raises(ValueError, match="`rule` must be 'kang', 'oltr' or 'mislas', got 'x'"):
        shot_groups([1] * 10, "x")


def test_an_empty_group_has_no_accuracy():
    values = group_accuracies([0.5, math.nan, 1.0], {"many": [0, 1, 2], "medium": [1], "few": []})
    assert values["many"] == 0.75
    assert math.isnan(values["medium"])
    assert math.isnan(values["few"])


@pytest.mark.skipif(not LISTS.is_dir(), reason="needs the official lists")
@pytest.mark.parametrize(
    ("rule", "places", "imagenet"),
    [
        ("kang", [131, 163, 71], [385, 479, 136]),
        ("oltr", [132, 156, 77], [391, 463, 146]),
        ("mislas", [131, 157, 77], [390, 445, 165]),
    ],
)
def test_the_official_lists_have_the_published_groups(rule, places, imagenet):
    labels = [int(each.split()[1]) for each in (LISTS / "Places_LT_train.txt").open()]
    assert len(labels) == 62_500
    counted = Counter(labels)
    groups = shot_groups([counted[c] for c in range(365)], rule)
    assert [len(ids) for ids in groups.values()] == places
    counts = json.loads((LISTS / "ImageNet_LT_train_class_counts.json").read_text())
    assert [len(ids) for ids in shot_groups(counts, rule).values()] == imagenet
