"""How threads of torch should wait for each other.

Training steps on a CPU beside two processes that load images, once alone and once with the same
training beside it on the same cores, with each way of waiting. Processes are started for each,
because OpenMP reads its settings once; each trains for a few seconds.
"""

import os
import statistics
import subprocess
import sys
import time

from experiments.gpu.section import Section

TITLE = "How threads wait for each other"
SECONDS = 60
WARM_UP, STEPS, TRAINED = 1, 30, 3.0
WAYS = {
    "spinning, a thread per core (torch's default)": {},
    "sleeping, a thread per core (lit_seg's default)": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def train() -> None:
    """Print the seconds of the wall and of the processor that a step takes, means over steps."""
    import torch

    from lit_seg.data import Streets
    from lit_seg.losses import CrossEntropyLoss
    from lit_seg.tasks import LitSegmenter

    options = {"decoder_channels": [128, 64, 32, 32, 16]}
    data = Streets(batch_size=8, num_workers=2, height=64, width=96)
    model = LitSegmenter([1] * 12, loss=CrossEntropyLoss, architecture="unet", options=options)
    optimizer = torch.optim.AdamW(model.parameters())
    batches = iter(data.train_dataloader())
    started: list[tuple[float, float]] = []  # when each step began
    while len(started) <= WARM_UP + STEPS and not (
        len(started) > WARM_UP + 1 and started[-1][0] > started[WARM_UP][0] + TRAINED
    ):
        started.append((time.perf_counter(), time.process_time()))
        batch = next(batches)
        optimizer.zero_grad()
        model.loss(model(batch["image"]), batch["target"]).backward()
        optimizer.step()
    first, last = started[WARM_UP], started[-1]
    steps = len(started) - 1 - WARM_UP
    print((last[0] - first[0]) / steps, (last[1] - first[1]) / steps)


def measured(way: dict[str, str], processes: int) -> tuple[float, float]:
    """The two numbers of ``train`` with so many trainings at a time, means over them."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "experiments.bench.threads"],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**own, **way},
        )
        for _ in range(processes)
    ]
    lines = [process.communicate()[0].split()[-2:] for process in started]
    return (
        statistics.mean(float(wall) for wall, _ in lines),
        statistics.mean(float(cpu) for _, cpu in lines),
    )


def run(section: Section) -> None:
    """A row for each way of waiting."""
    for name, way in list(WAYS.items())[-1 if section.smoke else 0 :]:
        row = {}
        for number, beside in ((1, "alone"), (2, "two at a time"))[: 1 if section.smoke else 2]:
            wall, cpu = measured(way, number)
            row |= {f"s per step, {beside}": wall, f"processor s, {beside}": cpu}
        section.row("threads", threads=name, **row)
    section.note(
        "Streets of 64x96, batch 8, the halved U-Net, two loading processes. Beside a second "
        "training on the same cores, threads that spin take the time that the others need."
    )


if __name__ == "__main__":
    train()
