"""Threads of torch sleep while they wait, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

from lit_seg.__main__ import main


@pytest.mark.parametrize(("given", "want"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait(
    given: str | None, want: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # restored afterwards
    monkeypatch.delenv("OMP_WAIT_POLICY")
    if given:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    monkeypatch.setattr(sys, "argv", ["lit_seg", "losses"])
    assert main() == 0
    assert os.environ["OMP_WAIT_POLICY"] == want


def test_it_is_said_before_torch_is_imported() -> None:
    """OpenMP reads it once, when torch loads it."""
    code = "import sys, lit_seg.__main__; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
