"""Training as `make train` does it; a callback tells the parent of each step."""

import sys
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback

from experiments.bench.contenders.job import Job, step_ended
from lit_seg.__main__ import main as command


class Told(Callback):
    """Tells the parent of each step."""

    def on_train_batch_end(self, *_: Any) -> None:
        """After the optimizer."""
        step_ended()


def main(job: Job, loss: str, precision: str, data: str) -> int:
    """Train all epochs of a named dataset, or of a YAML file; the precision may be ``auto``."""
    name = "experiments.bench.contenders.ours"  # not __main__
    sizes = {"height": job.size[0], "width": job.size[1], "batch_size": job.batch, "jitter": 0}
    options = {
        **{f"--data.init_args.{key}": value for key, value in sizes.items()},
        **{"--data.init_args.scale": list(job.scale), "--trainer.max_epochs": job.epochs},
        **{"--trainer.callbacks+": f"{name}.Told", "--runs": Path(job.folder, precision)},
    }
    if precision != "auto":
        options["--trainer.precision"] = precision
    words = [str(word) for pair in options.items() for word in pair]
    model = "deeplabv3plus_resnet18"
    sys.argv[1:] = ["train", "--loss", loss, "--data", data, "--model", model, *words]
    return command()


if __name__ == "__main__":
    sys.exit(main(Job.load(sys.argv[1]), *sys.argv[2:]))
