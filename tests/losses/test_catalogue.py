"""The table of losses: the file, and the command that prints it."""

import sys

import pytest

from lit_seg.__main__ import main
from lit_seg.cli.commands import losses
from lit_seg.losses.base import CARDS, SegLoss
from lit_seg.losses.catalogue import every_loss
from tests.losses.every import exported

FAMILIES = ["plain", "weighted", "modulated", "adjusted", "overlap", "wrapper"]


def test_every_exported_loss_has_its_own_card():
    assert set(every_loss()) == set(exported())
    for cls in exported():
        assert "card" in vars(cls)  # not its parent's
        assert all(cls.card)
    names = [name for cls in exported() for name in cls.card.name.split(", ")]
    assert len(set(names)) == len(names)


def test_every_docstring_says_what_its_reader_needs():
    for cls in exported():
        text = cls.__doc__
        assert all(part in text for part in ("Args:", "Shapes:", "Example:", ">>> ")), cls
        assert "Reference:" in text or cls.card.paper == "none", cls


def test_the_table_goes_family_by_family():
    families = [cls.card.family for cls in every_loss()]
    assert list(dict.fromkeys(families)) == FAMILIES
    assert families == sorted(families, key=FAMILIES.index)


def test_a_loss_of_a_user_needs_no_line_in_the_table():
    class Own(SegLoss):
        """Of another package."""

    assert "Own" not in CARDS
    assert not hasattr(Own, "card")


def test_the_command_prints_every_formula(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lit_seg", "losses"])
    assert main() == 0
    shown = capsys.readouterr().out
    for cls in exported():
        assert cls.card.formula in shown
        assert all(name in shown for name in cls.card.name.split(", "))


@pytest.mark.parametrize("name", ["pat", "PATLoss"])
def test_the_command_tells_all_about_one(name, capsys):
    assert losses.main([name]) == 0
    shown = capsys.readouterr().out
    assert "--model.loss.temperature  (default 20.0)" in shown
    assert "arXiv 2404.05393, Eq. 4-5" in shown


def test_a_loss_that_wraps_another_says_so(capsys):
    assert losses.main(["focal_drw"]) == 0
    shown = capsys.readouterr().out
    assert "--model.loss.loss  (set by LOSS; its options: --model.loss.loss.<option>)" in shown


def test_an_unknown_name_lists_the_known_ones(capsys):
    assert losses.main(["patt"]) == 2
    assert "no loss 'patt'; did you mean 'pat'? There are: ce, cb, wce" in capsys.readouterr().err


def test_help(capsys):
    assert losses.main(["--help"]) == 0
    assert "usage: python -m lit_seg losses [-h] [NAME]" in capsys.readouterr().out
