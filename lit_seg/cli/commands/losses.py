"""``python -m lit_seg losses [NAME]``: the table of all losses, or the documentation of one."""

import inspect
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from lit_seg.cli.commands.run_command import Parser, console_of_width, one_line_errors
from lit_seg.errors import RunError, near
from lit_seg.losses import SegLoss
from lit_seg.losses.catalogue import every_loss


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Print the table or the loss."""
    parser = Parser("losses")
    parser.add_argument("name", nargs="?", metavar="NAME", help="show all about this LOSS or class")
    name = parser.parse_args(args).name
    console = console_of_width(240)
    if name is None:
        _print_table(console)
        return 0
    found = [cls for cls in every_loss() if name in _names(cls)]
    if not found:
        known = (name for cls in every_loss() for name in _names(cls)[1:])
        raise RunError(f"no loss {name!r}{near(name, known)}")
    cls = found[0]
    lines = [f"LOSS={cls.card.name}, class lit_seg.losses.{cls.__name__}"]
    for option in list(inspect.signature(cls).parameters.values())[1:]:
        note = f"default {option.default}"
        if option.default is option.empty:  # only the wrappers have such options
            more = "all of them, as '[FocalLoss, SoftDiceLoss]' or in a YAML file"
            one = f"its options: --model.loss.{option.name}.<option>"
            note = f"set by LOSS; {more if option.name == 'losses' else one}"
        lines.append(f"  --model.loss.{option.name}  ({note})")
    sys.stdout.write("\n".join([*lines, "", inspect.getdoc(cls) or "", ""]))
    return 0


def _names(cls: type[SegLoss]) -> list[str]:
    return [cls.__name__, *cls.card.name.split(", ")]


def _print_table(console: Console) -> None:
    table = Table("LOSS", "formula", "needs", "arXiv", "public code differs")
    table.columns[0].no_wrap = True
    for column in table.columns:
        column.overflow = "fold"  # in a narrow terminal, where the default would cut it
    family = ""
    for cls in every_loss():
        card = cls.card
        if card.family != family:
            family = card.family
            table.add_section()
            table.add_row(f"[bold]{family}")
        # several names are written below each other, because they must not be cut
        table.add_row(
            card.name.replace(", ", "\n"), card.formula, card.needs, card.paper, card.differs
        )
    console.print(table)
    console.print(
        "p is the probability of the true class y, f_c the share of class c in all pixels.\n"
        "python -m lit_seg losses NAME documents one; docs/losses.md says when to use which.",
        highlight=False,
    )
