"""``lit_seg train --loss recall --data streets``: one training, whose parts are given by name."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.cli.commands.run_command import Parser, one_line_errors
from lit_seg.cli.layers import EXPERIMENTS, config_options, layers, names, run_folder

_EPILOG = (
    f"The files lie in {EXPERIMENTS}. All other options are those of `lit_seg fit`, such as "
    "--trainer.max_epochs 5; `lit_seg fit --help` lists them. `lit_seg fit --resume RUN` goes on "
    "with a run that was stopped."
)


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Train by ``fit``."""
    arguments = fit_arguments(args)
    # imported late because it imports all of Lightning
    from lit_seg.cli.main import main as run

    return run([*arguments, *(word for word in sys.argv if word == "--traceback")])


def add_setting(parser: Parser) -> None:
    """Add the options that name what a loss is trained on."""
    known = {kind: ", ".join(names(kind)) for kind in ("data", "model", "recipe")}
    data = f"a YAML file of your own or one of {known['data']}"
    parser.add_argument("--data", default="streets", help=data)
    parser.add_argument("--model", default="unet_resnet18", help=f"one of {known['model']}")
    recipe = f"all settings: one of {known['recipe']}; the dataset may be left out (strong)"
    parser.add_argument("--recipe", default="", help=recipe)
    runs = "the folder of all runs; runs by default"
    parser.add_argument("--runs", type=Path, default=Path("runs"), help=runs)


def fit_arguments(args: Sequence[str]) -> list[str]:
    """Write the training as arguments of ``fit``; further options come last and override others."""
    parser = Parser("train", epilog=_EPILOG)
    loss = f"one of {', '.join(names('loss'))}"
    parser.add_argument("--loss", default="recall", help=loss)
    add_setting(parser)
    parser.add_argument("--seed", type=int, default=0, help="0 by default")
    given, others = parser.parse_with_others(args)
    files = layers(given.data, given.model, given.loss, given.recipe)
    setting = (given.data, given.model, given.loss, given.seed, given.recipe)
    folder = str(run_folder(given.runs, *setting))
    own = ["--seed_everything", str(given.seed), "--run_dir", folder]
    return ["fit", *config_options(files), *own, *others]
