"""``python -m lit_seg.classification download``: fetches a dataset of images of one class each."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.classification.data import DATASETS
from lit_seg.cli.commands.run_command import one_line_errors
from lit_seg.data.download.fetch import download
from lit_seg.data.facts import default_root, from_home
from lit_seg.errors import RunError, near


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Fetch what is missing of ``NAME``, into ``FOLDER``; 1 if the user must get it by hand."""
    name, *rest = args or [""]
    if name not in DATASETS:
        raise RunError(f"no dataset {name!r}{near(name, DATASETS)}")
    if len(rest) > 1:
        raise RunError(f"`download {name}` takes one folder at most, got {len(rest)}")
    card = DATASETS[name].card
    if not card.downloads:
        sys.stdout.write(f"{name} is not fetched by a command. {card.how_to_get}\n")
        return 1
    root: Path = from_home(rest[0]) if rest else default_root(name)
    sys.stdout.write(f"licence: {card.licence}\ncite: {card.citation}\ninto: {root}\n")
    download(card.downloads, root)
    return 0
