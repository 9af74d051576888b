"""Many, medium and few, on counts that differ by rule and on the real lists."""

import json
import math
import os
from collections import Counter
from pathlib import Path

import pytest

from lit_seg.errors import RunError
from lit_seg.metrics.scores import STAT_NAMES
from lit_seg.metrics.shot_groups import class_groups, group_accuracies, shot_groups
from lit_seg.metrics.task_words import check_known, few_of, words_of

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


def test_groups_of_a_run_are_those_that_have_classes():
    counts = [19, 500, 101, 1, 20]
    assert class_groups(counts, "kang") == {"many": [1, 2], "medium": [4], "few": [0, 3]}
    assert class_groups([200, 30, 300], "kang") == {"many": [2, 0], "medium": [1]}
    thirds = {"head": [1], "medium": [2], "tail": [0]}
    # one group of all classes compares nothing
    assert class_groups([200, 400, 300], "kang") == thirds
    assert class_groups([20, 500, 101], None) == thirds


def test_words_are_of_images_for_a_classifier_alone():
    of_pixels = words_of(["head", "medium", "tail"], None)
    assert (of_pixels.unit, of_pixels.main, of_pixels.rare) == ("pixel", "miou", "tail")
    assert of_pixels.stats == STAT_NAMES
    words = words_of(["many", "medium"], "kang")
    assert (words.frequent, words.rare) == ("many-shot", "medium-shot")
    assert words.stats["tail_recall"] == "medium-shot recall"
    assert "pixel" not in " ".join([*words.stats.values(), words.groups, words.overall])
    in_thirds = words_of(["head", "tail"], "thirds")
    assert (in_thirds.unit, in_thirds.rare, in_thirds.groups) == ("image", "tail", of_pixels.groups)
    assert few_of(["a", "b", "c"], 2) == "a, b and 1 more"


def test_a_class_that_is_none_is_told():
    with pytest.raises(RunError, match="no 'rod'; did you mean 'road'"):
        check_known(["car", "rod"], ["road", "car"])
    check_known(["car", "road"], ["road", "car"])  # these are told nothing
