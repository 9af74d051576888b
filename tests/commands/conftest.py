"""What the tests of the data commands share."""

import pytest

from lit_seg.data import CamVid
from tests.data import layouts


@pytest.fixture(autouse=True)
def _private(tmp_path, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    monkeypatch.setattr(CamVid, "native_size", layouts.SIZES["camvid"])
    root = tmp_path / "data" / "camvid"
    layouts.camvid(root)
    return root
