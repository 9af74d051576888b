"""Short trainings of a small network on rendered streets, with the project's own callbacks."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from lit_seg.checkpoints.best_and_last import LastCheckpoint
from lit_seg.checkpoints.checkpoint_io import AtomicCheckpointIO
from lit_seg.checkpoints.exact_resume import ExactResume
from lit_seg.data.datasets.streets.streets import Streets
from lit_seg.losses import RecallLoss
from lit_seg.losses.base import LossFactory
from lit_seg.tasks import LitSegmenter

SMALL = {
    "cuda": {"encoder": "resnet18", "options": {}},
    # a step costs next to nothing
    "cpu": {
        "encoder": "tu-test_byobnet",
        "options": {"encoder_depth": 3, "decoder_channels": [8, 8, 8]},
    },
}


class Step(Callback):
    """Sees each batch on the device before the step, and the trainer after it."""

    def before(self, batch: dict[str, Tensor]) -> None:
        """With the batch of the step."""

    def after(self, trainer: Trainer) -> None:
        """When the step is done."""

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, index: int) -> None:
        self.before(batch)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self.after(trainer)


class Losses(Step):
    """The training losses, step by step."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def after(self, trainer: Trainer) -> None:
        self.values.append(trainer.callback_metrics["train/loss"].detach().clone())


def streets(**options: Any) -> Streets:
    """Images of 64x96 and batches of 4, four of them in an epoch."""
    return Streets(height=64, width=96, batch_size=4, **{"num_workers": 0, **options})


def segmenter(device: torch.device, data: Streets, **options: Any) -> LitSegmenter:
    """A network with the same random weights each time."""
    torch.manual_seed(0)
    module = LitSegmenter(data.class_counts, data.class_names, **{**SMALL[device.type], **options})
    module.hparams.clear()  # classes, where the command line has text, which a checkpoint may hold
    return module


def fit(
    device: torch.device,
    folder: Path,
    steps: int,
    loss: LossFactory = RecallLoss,
    callbacks: tuple[Callback, ...] | list[Callback] = (),
    resume: Path | None = None,
    model: dict[str, Any] | None = None,
    saves: bool = True,
    **options: Any,
) -> tuple[LitSegmenter, Trainer]:
    """Train so many steps; ``folder/checkpoints/last.ckpt`` is written at the end.

    Args:
        device: to train on.
        folder: of the checkpoint.
        steps: in all, with those before a resume.
        loss: of the module.
        callbacks: besides those that save and resume.
        resume: the checkpoint to go on from.
        model: more options of the module.
        saves: whether it writes checkpoints, which takes longer than a step.
        options: more options of the trainer.
    """
    data = streets()
    module = segmenter(device, data, loss=loss, **(model or {}))
    trainer = Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        max_steps=steps,
        max_epochs=-1,
        callbacks=[ExactResume(), *([LastCheckpoint()] if saves else []), *callbacks],
        plugins=[AtomicCheckpointIO()],
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=saves,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **{"limit_val_batches": 0, "num_sanity_val_steps": 0, "precision": "32-true", **options},
    )
    trainer.fit(module, data, ckpt_path=resume)
    return module, trainer


def last(folder: Path) -> Path:
    """The checkpoint of a training in a folder."""
    return folder / "checkpoints" / "last.ckpt"


def tensors(content: Any, name: str = "") -> dict[str, Tensor]:
    """All tensors in a checkpoint, by the way to them."""
    if isinstance(content, Tensor):
        return {name: content}
    if not isinstance(content, dict | list | tuple):
        return {}
    items = content.items() if isinstance(content, dict) else enumerate(content)
    return {k: v for key, part in items for k, v in tensors(part, f"{name}/{key}").items()}


def differing(one: Path, other: Path) -> list[str]:
    """The tensors of two checkpoints, such as weights, states and moments, that are not equal."""
    first, second = (
        tensors(torch.load(path, map_location="cpu", weights_only=True)) for path in (one, other)
    )
    assert first.keys() == second.keys()
    return [
        name
        for name, value in first.items()
        if not torch.equal(value.nan_to_num(-1.0), second[name].nan_to_num(-1.0))
    ]
