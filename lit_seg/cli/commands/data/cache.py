"""Decoding the images and labels of a dataset beforehand, so that training need not."""

import sys
from collections.abc import Sequence
from typing import get_args

from lit_seg.cli.commands.data.dataset_argument import dataset_of
from lit_seg.data.card import SplitName
from lit_seg.data.decoded import remove_decoded
from lit_seg.errors import NotThereError, plural


def main(args: Sequence[str]) -> int:
    """Print a line for each split, with the place and size of its file."""
    data, asked = dataset_of(args, "cache", {"remove": False})
    if asked["remove"]:
        gone = remove_decoded(data.folder)
        sys.stdout.write(f"removed {plural(len(gone), 'file')} of {data.folder}\n")
        return 0
    data.cache = data.cache or "full"
    for name in get_args(SplitName):
        try:
            split = data.decoded(name)
        except NotThereError as error:
            if name != "test":  # which training does not need
                raise
            sys.stdout.write(f"{name:5} is not decoded: {error}\n")
            continue
        size = f"{split.path.stat().st_size / 2**20:,.1f} MB"
        sys.stdout.write(f"{name:5} {plural(len(split), 'image')}, {size}, {split.path}\n")
    return 0
