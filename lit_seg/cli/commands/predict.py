"""``python -m lit_seg predict RUN SOURCE...`` labels images and videos with a trained network."""

from argparse import BooleanOptionalAction
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lit_seg.cli.commands.run_command import Parser, one_line_errors
from lit_seg.distributed.rank_variables import check_rank_variables
from lit_seg.inference.inputs import find_inputs

_SOURCES = (
    "images, videos, folders, patterns in quotes such as 'photos/*.jpg', and .txt files that list "
    "paths; without one, the validation images of the run"
)


def _parser() -> Parser:
    parser = Parser("predict", epilog="docs/use.md shows what is written.")
    parser.add_argument("run", type=Path, nargs="?", help="a run, a checkpoint or an export")
    parser.add_argument("source", nargs="*", help=_SOURCES)
    out = "the folder to write to, also one to go on with; by default <run>/predictions, fresh"
    parser.add_argument("--out", type=Path, help=out)
    lay = "also write the colours of the classes over the image (default)"
    parser.add_argument("--overlay", action=BooleanOptionalAction, default=True, help=lay)
    sure = "also write the highest probability as a grey image"
    parser.add_argument("--confidence", action="store_true", help=sure)
    shares = "also write the probabilities of all classes as .npz"
    parser.add_argument("--probabilities", action="store_true", help=shares)
    server = "write label files alone, and pack them as the server of the dataset takes them"
    parser.add_argument("--submission", choices=("cityscapes", "ade20k"), help=server)
    parser.add_argument("--flip", action="store_true", help="average with the mirror image")
    several = "average over sizes, relative to that of the run, such as 0.75 1 1.25"
    parser.add_argument("--scales", nargs="+", type=float, default=[1.0], help=several)
    window: dict[str, Any] = {"nargs": 2, "type": int, "metavar": ("HEIGHT", "WIDTH")}
    parser.add_argument("--crop", **window, help="slide a window of this size over the image")
    parser.add_argument("--stride", **window, help="by so much; two thirds of it by default")
    parser.add_argument("--tau", type=float, help="strength of the post-hoc balancing of classes")
    parser.add_argument("--device", default="auto", help="such as cpu or cuda:1")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch_size", type=int, default=8, help="images at once (8)")
    trust = "a package of your own that the dataset of the run is from"
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE", help=trust)
    return parser


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Write the predictions; the code is 2 if a file could not be read, though others could."""
    check_rank_variables()
    parser = _parser()
    options = parser.parse_intermixed_args(args)  # sources may come after options
    if options.run is None:
        parser.error("the following arguments are required: run")
    # what is misspelt is told before the import of torch, which takes seconds
    inputs = find_inputs(options.source, options.out) if options.source else []
    from lit_seg.cli.prediction import predict

    return predict(options, inputs)
