"""Collectives of a training step on two ranks of gloo, and the time that they take."""

import logging
from math import prod
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.strategies import DDPStrategy
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader

from experiments.bench.ranks import on_ranks
from experiments.bench.rivals import our_losses
from experiments.gpu.section import Section
from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.tasks import LitSegmenter

TITLE = "What two ranks exchange"
SECONDS = 30
LOSSES = ("ce", "recall", "pat", "seesaw")
CLASSES, SIZE, BATCH = 19, 64, 2
WARM_UP, STEPS = 3, 10
SMALL = 10_000
"""Numbers that a sum of gradients has at least."""


class Watch(Callback):
    """Profiles the steps after the first ones."""

    def __init__(self) -> None:
        self.profile = profile(activities=[ProfilerActivity.CPU], record_shapes=True)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Begin."""
        if trainer.global_step == WARM_UP:
            self.profile.start()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """End."""
        if trainer.global_step == WARM_UP + STEPS:
            self.profile.stop()


def run(section: Section) -> None:
    """A row for each loss."""
    losses = LOSSES[1:2] if section.smoke else LOSSES
    for row in on_ranks(2, on_one_rank, losses)[0]:
        section.row("exchange", **row)
    section.note(
        f"Whole trainings by Lightning's DDP, U-Net R18 at {SIZE}x{SIZE}, {CLASSES} classes, of "
        f"which {STEPS} steps are counted, as gloo tells torch's profiler on the first rank. Own "
        "sums are those of this project: one of the pixels over which a loss is a mean, before "
        "backward, and one of all metrics and statistics; gradients and buffers are DDP's. Times "
        "hold the waiting for the slower rank. Class dynamics make a record in every tenth step."
    )


def on_one_rank(losses: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of the table."""
    torch.manual_seed(0)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    cases = [(loss, False) for loss in losses] + [(losses[-1], True)]
    rows = []
    for loss, statistics in cases:
        row: dict[str, Any] = {"loss": loss, "class dynamics": statistics}
        events = [e for e in _training(loss, statistics).events() if e.name.startswith("gloo:")]
        for kind in ("own sums", "gradients", "buffers"):
            found = [e.time_range.elapsed_us() for e in events if _kind(e) == kind]
            row |= {f"{kind} per step": len(found) / STEPS}
            row[f"ms in {kind}"] = sum(found) / 1e3 / STEPS
        rows.append(row)
    return rows


def _kind(event: Any) -> str:
    if event.name != "gloo:all_reduce":
        return "buffers"
    return "own sums" if prod(event.input_shapes[0]) < SMALL else "gradients"


def _training(loss: str, statistics: bool) -> profile:
    make = type(our_losses([1] * CLASSES, (loss,))[loss])
    batch = {
        "image": torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8),
        "target": torch.randint(0, CLASSES, (BATCH, SIZE, SIZE)),
        "name": ["x"] * BATCH,
    }
    watch = Watch()
    trainer = Trainer(
        **{"accelerator": "cpu", "devices": 2, "strategy": DDPStrategy(), "logger": False},
        **{"max_steps": WARM_UP + STEPS, "enable_checkpointing": False},
        **{"enable_progress_bar": False, "enable_model_summary": False},
        callbacks=[watch, *([ClassDynamics()] if statistics else [])],
        use_distributed_sampler=False,
    )
    data = DataLoader([batch] * (WARM_UP + STEPS + 1), batch_size=None)  # type: ignore[arg-type]
    trainer.fit(LitSegmenter([1] * CLASSES, loss=make), data)
    return watch.profile
