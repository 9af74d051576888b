"""`python tests/few_streets_cli.py fit ...`: the command line on few streets, in its own process.

With RECALL_FOLDER set, each rank leaves its recall state there at the end.
"""

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from lit_seg.cli import main
from lit_seg.data import streets
from lit_seg.tasks import LitSegmenter

streets._SPLITS = {"train": (0, 16), "val": (1, 7), "test": (2, 6)}


def save_recall(module: LitSegmenter) -> None:
    folder = os.environ.get("RECALL_FOLDER")
    if folder:
        torch.save(
            {"recall": module.loss.state.recall, "scored": module.scores.confusion.sum()},
            Path(folder) / f"rank{module.global_rank}.pt",
        )


if __name__ == "__main__":
    LitSegmenter.on_fit_end = save_recall
    sys.exit(main())
