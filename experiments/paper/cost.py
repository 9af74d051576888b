"""What the papers' runs would cost on one large GPU: `python experiments/paper/cost.py`.

An estimate, not measured. The multiplications and additions of forward and backward are counted by
torch for one image of the paper's size, on no device (``meta``), times batch and steps, over
``SUSTAINED``, the speed that such a GPU is assumed to hold on small convolutions in bfloat16: a
sixteenth of the dense peak that its maker states, and easily wrong by a factor of two either way.
A step is taken to last ``LAUNCH`` at least: small networks wait for Python and kernel launches.
Validation is not in it, nor loading: 100,000 steps of batch 6 in an hour want 167 images a second.
"""

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from lit_seg.models.any_size import size_multiple
from lit_seg.models.build import build_network

SUSTAINED = 60e12  # operations per second; the peak in bfloat16 is some 990e12
LAUNCH = 0.03  # seconds
HALVED = {"decoder_channels": [128, 64, 32, 32, 16]}  # of experiments/model/unet_resnet18.yaml


class Job(NamedTuple):
    """One run of a paper: network, classes, image size, batch and steps."""

    name: str
    architecture: str
    encoder: str
    classes: int
    height: int
    width: int
    batch: int
    steps: int


JOBS = (
    Job("recall, SYNTHIA", "deeplabv3", "resnet18", 14, 384, 768, 6, 100_000),
    Job("recall, SYNTHIA", "deeplabv3", "resnet101", 14, 384, 768, 6, 100_000),
    Job("recall, Cityscapes", "deeplabv3", "resnet18", 19, 769, 769, 6, 90_000),
    Job("recall, Cityscapes", "deeplabv3", "resnet101", 19, 769, 769, 6, 90_000),
    Job("recall, ADE20K", "deeplabv3", "resnet18", 150, 512, 512, 8, 151_560),
    Job("recall, Virtual KITTI 2", "deeplabv3", "resnet18", 14, 192, 640, 8, 25_776),
    Job("PAT, Oxford-IIIT Pet", "unet", "resnet18", 3, 256, 256, 16, 30_000),
    Job("PAT, Cityscapes", "unet", "resnet18", 20, 256, 512, 8, 30_000),
    Job("PAT, Cityscapes", "unetplusplus", "resnet18", 20, 256, 512, 8, 30_000),
    Job("PAT, Cityscapes", "deeplabv3", "resnet18", 20, 256, 512, 8, 30_000),
    Job("PAT, Cityscapes", "deeplabv3plus", "resnet18", 20, 256, 512, 8, 30_000),
    Job("PAT, NYUv2", "unet", "resnet18", 14, 256, 340, 8, 30_000),
    Job("PAT, NYUv2", "unetplusplus", "resnet18", 14, 256, 340, 8, 30_000),
    Job("PAT, NYUv2", "deeplabv3", "resnet18", 14, 256, 340, 8, 30_000),
    Job("PAT, NYUv2", "deeplabv3plus", "resnet18", 14, 256, 340, 8, 30_000),
)


def operations(job: Job) -> int:
    """Of forward and backward of one image, which is padded as in training."""
    options = HALVED if job.architecture == "unet" else {}
    with torch.device("meta"):
        network = build_network(job.architecture, job.encoder, job.classes, dict(options))
        multiple = size_multiple(network)
        height, width = (-(-side // multiple) * multiple for side in (job.height, job.width))
        image = torch.empty(2, 3, height, width)  # two, for batch norm of a pooled image
        with FlopCounterMode(display=False) as counter:
            network(image).sum().backward()
    return int(counter.get_total_flops()) // 2


def hours(job: Job) -> float:
    """Of the whole run."""
    return job.steps * max(LAUNCH, operations(job) * job.batch / SUSTAINED) / 3600


def main() -> None:
    """Print a row per run."""
    print("| run | network | size | batch | steps | GFLOP per image | hours, estimate |")
    print("|---|---|---|---:|---:|---:|---:|")
    for job in JOBS:
        print(
            f"| {job.name} | {job.architecture} {job.encoder} | {job.height}x{job.width} | "
            f"{job.batch} | {job.steps} | {operations(job) / 1e9:.0f} | {hours(job):.1f} |"
        )


if __name__ == "__main__":
    main()
