"""Every key, axis, table, field and expression of the dashboards is one that a run logs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lit_seg.cli.wandb_private import spec_of
from lit_seg.dashboard import topics
from lit_seg.dashboard.pages import build_report, build_workspace
from lit_seg.runs.records import CLASS_STEP, GLOBAL_STEP
from tests.test_wandb import logged_config, read

SPEC = spec_of(*(build("me", "losses", "streets") for build in (build_workspace, build_report)))


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings within a value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from dicts(inner)


def used_keys(spec: dict[str, Any]) -> set[str]:
    """What panels, axes and columns name, as W&B's pages will look it up."""
    found: set[str] = set()
    for part in dicts(spec):
        axes = [part.get(axis) for axis in ("xAxis", "yAxis")]
        found |= {axis.removeprefix("summary:") for axis in axes if axis}
        found |= {*part.get("metrics", ()), *part.get("mediaKeys", ())}
        found |= {c[8:] for c in part.get("columnPinned", ()) if c.startswith("summary:")}
        if part.get("name") == "tableKey":
            found.add(part["value"])
        if part.get("nodeType") == "const":  # of the query for a table
            found.add(part["val"])
    return found - {"_step"}  # W&B's own


@pytest.fixture(scope="module")
def records(run: Path) -> list[dict[str, Any]]:
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    return read(file)


@pytest.fixture(scope="module")
def logged(records: list[dict[str, Any]]) -> dict[str, str]:
    """Every key, and what it holds: a number, or the kind of object."""
    found: dict[str, str] = {}
    for item in (r["history"]["item"] for r in records if r["type"] == "history"):
        found |= {key: "number" for key, value in item.items() if isinstance(value, int | float)}
        found |= {k.removesuffix("._type"): v for k, v in item.items() if k.endswith("._type")}
    return found


@pytest.mark.parametrize("part", ["workspace", "report"])
def test_every_key_of_a_panel_is_logged(part: str, logged: dict[str, str]) -> None:
    used = used_keys(SPEC[part]["spec"])
    assert used >= {*topics.SCORES, *topics.COSTS, GLOBAL_STEP, CLASS_STEP}
    assert used >= {topics.OVERLAYS, topics.CLASS_TABLE, topics.CONFUSION}
    assert used <= logged.keys(), f"not logged: {sorted(used - logged.keys())}"
    objects = {key: kind for key, kind in logged.items() if key in used and kind != "number"}
    tables = dict.fromkeys((topics.CLASS_TABLE, topics.CONFUSION), "table-file")
    assert objects == {**tables, topics.OVERLAYS: "images/separated"}


@pytest.mark.parametrize("part", ["workspace", "report"])
def test_every_expression_finds_the_classes_of_its_statistic(
    part: str, logged: dict[str, str]
) -> None:
    found = {p["metricRegex"] for p in dicts(SPEC[part]["spec"]) if "metricRegex" in p}
    stats = [*topics.CLASS_SCORES, *topics.CLASS_SHARES, "val/iou"]
    assert found == {topics.of_each_class(stat) for stat in stats}
    for stat in stats:
        classes = {key for key in logged if re.search(topics.of_each_class(stat), key)}
        assert classes, f"no key of {stat}"
        assert {key.rsplit("/", 1)[0] for key in classes} == {stat}
        assert f"{stat}/road" in classes


def test_an_expression_takes_one_statistic_and_any_class() -> None:
    found = re.compile(topics.of_each_class("class/recall"))
    names = [
        "class/recall/road",
        "class/recall/a/b (c)",
        "class/recall_norm/road",
        "x/class/recall/a",
    ]
    assert [bool(found.search(name)) for name in names] == [True, True, False, False]


def test_groups_and_filters_are_of_what_a_run_is_called(
    records: list[dict[str, Any]],
) -> None:
    (record,) = (r["run"] for r in records if r["type"] == "run")
    assert record["display_name"] == "streets/unet_resnet18/recall/seed0"
    assert record["run_group"] == "streets/unet_resnet18/recall"
    assert record["job_type"] == "train"
    assert set(record["tags"]) == {"streets", "unet_resnet18", "recall"}
    config = logged_config(records)
    names = {
        "data_name": "streets",
        "model_name": "unet_resnet18",
        "loss_name": "recall",
        "seed": 0,
    }
    assert {key: config[key] for key in names} == names
    grouped = {p["groupBy"] for p in dicts(SPEC) if "groupBy" in p}
    assert grouped == {"group"}  # W&B's name for `run_group`
    filters = [f for p in dicts(SPEC) for f in p.get("filters", ()) if isinstance(f, dict)]
    assert len(filters) == 1 + len(topics.topics())
    for one in filters:
        assert one["key"] == {"section": "config", "name": topics.DATA}
        assert one["value"] == config[topics.DATA]


def test_without_data_all_runs_are_shown() -> None:
    spec = spec_of(*(build("me", "losses") for build in (build_workspace, build_report)))
    assert not [f for p in dicts(spec) for f in p.get("filters", ()) if isinstance(f, dict)]


def test_view_and_report_show_the_same_panels() -> None:
    def titles(spec: dict[str, Any]) -> list[str]:
        return [p["chartTitle"] for p in dicts(spec) if "chartTitle" in p]

    assert titles(SPEC["workspace"]["spec"]) == titles(SPEC["report"]["spec"])
    assert (
        len(titles(SPEC["report"]["spec"]))
        == sum(len(topic.panels) for topic in topics.topics()) - 2
    )
