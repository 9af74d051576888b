"""`make kills`: kill a short run at random moments, resume it until it is done, compare.

The signal is SIGKILL, which nothing can prepare for. Every trial must leave the very files that an
uninterrupted run leaves: weights, optimizer, recall state, tables, curves and pictures. The moments
come from a seed; what they hit depends on the machine, and the report says it.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from rich.progress import track

from tests.conftest import TINY, layers
from tests.same import differences

SCRIPT = Path(__file__).with_name("few_streets_cli.py")
STEPS = 24
RUN = [
    *("fit", *layers(), *TINY, "--trainer.max_epochs", str(STEPS // 4)),
    # dropout, so that random numbers matter, and workers that load ahead of the step
    *("--model.architecture", "fpn", "--data.init_args.num_workers", "2"),
    *("--model.options", "{decoder_pyramid_channels: 32, decoder_segmentation_channels: 32}"),
    *("--model.loss.momentum", "0.9", "--last_checkpoint.every_n_train_steps", "1"),
]


def start(*args: str) -> subprocess.Popen[bytes]:
    """The command line in a session of its own, so that its workers can be killed with it."""
    environment = {**os.environ, "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *args],
        env={**environment, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def steps_done(run: Path) -> int:
    """Of the last checkpoint; 0 where there is none."""
    path = run / "checkpoints" / "last.ckpt"
    if not path.exists():
        return 0
    return int(torch.load(path, weights_only=True, mmap=True)["global_step"])


def killed_at(run: Path, done: int) -> str:
    """What the killed process was doing, as far as its files tell."""
    if any((run / "checkpoints").glob(".*.tmp")):
        return f"{done}w"  # within the writing of a checkpoint
    return f"{done}v" if done % 4 == 3 else f"{done}"  # the next one comes after the validation


def trial(run: Path, rng: random.Random, seconds: float) -> list[str]:
    """Kill and resume until the run is done; returns at which steps it was killed.

    Args:
        run: the folder.
        rng: chooses the moments.
        seconds: that a step takes.
    """
    process, kills = start(*RUN, "--run_dir", str(run)), []
    while True:
        begun = steps_done(run)
        if begun and rng.random() < 0.25:  # while it starts from a checkpoint, or a little later
            wait: float | None = rng.uniform(0, 10)
        elif begun == STEPS:  # only the table is left
            wait = None
        else:
            target = rng.randint(begun + 1, STEPS)
            while process.poll() is None and steps_done(run) < target:
                time.sleep(0.005)
            wait = rng.uniform(0, 1.5 * seconds)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            done = steps_done(run)
            assert done > 0, "a resume must start at a step above 0"
            kills.append(killed_at(run, done))
            process = start("fit", "--resume", str(run))
        else:
            assert process.returncode == 0, f"{run}: exit code {process.returncode}"
            return kills


def main() -> int:
    """Run the trials; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/kills"))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    shutil.rmtree(args.folder, ignore_errors=True)
    reference = args.folder / "reference"
    process = start(*RUN, "--run_dir", str(reference))
    while process.poll() is None and steps_done(reference) == 0:
        time.sleep(0.01)
    begun = time.monotonic()
    while process.poll() is None and steps_done(reference) < STEPS:
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    if process.wait() != 0:
        print(f"the reference failed with exit code {process.returncode}")
        return 1
    print(f"{STEPS} steps; {seconds:.1f} s from the first checkpoint to the last")
    equal = total = 0
    for number in track(range(args.trials), "killing and resuming"):
        run = args.folder / f"trial{number}"
        kills = trial(run, rng, seconds / STEPS)
        wrong = differences(run, reference)
        equal += not wrong
        total += len(kills)
        print(f"trial {number}: killed after step {' '.join(kills) or '-'}; {wrong or 'identical'}")
    print(f"{total} kills; {equal} of {args.trials} runs are identical to the one nobody killed")
    print(
        "(w: while a checkpoint was written, v: in the validation of the epoch or just before it)"
    )
    return int(equal != args.trials)


if __name__ == "__main__":
    sys.exit(main())
