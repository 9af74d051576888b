"""The tests that need a GPU, one row for each as soon as it ends."""

import os
import time
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from experiments.gpu.section import Section

TITLE = "Right on CUDA"
SECONDS = 95
FOLDERS = ("tests/gpu", "tests/ops")
FIRST = ("gpu/test_command", "gpu/test_compile", "gpu/test_metrics", "gpu/test_training")
"""Those that take longest, for others can run beside them; then the most valuable."""
# An index that is out of range would be the end of CUDA for the tests after it, and each case of a
# kernel takes seconds to compile.
LAST = ("gpu/test_labels", "ops/")
WORKERS = 5
"""Processes that share the GPU: most of the time they compile or start, on cores of the CPU."""
SPARE = 4.0
"""Seconds before the end of the box at which no more test begins."""
END, SMOKE = "LIT_SEG_GPU_END", "LIT_SEG_GPU_SMOKE"
"""Variables that tell the processes of pytest when to end, and whether they only try."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of their places; in a smoke run one case of each test but the longest."""
    items.sort(key=lambda item: _place(item.nodeid))
    if SMOKE in os.environ:
        items[:] = [item for item in items if "gpu/test_command" not in item.nodeid]
        items[:] = {item.nodeid.partition("[")[0]: item for item in reversed(items)}.values()
        items.reverse()


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """End before the box does, so that all is written."""
    if time.time() > float(os.environ[END]):
        item.session.shouldstop = "the time is over"


class Rows:
    """A plugin of pytest that adds a row when a test has ended.

    The whole text of a failure goes to a file in the folder of the section.
    """

    def __init__(self, section: Section) -> None:
        self.section = section
        self.outcomes: dict[str, int] = {}
        section.folder.mkdir(parents=True, exist_ok=True)
        self.failures = section.folder / "failures.txt"
        self.failures.write_text("", encoding="utf-8")

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
    os.environ[END] = str(time.time() + section.seconds_left() - SPARE)
    if section.smoke:
        os.environ[SMOKE] = "yes"
    rows = Rows(section)
    options = ["-m", "gpu", "-q", "-p", "no:cacheprovider", "-p", __name__]
    options += ["-o", "tmp_path_retention_policy=none"]  # checkpoints would fill the disk
    if find_spec("xdist"):  # in the order of the tests, as far as several processes can
        options += ["-n", "0" if section.smoke else str(WORKERS), "--maxschedchunk=1"]
    if find_spec("pytest_timeout"):
        options += ["--timeout=80"]
    folders = [folder for folder in FOLDERS if os.path.isdir(folder)]
    with TemporaryDirectory() as temporary:
        own = f"--basetemp={temporary}/tests"  # another pytest of the user may tidy up the default
        code = pytest.main([*options, own, *folders], plugins=[rows])
    counts = ", ".join(f"{number} {outcome}" for outcome, number in rows.outcomes.items())
    section.note(
        f"{counts} in {time.monotonic() - begun:.0f} s; pytest ended with {int(code)}. Losses: the "
        "error of value and gradient from float32 logits over its tolerance, the most of all "
        "options, layouts and modes; bfloat16 is asserted, too."
    )
    if section.seconds_left() < SPARE + 1:
        section.note("The time was over before all tests had run.")
    if wrong := rows.outcomes.get("failed"):
        raise RuntimeError(f"{wrong} tests failed")
