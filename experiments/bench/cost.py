"""What training with each loss costs, as Fig. 5 of PAT: seconds, memory and utilisation."""

import os

import torch

from experiments.bench.measure import peak
from experiments.bench.rivals import our_losses
from experiments.bench.training_step import Step, ours, timed
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
    model = LitSegmenter(counts, **OPTIONS).to(section.device)
    optimizer = torch.optim.AdamW(model.parameters())
    losses = our_losses(counts.pixels, LOSSES[: 2 if section.smoke else None])
    steps = {
        name: Step(model, optimizer, ours(losses[name].to(section.device), model), batch)
        for name in LOSSES
        if name in losses
    }
    processor, wall = timed(steps, section.device, 0 if section.smoke else 40)
    cores = len(os.sched_getaffinity(0))
    for loss, found in wall.items():
        cpu = processor[loss].ms
        section.row(
            "cost",
            loss=loss,
            **{"s per epoch": found.ms / 1e3 * len(loader), "ratio": found.ratio},
            **{"processor s per epoch": cpu / 1e3 * len(loader)},
            **{"memory, MiB": peak(steps[loss], section.device) / 2**20},
            **{"utilisation, %": 100 * cpu / found.ms / cores},
        )
    height, width = batch["image"].shape[2:]
    section.note(
        f"{name} at {height}x{width}, batch {len(batch['image'])}, {len(loader)} steps per epoch, "
        "the halved U-Net R18, float32, all cores. `s per epoch` is time of the steps by the wall; "
        "loading is measured elsewhere. What is not upsampling or loss takes the same time with "
        "all losses, as above. Memory is what a step allocates at most beyond weights and "
        "optimizer state; utilisation is processor time over time and cores."
    )
