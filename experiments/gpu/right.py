"""The tests that need a GPU, one row for each as soon as it ends."""

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
FIRST = ("gpu/test_losses", "gpu/test_training", "ops/", "gpu/test_command", "gpu/test_metrics")
# An index that is out of range would be the end of CUDA for the tests after it, and compiling takes
# half a minute.
LAST = ("gpu/test_labels", "gpu/test_compile")


class Rows:
    """A plugin of pytest that orders the tests and adds a row when one has ended."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.outcomes: dict[str, int] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The most valuable first; in a smoke run one case of each test but the longest."""
        items.sort(key=lambda item: _place(item.nodeid))
        if self.section.smoke:
            items[:] = [item for item in items if "gpu/test_command" not in item.nodeid]
            items[:] = {item.nodeid.partition("[")[0]: item for item in reversed(items)}.values()
            items.reverse()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported."""
        if report.failed:
            self._add(report.nodeid, "failed", 0.0, error=_last_line(report))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that ended, or a fixture that failed."""
        if report.when == "call" or not report.passed:
            name = report.nodeid if report.when == "call" else f"{report.nodeid} ({report.when})"
            found = "; ".join(f"{key}: {value}" for key, value in report.user_properties)
            outcome = report.outcome
            reason = "" if report.passed else _last_line(report)
            self._add(name, outcome, report.duration, found=found, error=reason)

    def _add(self, name: str, outcome: str, seconds: float, **columns: Any) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        short = name.removeprefix("tests/").replace(".py", "").replace("test_", "")
        self.section.row("tests", test=short, outcome=outcome, seconds=seconds, **columns)


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
    rows = Rows(section)
    options = ["-m", "gpu", "-q", "--tb=short", "-p", "no:cacheprovider"]
    options += ["-o", "tmp_path_retention_policy=none"]  # checkpoints would fill the disk
    if find_spec("xdist"):
        options += ["-p", "no:xdist"]
    if find_spec("pytest_timeout"):
        options += ["--timeout=60"]
    folders = [folder for folder in FOLDERS if os.path.isdir(folder)]
    code = pytest.main([*options, *folders], plugins=[rows])
    counts = ", ".join(f"{number} {outcome}" for outcome, number in rows.outcomes.items())
    section.note(
        f"{counts} in {time.monotonic() - begun:.0f} s; pytest ended with {int(code)}. Losses: the "
        "error of value and gradient from float32 logits over its tolerance, the most of all "
        "options, layouts and modes; bfloat16 is asserted, too."
    )
