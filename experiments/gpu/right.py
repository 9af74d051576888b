"""The tests that need a GPU, one row for each as soon as it ends.

Where a machine is lent for minutes, a second call goes on from the first: with the variable
`LIT_SEG_GPU_BEFORE`, the `right.json` of the first, tests that passed there come last, and keep
their row if no time is left for them.
"""

import json
import os
import time
from importlib.util import find_spec
from typing import Any

import pytest
import torch

from experiments.gpu.section import Section

TITLE = "Right on CUDA"
SECONDS = 95
FOLDERS = ("tests/gpu", "tests/ops")
FIRST = ("gpu/test_metrics", "gpu/test_losses", "gpu/test_training", "gpu/test_ranks")
# An index that is out of range would be the end of CUDA for the tests after it, and compiling takes
# half a minute, kernels of Triton two seconds for each case.
LAST = ("gpu/test_labels", "gpu/test_compile", "ops/")
SPARE = 4.0
"""Seconds before the end of the box at which no more test begins."""


class Rows:
    """A plugin of pytest that orders the tests and adds a row when one has ended.

    Args:
        section: where the rows go; the whole text of a failure goes to a file of the section.
        before: the row of each test that passed in an earlier call, by its name.
    """

    def __init__(self, section: Section, before: dict[str, dict[str, Any]]) -> None:
        self.section = section
        self.before = before
        self.outcomes: dict[str, int] = {}
        section.folder.mkdir(parents=True, exist_ok=True)
        self.failures = section.folder / "failures.txt"
        self.failures.write_text("")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The most valuable first; in a smoke run one case of each test but the longest."""
        items.sort(key=lambda item: (_short(item.nodeid) in self.before, _place(item.nodeid)))
        if self.section.smoke:
            items[:] = [item for item in items if "gpu/test_command" not in item.nodeid]
            items[:] = {item.nodeid.partition("[")[0]: item for item in reversed(items)}.values()
            items.reverse()

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """End before the box does, so that all is written."""
        if self.section.seconds_left() < SPARE:
            item.session.shouldstop = "the time is over"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported."""
        if report.failed:
            self._add(report, report.nodeid, 0.0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that ended, or a fixture that failed."""
        if report.when == "call" or not report.passed:
            name = report.nodeid if report.when == "call" else f"{report.nodeid} ({report.when})"
            found = "; ".join(f"{key}: {value}" for key, value in report.user_properties)
            self._add(
                report, name, report.duration, found=_last_line(report) if report.skipped else found
            )

    def _add(self, report: Any, name: str, seconds: float, **columns: Any) -> None:
        outcome = report.outcome
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if report.failed:
            columns["error"] = _last_line(report)
            with self.failures.open("a", encoding="utf-8") as file:
                file.write(f"{'=' * 80}\n{name}\n{report.longreprtext}\n{report.capstderr}\n")
        self.before.pop(_short(name), None)
        self.section.row("tests", test=_short(name), outcome=outcome, seconds=seconds, **columns)

    def keep_earlier(self) -> None:
        """Rows of tests that passed in an earlier call and did not run again."""
        for row in self.before.values():
            self.section.row("tests", **{**row, "outcome": "passed in an earlier call"})


def _short(name: str) -> str:
    """The name of a test as the table has it."""
    return name.removeprefix("tests/").replace(".py", "").replace("test_", "")


def _passed_before() -> dict[str, dict[str, Any]]:
    """The rows of tests that passed in an earlier call, by name."""
    path = os.environ.get("LIT_SEG_GPU_BEFORE")
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["tables"]["tests"]
    return {row["test"]: row for row in rows if row["outcome"].startswith("passed")}


def _place(name: str) -> int:
    """The place among ``FIRST``, the others and ``LAST``."""
    order = [*FIRST, "", *LAST]
    found = [place for place, part in enumerate(order) if part and part in name]
    return found[0] if found else order.index("")


def _last_line(report: Any) -> str:
    """What went wrong, in one line; why, where a test was left out."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return " ".join(lines[:3])[:400]


def run(section: Section) -> None:
    """Run them in this process, whose box ends them if they hang."""
    begun = time.monotonic()
    torch.set_num_threads(1)  # tensors are small
    if section.device.type == "cuda":
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # the tests hide it by default
        os.environ.setdefault("NCCL_SOCKET_IFNAME", "lo")
    else:
        os.environ["LIT_SEG_TEST_DEVICE"] = "cpu"
    rows = Rows(section, _passed_before())
    options = ["-m", "gpu", "-q", "-p", "no:cacheprovider"]
    options += ["-o", "tmp_path_retention_policy=none"]  # checkpoints would fill the disk
    if find_spec("xdist"):
        options += ["-p", "no:xdist"]
    if find_spec("pytest_timeout"):
        options += ["--timeout=60"]
    folders = [folder for folder in FOLDERS if os.path.isdir(folder)]
    code = pytest.main([*options, *folders], plugins=[rows])
    rows.keep_earlier()
    counts = ", ".join(f"{number} {outcome}" for outcome, number in rows.outcomes.items())
    section.note(
        f"{counts} in {time.monotonic() - begun:.0f} s; pytest ended with {int(code)}. Losses: the "
        "error of value and gradient from float32 logits over its tolerance, the most of all "
        "options, layouts and modes; bfloat16 is asserted, too."
    )
