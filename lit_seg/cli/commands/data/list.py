"""Listing the datasets, where to get them, and which of them are here."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from lit_seg.data import DATASETS, SegDataModule
from lit_seg.data.facts import default_root
from lit_seg.errors import RunError


def main(args: Sequence[str]) -> int:
    """Print a table of all datasets, or all facts about one."""
    if args and args[0] in ("-h", "--help"):
        sys.stdout.write("usage: python -m lit_seg data list [NAME]\n")
        return 0
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a pipe has no edge to wrap at
    if not args:
        table = Table("DATA", "what", "train / val / test", "licence", "get it by", "here")
        table.columns[0].no_wrap = True
        for name, cls in DATASETS.items():
            table.add_row(
                name, cls.card.what, _images(cls), cls.card.licence, _way(cls), _here(cls)
            )
        console.print(table)
        console.print("`python -m lit_seg data list NAME` tells all about one.", highlight=False)
        return 0
    if len(args) > 1 or args[0] not in DATASETS:
        raise RunError(f"no dataset {' '.join(args)!r}; there are: {', '.join(DATASETS)}")
    cls = DATASETS[args[0]]
    lines = {
        "what": cls.card.what,
        "class": f"lit_seg.data.{cls.__name__}",
        "images": _images(cls),
        "licence": cls.card.licence,
        "cite": cls.card.citation,
        "folder": f"{default_root(cls.folder)} ({_here(cls) or 'not here'})",
        "get it by": _way(cls),
        "by hand": cls.card.how_to_get,
        "fetches": "\n          ".join(archive.url for archive in cls.card.downloads) or "nothing",
    }
    for key, value in lines.items():
        console.print(f"{key:9} {value}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _images(cls: type[SegDataModule]) -> str:
    counts = [str(cls.card.images.get(name, "-")) for name in ("train", "val", "test")]
    return " / ".join(counts) if cls.card.images else "yours"


def _way(cls: type[SegDataModule]) -> str:
    if cls.card.downloads:
        return f"data download {cls.folder}"
    return "nothing to get" if cls.folder == "streets" else "by hand"


def _here(cls: type[SegDataModule]) -> str:
    if cls.folder == "streets":
        return "yes"
    root = default_root(cls.folder)
    return "yes" if cls.card.images and root.is_dir() and any(root.iterdir()) else ""
