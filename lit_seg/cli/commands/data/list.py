"""Listing the datasets, where to get them, and which of them are here."""

import sys
from collections.abc import Sequence
from typing import get_args

from rich.table import Table

from lit_seg.cli.commands.run_command import console_of_width
from lit_seg.data import DATASETS, SegDataModule
from lit_seg.data.card import SplitName
from lit_seg.data.facts import default_root
from lit_seg.errors import RunError, near


def main(args: Sequence[str]) -> int:
    """Print a table of all datasets, or all facts about one."""
    if args and args[0] in ("-h", "--help"):
        sys.stdout.write("usage: python -m lit_seg data list [NAME]\n")
        return 0
    console = console_of_width(200)
    if not args:
        table = Table("DATA", "what", "train / val / test", "licence", "get it by", "here")
        table.columns[0].no_wrap = True
        for column in table.columns:
            column.overflow = "fold"  # in a narrow terminal, where the default would cut it
        for name, cls in DATASETS.items():
            facts = _facts(cls)
            shown = [facts[key] for key in ("what", "images", "licence", "get it by")]
            table.add_row(name, *shown, _here(cls))
        console.print(table)
        console.print("`python -m lit_seg data list NAME` tells all about one.", highlight=False)
        return 0
    if len(args) > 1 or args[0] not in DATASETS:
        raise RunError(f"no dataset {' '.join(args)!r}{near(' '.join(args), DATASETS)}")
    for key, value in _facts(DATASETS[args[0]]).items():
        console.print(f"{key:9} {value}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _facts(cls: type[SegDataModule]) -> dict[str, str]:
    card = cls.card
    images = " / ".join(str(card.images.get(name, "-")) for name in get_args(SplitName))
    by_hand = "nothing to get" if cls.folder == "streets" else "by hand"
    return {
        "what": card.what,
        "class": f"lit_seg.data.{cls.__name__}",
        "images": images if card.images else "yours",
        "licence": card.licence,
        "cite": card.citation,
        "folder": f"{default_root(cls.folder)} ({_here(cls) or 'not here'})",
        "get it by": f"data download {cls.folder}" if card.downloads else by_hand,
        "by hand": card.how_to_get,
        "fetches": "\n          ".join(archive.url for archive in card.downloads) or "nothing",
    }


def _here(cls: type[SegDataModule]) -> str:
    if cls.folder == "streets":
        return "yes"
    root = default_root(cls.folder)
    return "yes" if cls.card.images and root.is_dir() and any(root.iterdir()) else ""
