"""The command ``python -m lit_seg data``: lists, downloads, checks, counts and shows datasets."""

import sys
from collections.abc import Sequence
from importlib import import_module

from lit_seg.cli.commands.run_command import one_line_errors
from lit_seg.errors import RunError, near

_COMMANDS = {
    "list": "list the datasets, where to get them and which of them are here",
    "download": "fetch NAME into its folder, where its licence allows it",
    "check": "look at every image and label of NAME and list all faults",
    "cache": "decode the images and labels of NAME once, or --remove true what was decoded",
    "count": "count the classes of NAME",
    "show": "draw images, labels and class frequencies of NAME into one picture",
}
_USAGE = (
    "usage: python -m lit_seg data COMMAND [NAME] [options]\n\n"
    + "\n".join(f"  {name:9} {what}" for name, what in _COMMANDS.items())
    + "\n\nNAME is a dataset of `list` or a YAML file with a `data` section; options are those of\n"
    "the dataset, such as --root; `COMMAND NAME --help` lists them.\n"
)


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Run a command; return 0, or 1 if the data has faults, or 2 if the command has."""
    if not args or args[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE)
        return 0 if args else 2
    if args[0] not in _COMMANDS:
        raise RunError(f"no command {args[0]!r} of data{near(args[0], _COMMANDS)}")
    command = import_module(f"lit_seg.cli.commands.data.{args[0]}")
    code: int = command.main(args[1:])
    return code
