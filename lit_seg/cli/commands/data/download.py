"""Fetching a dataset where its licence allows it, else telling how to get it."""

import shlex
import sys
from collections.abc import Sequence

from lit_seg.cli.commands.data.dataset_argument import dataset_of
from lit_seg.data import SegDataModule
from lit_seg.data.download.fetch import download
from lit_seg.errors import DataError


def main(args: Sequence[str]) -> int:
    """Fetch what is missing; return 1 if the user must get it by hand."""
    data, asked = dataset_of(args, "download", {"again": False})
    card = data.card
    if not card.downloads:
        sys.stdout.write(f"{data.folder} is not fetched by a command. {card.how_to_get}\n")
        return 0 if data.folder == "streets" else 1
    if not asked["again"] and _is_there(data):
        sys.stdout.write(
            f"{data.folder} is in {data.root} already; `--again true` fetches it all the same, and "
            "replaces files of equal names\n"
        )
        return 0
    sys.stdout.write(f"licence: {card.licence}\ncite: {card.citation}\ninto: {data.root}\n")
    download(card.downloads, data.root)
    sys.stdout.write(f"next: python -m lit_seg data check {shlex.join(args)}\n")
    return 0


def _is_there(data: SegDataModule) -> bool:
    """Whether all splits can be made and the first image can be loaded."""
    try:
        splits = [data.split(name) for name in data.card.images]
        splits[0].load(0)  # some datasets make a split of labels alone
    except (DataError, IndexError):
        return False
    return True
