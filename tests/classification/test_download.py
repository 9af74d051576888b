"""Datasets that the command line of classification fetches."""

import pytest

from lit_seg.classification.data import download as room


def test_what_the_message_names_is_fetched(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    monkeypatch.setattr(room, "download", lambda archives, root: asked.append((archives, root)))
    assert room.main(["cifar10_lt"]) == 0
    ((archives, root),) = asked
    assert root == tmp_path / "cifar10_lt"
    assert archives[0].url.endswith("cifar-10-python.tar.gz")


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["places_lt"], 1, "is not fetched by a command"),
        (["cifar10"], 2, "did you mean"),
        ([], 2, "python -m lit_seg.classification download --help"),
    ],
)
def test_what_is_not_fetched_is_told(args, code, text, capsys):
    assert room.main(args) == code
    assert text in "".join(capsys.readouterr())
