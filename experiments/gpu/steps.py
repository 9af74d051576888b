"""Training steps of three networks with three losses: time, images per second and memory."""

import gc

import torch
from torch import Tensor

from experiments.bench.training_step import ours
from experiments.gpu.section import Section
from experiments.gpu.timing import interleaved, peak_memory
from lit_seg.losses import CrossEntropyLoss, PATLoss, RecallLoss
from lit_seg.losses.base import LossFactory
from lit_seg.tasks import LitSegmenter

TITLE = "Training steps"
SECONDS = 45
CLASSES = 19
LOSSES: dict[str, LossFactory] = {"ce": CrossEntropyLoss, "recall": RecallLoss, "pat": PATLoss}
NETWORKS = {
    "U-Net R18": ({"architecture": "unet", "encoder": "resnet18"}, 8),
    "DeepLabV3+ R50": ({"architecture": "deeplabv3plus", "encoder": "resnet50"}, 8),
    "DeepLabV3 R101": ({"architecture": "deeplabv3", "encoder": "resnet101"}, 4),
}
SIZE = 769
PRECISIONS = {"bf16": torch.bfloat16, "fp32": None}


class Step:
    """One forward, backward and optimizer step on random images, without Lightning."""

    def __init__(self, model: LitSegmenter, batch: dict[str, Tensor], dtype: torch.dtype | None):
        self.model, self.batch, self.dtype = model, batch, dtype
        self.optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def __call__(self) -> None:
        kind = self.batch["image"].device.type
        with torch.autocast(kind, self.dtype, enabled=self.dtype is not None):
            logits = self.model.logits(self.batch["image"])
            loss = ours(self.model.loss, self.model)(logits, self.batch["target"])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def run(section: Section) -> None:
    """Measure each network in bf16, then in fp32 without TF32, as torch does by default."""
    torch.manual_seed(0)
    size = 32 if section.smoke else SIZE
    for precision in list(PRECISIONS)[: 1 if section.smoke else None]:
        for network in list(NETWORKS)[: 1 if section.smoke else None]:
            if section.seconds_left() < 4:
                section.note(f"No time was left for {network} in {precision}.")
                continue
            with section.attempt("steps", network=network, precision=precision):
                _measure(section, network, precision, size)
            gc.collect()
    section.note(
        f"Random images of {size} x {size} and {CLASSES} classes, channels_last, SGD with momentum,"
        " no Lightning, no data loading; medians of 10 steps, losses in turn. Peak memory is what "
        "a step allocates beyond weights, gradients of the step before and optimizer state."
    )


def _measure(section: Section, network: str, precision: str, size: int) -> None:
    options, images = NETWORKS[network]
    images = 2 if section.smoke else images
    on = {"device": section.device}
    batch = {
        "image": torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8, **on),
        "target": torch.randint(0, CLASSES, (images, size, size), **on),
    }
    steps = {}
    for name, loss in list(LOSSES.items())[: 2 if section.smoke else None]:
        model = LitSegmenter([10**6] * CLASSES, loss=loss, **options).to(section.device)
        steps[name] = Step(model, batch, PRECISIONS[precision])
    repeats, warm_up = (1, 1) if section.smoke else (10, 3)
    times = interleaved(list(steps.values()), section.device, repeats, warm_up)
    base = times[0]
    for (name, step), ms in zip(steps.items(), times, strict=True):
        section.row(
            "steps",
            **{"network": network, "precision": precision, "batch": images, "loss": name},
            **{"ms per step": ms, "images/s": 1e3 * images / ms, "time of ce": ms / base},
            **{"peak GiB": peak_memory(step, section.device) / 2**30},
        )
