"""``python -m lit_seg.classification download``: fetches a dataset of images of one class each."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.classification.data import DATASETS
from lit_seg.classification.parser import ClassifierParser
from lit_seg.cli.commands.run_command import one_line_errors
from lit_seg.data.download.fetch import download
from lit_seg.data.facts import default_root, from_home
from lit_seg.errors import RunError, near


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Fetch what is missing of a dataset; 1 if the user must get it by hand."""
    parser = ClassifierParser("download")
    parser.add_argument("name", help=f"one of {', '.join(DATASETS)}")
    parser.add_argument("folder", nargs="?", help="where it goes; $DATA_ROOT/<name> by default")
    given = parser.parse_args(args)
    name = given.name
    if name not in DATASETS:
        raise RunError(f"no dataset {name!r}{near(name, DATASETS)}")
    card = DATASETS[name].card
    if not card.downloads:
        sys.stdout.write(f"{name} is not fetched by a command. {card.how_to_get}\n")
        return 1
    root: Path = from_home(given.folder) if given.folder else default_root(name)
    sys.stdout.write(f"licence: {card.licence}\ncite: {card.citation}\ninto: {root}\n")
    download(card.downloads, root)
    return 0
