"""`python tests/few_streets_cli.py fit ...`: the command line on few streets, in its own process.

It reads these variables of the environment:

- ``RECALL_FOLDER``: at the end each rank writes its recall, its scores and the collectives of its
  third step there, a list of (operation, file that called it; "" for DDP, which is in C++).
- ``VAL_IMAGES``: number of validation scenes.
- ``FAIL=rank:step:how``: within this step the rank sends itself a signal, such as ``KILL``,
  sleeps for ``HANG``, or kills torchrun for ``ORPHAN``; the time of the file ``failed``
  in the run's folder tells when.
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.autograd.profiler import profile

sys.path.insert(0, str(Path(__file__).parent.parent))

from lit_seg.cli.commands import predict
from lit_seg.cli.main import main
from lit_seg.data.datasets.streets import streets
from lit_seg.tasks import LitSegmenter

SPLITS = {"train": (0, 16), "val": (1, 7), "test": (2, 6)}
calls: list[tuple[str, str]] = []
collectives: list[tuple[str, str]] = []
seen = profile()


def named(name: str) -> None:
    """Let a collective of torch tell who called it."""
    function = getattr(dist, name)

    def call(*args, **options):
        caller = sys._getframe(1).f_code.co_filename
        calls.append((name, Path(caller).name))
        return function(*args, **options)

    setattr(dist, name, call)


def count_third_step(module: LitSegmenter, step: int) -> None:
    if step == 2:
        for name in ("all_reduce", "broadcast", "barrier", "all_gather", "broadcast_object_list"):
            named(name)
        seen.__enter__()
    elif step == 3:
        seen.__exit__(None, None, None)
        collectives.extend(calls)
        called = [name.replace("_", "") for name, _ in calls]
        # `function_events` would make objects of a hundred thousand other events, for seconds
        names = [event.name() for event in seen.kineto_results.events()]
        for name in (n[len("c10d::") :].strip("_") for n in names if n.startswith("c10d::")):
            if name in called:
                called.remove(name)
            else:
                collectives.append((name, ""))


def save_recall(module: LitSegmenter) -> None:
    folder = os.environ.get("RECALL_FOLDER")
    if folder:
        torch.save(
            {
                "recall": module.loss.class_stats().get("recall"),
                "confusion": module.scores.confusion,
                "collectives": collectives,
            },
            Path(folder) / f"rank{module.global_rank}.pt",
        )


def before_step(module: LitSegmenter, batch: object, batch_idx: int) -> None:
    start_of_step(module, batch, batch_idx)
    if os.environ.get("RECALL_FOLDER"):
        count_third_step(module, module.global_step)
    rank, step, name = os.environ.get("FAIL", "-1:-1:KILL").split(":")
    if (int(rank), int(step)) == (module.global_rank, module.global_step):
        (Path(module.trainer.default_root_dir) / "failed").touch()
        if name == "HANG":
            time.sleep(1000)
        if name == "ORPHAN":
            os.kill(os.getppid(), signal.SIGKILL)
        else:
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])


start_of_step = LitSegmenter.on_train_batch_start


def run(args: list[str] | None = None) -> int:
    """The command line, by default with the arguments of this process; returns the exit code."""
    streets._SPLITS = {**SPLITS, "val": (1, int(os.environ.get("VAL_IMAGES", "7")))}
    LitSegmenter.on_train_batch_start = before_step
    LitSegmenter.on_fit_end = save_recall
    args = sys.argv[1:] if args is None else args
    return predict.main(args[1:]) if args[0] == "predict" else main(args)


def run_rank(args: list[str], environment: dict[str, str]) -> int:
    """The command line in a rank that was forked from a process with another environment."""
    os.environ.update(environment)
    return run(args)


if __name__ == "__main__":
    sys.exit(run())
