"""The command line of what runs in sections: `make gpu` and `make bench`."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from lit_seg.errors import RunError


def section_parser(name: str, description: str | None, sections: Sequence[str]) -> ArgumentParser:
    """A parser with the words for sections, ``--out`` and ``--quick``.

    Args:
        name: of the folder of the script in experiments, and of its results in runs.
        description: for ``--help``.
        sections: their names.
    """
    parser = ArgumentParser(
        prog=f"python -m experiments.{name}",
        description=description,
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="section",
        help=f"of {', '.join(sections)}; results of the others stay",
    )
    folder = Path("runs", name)
    parser.add_argument("--out", type=Path, default=folder, help=f"of the results, {folder}")
    parser.add_argument("--quick", action="store_true", help="only try everything, in seconds")
    return parser


def check_sections(asked: Sequence[str], sections: Sequence[str]) -> None:
    """Raise a RunError that names what is none of the sections."""
    for name in asked:
        if name not in sections:
            raise RunError(f"there is no section {name!r}; there are {', '.join(sections)}")
