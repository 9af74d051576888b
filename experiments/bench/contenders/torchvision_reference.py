"""Training as torchvision's reference script for segmentation does it, in our words.

Its habits: Pillow and its transforms on the loading processes, 16 of them by default, SGD with
momentum and a polynomial schedule of steps, the loss read in each step for the log, batches padded
by the collate function, validation image by image with a confusion matrix, a checkpoint per epoch.
"""

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision.transforms.v2.functional as VF
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from experiments.bench.contenders.job import MEAN, STD, Job, network, step_ended
from experiments.bench.rivals import torchvision_criterion

WORKERS = 16
VOID = 255


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Images and labels by its preset: random scale, flip and crop, tensors, normalised."""

    def __init__(self, pairs: list[tuple[str, str]], job: Job, train: bool) -> None:
        self.pairs, self.job, self.train = pairs, job, train

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        paths = self.pairs[index]
        image, label = Image.open(paths[0]).convert("RGB"), Image.open(paths[1])
        size = list(self.job.size)
        if self.train:
            scale = random.uniform(*self.job.scale)
            size = [int(side * scale) for side in size]
        image = VF.resize(image, size, antialias=True)
        label = VF.resize(label, size, interpolation=VF.InterpolationMode.NEAREST)
        if self.train:
            if random.random() < 0.5:
                image, label = VF.hflip(image), VF.hflip(label)
            image, label = self._cropped(image, label)
        x = VF.convert_image_dtype(VF.pil_to_tensor(image), torch.float)
        y = torch.as_tensor(np.array(label), dtype=torch.int64)
        return VF.normalize(x, MEAN, STD), torch.where(y == self.job.void, VOID, y)

    def _cropped(self, image: Any, label: Any) -> tuple[Any, Any]:
        height, width = self.job.size
        below, beside = max(0, height - image.height), max(0, width - image.width)
        if below or beside:
            image = VF.pad(image, [0, 0, beside, below], fill=0)
            label = VF.pad(label, [0, 0, beside, below], fill=VOID)
        top = random.randint(0, image.height - height)
        left = random.randint(0, image.width - width)
        return VF.crop(image, top, left, height, width), VF.crop(label, top, left, height, width)


def collate(batch: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Into tensors of the largest size in the batch."""
    images, labels = zip(*batch, strict=True)
    return _stacked(images, 0), _stacked(labels, VOID)


def _stacked(tensors: tuple[Tensor, ...], fill: int) -> Tensor:
    shape = [max(sides) for sides in zip(*(t.shape for t in tensors), strict=True)]
    batch = tensors[0].new_full((len(tensors), *shape), fill)
    for row, tensor in zip(batch, tensors, strict=True):
        row[..., : tensor.shape[-2], : tensor.shape[-1]].copy_(tensor)
    return batch


def main(job: Job) -> None:
    """Train all epochs."""
    model = network(job.classes)
    sets = {name: Pairs(getattr(job, name), job, name == "train") for name in ("train", "val")}
    options: dict[str, Any] = {"num_workers": WORKERS, "collate_fn": collate}
    train = DataLoader(
        sets["train"], job.batch, sampler=RandomSampler(sets["train"]), drop_last=True, **options
    )
    val = DataLoader(sets["val"], 1, **options)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    steps = job.epochs * len(train)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, steps, 0.9)
    for epoch in range(job.epochs):
        model.train()
        for image, label in train:
            loss = torchvision_criterion(model(image), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss.item()  # for its log
            step_ended()
        confusion = validated(model, val, job.classes)
        print(f"epoch {epoch}: {confusion.diag().sum() / confusion.sum():.3f}", flush=True)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state, Path(job.folder, f"model_{epoch}.pth"))
        torch.save(state, Path(job.folder, "checkpoint.pth"))


@torch.inference_mode()
def validated(model: torch.nn.Module, val: DataLoader[Any], classes: int) -> Tensor:
    """The confusion matrix."""
    model.eval()
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for image, label in val:
        a, b = label.flatten(), model(image).argmax(1).flatten()
        known = (a >= 0) & (a < classes)
        found = torch.bincount(classes * a[known] + b[known], minlength=classes**2)
        matrix += found.reshape(classes, classes)
    return matrix


if __name__ == "__main__":
    main(Job.load(sys.argv[1]))
