"""``python -m lit_seg.classification``: trains, scores and compares classifiers."""

import os
import sys

from lit_seg.cli.commands import load_module
from lit_seg.cli.output import print_error
from lit_seg.errors import RunError, near
from lit_seg.files.unicode import ensure_utf8

COMMANDS = {
    "train": "trains a method on a dataset, both by name, after its first stage if it has one",
    "compare": "trains several methods on several seeds, and writes Tables 4 and 5",
    "fit": "trains by configuration files, or goes on with a run by --resume",
    "validate": "scores a run or a checkpoint on the validation images",
    "test": "scores a run or a checkpoint on the test images",
    "export": "writes what a run decides by as one file that runs without lit_seg (torch, ONNX)",
    "download": "fetches a dataset where its licence allows it, else tells how to get it",
}
USAGE = "\n".join(
    ["usage: python -m lit_seg.classification COMMAND [options]", ""]
    + [f"  {name:10}{what}" for name, what in COMMANDS.items()]
    + ["", "`COMMAND --help` lists the options. `lit_seg report` and `diagnose` read the runs.", ""]
)


def main() -> int:
    """Run the command in ``sys.argv``; returns the exit code."""
    ensure_utf8()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    name, *args = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if sys.argv[1:] else 2
    try:
        return _run(name, args)
    except RunError as error:
        print_error(error)
        return 2


def _run(name: str, args: list[str]) -> int:
    """Import what the command needs, and no more, and run it."""
    if name not in COMMANDS and not name.startswith("-"):
        raise RunError(f"there is no command {name!r}{near(name, COMMANDS)}")
    if name in ("train", "compare"):
        code: int = getattr(load_module("lit_seg.classification.compare"), name)(args)
    elif name == "export":
        code = load_module("lit_seg.classification.export_command").main(args)
    elif name == "download":
        code = load_module("lit_seg.classification.data.download").main(args)
    else:
        code = load_module("lit_seg.classification.cli").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
