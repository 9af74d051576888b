"""How threads of torch should wait for each other: `python experiments/bench_threads.py`.

Training steps on a CPU beside two processes that load images, once alone and once with the same
training beside it on the same cores, with each way of waiting. Each figure is the median over
rounds, in which the ways take turns; processes are started for each, because OpenMP reads its
settings once.
"""

import os
import platform
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

STEPS, ROUNDS = 30, 3
WAYS = {
    "spinning, a thread per core (torch's default)": {},
    "sleeping, a thread per core (lit_seg's default)": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def train() -> None:
    """Print the seconds of the wall and of the processor that a step takes."""
    import torch

    from lit_seg.data import Streets
    from lit_seg.losses import CrossEntropyLoss
    from lit_seg.tasks import LitSegmenter

    options = {"decoder_channels": [128, 64, 32, 32, 16]}
    data = Streets(batch_size=8, num_workers=2, height=64, width=96)
    model = LitSegmenter([1] * 12, loss=CrossEntropyLoss, architecture="unet", options=options)
    optimizer = torch.optim.AdamW(model.parameters())
    batches = iter(data.train_dataloader())
    for step in range(-3, STEPS):
        if step == 0:
            wall, cpu = time.perf_counter(), time.process_time()
        batch = next(batches)
        optimizer.zero_grad()
        model.loss(model(batch["image"]), batch["target"]).backward()
        optimizer.step()
    print((time.perf_counter() - wall) / STEPS, (time.process_time() - cpu) / STEPS)


def measured(way: dict[str, str], processes: int) -> tuple[float, float]:
    """The two numbers of ``train`` with so many trainings at a time, means over them."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "train"],
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


def main() -> None:
    """Measure all ways and print a table."""
    title = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, seconds a step"
    table = Table("threads", "alone", "processor", "two at a time", "processor", title=title)
    rounds = [[[measured(w, n) for n in (1, 2)] for w in WAYS.values()] for _ in range(ROUNDS)]
    for place, name in enumerate(WAYS):
        cells = [
            f"{statistics.median(r[place][n][part] for r in rounds):.3f}"
            for n in (0, 1)
            for part in (0, 1)
        ]
        table.add_row(name, *cells)
    Console().print(table)


if __name__ == "__main__":
    train() if sys.argv[1:] == ["train"] else main()
