"""What tests of several implementations share."""

import pytest

from lit_seg.ops import compiled


@pytest.fixture
def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of `compiled` as they are written: compiling takes ten seconds."""
    functions = compiled._write_forward, compiled._write_backward
    monkeypatch.setattr(compiled, "_compiled", lambda: functions)
    monkeypatch.setattr(compiled, "LEAST_PIXELS", 0)
