"""Fetching a dataset where its licence allows that; instructions where not."""

import sys
from collections.abc import Sequence

from lit_seg.commands.data.which import which
from lit_seg.data.download.fetch import download


def main(args: Sequence[str]) -> int:
    """Fetch what is missing; 1 where it must be done by hand."""
    data, _ = which(args, "download")
    card = data.card
    if not card.downloads:
        sys.stdout.write(f"{data.folder} is not fetched by a command. {card.how_to_get}\n")
        return 0 if data.folder == "streets" else 1
    sys.stdout.write(f"licence: {card.licence}\ncite: {card.citation}\ninto: {data.root}\n")
    download(card.downloads, data.root)
    sys.stdout.write(f"next: python -m lit_seg data check {args[0]}\n")
    return 0
