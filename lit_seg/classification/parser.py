"""The parser of a command of classification."""

from lit_seg.classification.commands import COMMANDS
from lit_seg.cli.commands.run_command import Parser


class ClassifierParser(Parser):
    """That of segmentation, with the names and commands of this program."""

    package = "lit_seg.classification"
    commands = COMMANDS
