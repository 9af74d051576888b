"""``python -m lit_seg.classification``: trains, scores and compares classifiers."""

import os
import sys

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
    if name not in COMMANDS and not name.startswith("-"):
        print_error(RunError(f"there is no command {name!r}{near(name, COMMANDS)}"))
        return 2
    # imported late because they import all of Lightning
    if name in ("train", "compare"):
        from lit_seg.classification import compare

        code: int = getattr(compare, name)(args)
        return code
    if name == "export":
        from lit_seg.classification.export_command import main as export

        return export(args)
    if name == "download":
        from lit_seg.classification.data.download import main as fetch

        return fetch(args)
    from lit_seg.classification.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
