"""docs/dashboards.md: its commands are understood, and its table is what is shown."""

import re
import shlex
from pathlib import Path

import pytest
from wandb.cli import cli as wandb_cli

from lit_seg.cli.commands.dashboard import _parse
from lit_seg.dashboard import topics

ROOT = Path(__file__).parent.parent.parent
DOC = (ROOT / "docs" / "dashboards.md").read_text()
LINES = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```sh\n(.*?)```", DOC, re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_every_command_is_understood(words: list[str]) -> None:
    if words[0] == ".venv/bin/python":
        assert words[1:4] == ["-m", "lit_seg", "dashboard"]
        assert _parse(words[4:]).entity == "my-team"
        return
    assert words[0] == ".venv/bin/wandb"
    command = getattr(wandb_cli, words[1])
    with command.make_context(words[1], words[2:]) as context:
        given = context.params
    if words[1] == "sweep":
        assert (ROOT / given["config_yaml_or_sweep_id"]).is_file()
    if words[1] == "agent":
        assert given["sweep_id"] == "my-team/lit_seg/SWEEP_ID"


def test_the_table_is_what_is_shown() -> None:
    (table,) = re.findall(r"\| question \|.*?\n\n", DOC, re.DOTALL)
    cells = [row.strip("|").split(" | ") for row in table.strip().splitlines()[2:]]
    assert [row[0].strip() for row in cells if row[0].strip()] == [
        t.question for t in topics.topics()
    ]
    shown = [
        panel.title for t in topics.topics() for panel in t.panels if getattr(panel, "title", None)
    ]
    for title in shown:
        assert title in table, title
    named = set(re.findall(r"`([^`]+?)(?:/\*)?`", table))
    stats = {*topics.CLASS_SCORES, *topics.CLASS_SHARES, "val/iou"}
    objects = {topics.OVERLAYS, topics.CLASS_TABLE, topics.CONFUSION.removesuffix("_table")}
    assert named == {*topics.SCORES, *stats, *objects, "cost"}
