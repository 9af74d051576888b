"""Keys of metrics: what is joined is split again."""

import pytest

from lit_seg.runs.records import join_key, split_key


@pytest.mark.parametrize("stat", ["class/weight", "val/iou", "cost/step_seconds", "train/loss"])
@pytest.mark.parametrize("name", ["", "road", "sign/symbol", "traffic light 3.5 t"])
def test_a_key_is_split_into_what_it_was_joined_of(stat: str, name: str) -> None:
    assert split_key(join_key(stat, name)) == (stat, name)


@pytest.mark.parametrize("key", ["epoch", "lr-AdamW", "system/gpu", "val/classes.path"])
def test_keys_of_other_programs_are_left_out(key: str) -> None:
    assert split_key(key) is None
