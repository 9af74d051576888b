"""What training with each loss costs, as Fig. 5 of PAT: seconds, memory and utilisation."""

import os
import time

import torch

from experiments.bench.measure import interleaved, peak
from experiments.bench.rivals import our_losses
from experiments.bench.steps import step
from experiments.bench.whole_run import camvid_or_streets
from experiments.gpu.section import Section
from lit_seg.tasks import LitSegmenter

TITLE = "What training with each loss costs"
SECONDS = 60
ALL_CORES = True
LOSSES = ("ce", "focal", "cb", "cb_focal", "balanced_softmax", "ldam", "blv", "pat", "recall")
"""The eight of Fig. 5 of PAT, and recall loss."""
OPTIONS = {"architecture": "unet", "options": {"decoder_channels": [128, 64, 32, 32, 16]}}


def run(section: Section) -> None:
    """A row for each loss."""
    torch.manual_seed(0)
    name, data = camvid_or_streets(section, workers=0)
    loader = data.train_dataloader()
    batch = {key: value for key, value in next(iter(loader)).items() if key != "name"}
    batch = {key: value.to(section.device) for key, value in batch.items()}
    counts = data.class_counts
    works = {}
    for loss in LOSSES[: 2 if section.smoke else None]:
        make = type(our_losses(counts.pixels, (loss,))[loss])
        model = LitSegmenter(counts, loss=make, **OPTIONS).to(section.device)
        works[loss] = step(model, batch)
    seconds = 0 if section.smoke else 40
    used: dict[str, list[float]] = {loss: [] for loss in works}

    def watched(loss: str) -> None:
        begun = time.process_time()
        works[loss]()
        used[loss].append(time.process_time() - begun)

    def of(loss: str) -> float:
        return 1e3 * sorted(used[loss][1:])[len(used[loss][1:]) // 2]

    calls = {loss: (lambda loss=loss: watched(loss)) for loss in works}
    times = interleaved(calls, section.device, seconds, clock=time.perf_counter)
    cores = len(os.sched_getaffinity(0))
    for loss, found in times.items():
        cpu = of(loss)
        section.row(
            "cost",
            loss=loss,
            **{"s per epoch": found.ms / 1e3 * len(loader), "ratio": found.ratio},
            **{"processor s per epoch": cpu / 1e3 * len(loader)},
            **{"memory, MiB": peak(works[loss], section.device) / 2**20},
            **{"utilisation, %": 100 * cpu / found.ms / cores},
        )
    height, width = batch["image"].shape[2:]
    section.note(
        f"{name} at {height}x{width}, batch {len(batch['image'])}, {len(loader)} steps per epoch, "
        "the halved U-Net R18, float32, all cores. Seconds of the wall are those of the steps; "
        "loading is measured elsewhere. Memory is what a step allocates at most beyond weights and "
        "optimizer state; utilisation is processor time over time and cores."
    )
