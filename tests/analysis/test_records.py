"""Keys of metrics: what is joined is split again."""

import ast
from pathlib import Path

import pytest

import lit_seg
from lit_seg.runs.records import KINDS, join_key, split_key, split_stat, stat_of


@pytest.mark.parametrize("stat", ["class/weight", "val/iou", "cost/step_seconds", "train/loss"])
@pytest.mark.parametrize("name", ["", "road", "sign/symbol", "traffic light 3.5 t"])
def test_a_key_is_split_into_what_it_was_joined_of(stat: str, name: str) -> None:
    assert split_key(join_key(stat, name)) == (stat, name)


@pytest.mark.parametrize("key", ["epoch", "lr-AdamW", "system/gpu", "val/classes.path"])
def test_keys_of_other_programs_are_left_out(key: str) -> None:
    assert split_key(key) is None


def test_a_statistic_is_split_into_what_it_was_joined_of() -> None:
    assert split_stat(stat_of("class", "weight")) == ("class", "weight")


def test_statistics_are_joined_in_one_module_only() -> None:
    begun = tuple(f"{kind}/" for kind in KINDS)
    found = []
    for path in Path(lit_seg.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else None
            text = getattr(first or node, "value", None)
            joined = isinstance(text, str) and text.startswith(begun)
            if joined and (first or text in begun):
                found.append(f"{path}:{node.lineno}")
    assert found == []
