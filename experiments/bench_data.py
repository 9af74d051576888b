"""What loading costs, against the bare decoding of the same files.

    .venv/bin/python experiments/bench_data.py

Writes 64 pictures in the sizes of CamVid, Cityscapes and Virtual KITTI 2 to a temporary folder,
so it needs no data, and times in one process, round by round and in turn:

- decode: Pillow reads image and label, nothing else; the limit;
- load: what a split gives, labels mapped and looked through for illegal values;
- train: with random scale, crop, flip and jitter, at the size of experiments/data;
- count: labels alone to counts of classes, against their bare decoding.

A second table is of CamVid where it is below $DATA_ROOT (else of pictures of its size), at 240x320:
samples per second of one core, by OpenCV and albumentations as a user would write it, and by the
options of the DataModule.

Prints milliseconds of processor time per sample and ratios, medians of the rounds.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from lit_seg.data import CamVid, Folder, SegDataModule
from lit_seg.data.by_albumentations import AlbumentationsTransform
from lit_seg.data.counting.count import count_labels
from lit_seg.data.dataset import SegDataset
from lit_seg.data.label_maps import ColourMap, LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.data.transforms import TrainTransform
from lit_seg.images.open_and_save import open_picture
from lit_seg.images.overlays import distinct_colours

ROUNDS = 7
CLASSES = 20
COLOURS = np.array(distinct_colours(CLASSES), np.uint8)


def write(
    folder: Path, number: int, size: tuple[int, int], colours: bool
) -> list[tuple[Path, Path]]:
    """Pictures that compress about as photographs and maps do."""
    pairs = []
    for i in range(number):
        rng = np.random.default_rng(i)
        ids = rng.integers(0, CLASSES, (size[0] // 16 + 1, size[1] // 16 + 1))
        ids = ids.repeat(16, 0).repeat(16, 1)[: size[0], : size[1]]
        image = (COLOURS[ids] // 2 + rng.integers(0, 24, (*size, 3))).astype(np.uint8)
        pair = folder / f"{i}.png", folder / f"{i}_label.png"
        Image.fromarray(image).save(pair[0])
        Image.fromarray(COLOURS[ids] if colours else ids.astype(np.uint8)).save(pair[1])
        pairs.append(pair)
    return pairs


def medians(what: dict[str, Callable[[int], object]], number: int) -> dict[str, float]:
    """Milliseconds per call."""
    times: dict[str, list[float]] = {name: [] for name in what}
    for _ in range(ROUNDS):
        for name, call in what.items():
            start = time.process_time()
            for i in range(number):
                call(i)
            times[name].append(1e3 * (time.process_time() - start) / number)
    return {name: statistics.median(found) for name, found in times.items()}


def bare(*paths: Path) -> list[np.ndarray]:
    return [np.asarray(open_picture(path)) for path in paths]


AUGMENTATIONS = {"scale": (0.75, 2.0), "flip": 0.5, "jitter": 0.3}
VARIANTS: dict[str, dict[str, Any]] = {
    "lit_seg, albumentations": {"augmentation": "albumentations"},
    "lit_seg": {},
    "lit_seg, albumentations, cache": {"augmentation": "albumentations", "cache": "full"},
    "lit_seg, cache": {"cache": "full"},
    "lit_seg, reduced cache": {"cache": "reduced"},
}


def by_hand(data: SegDataModule) -> Callable[[int], object]:
    """What a user writes: OpenCV decodes, albumentations augments, torch gets both."""
    pipeline = AlbumentationsTransform((data.height, data.width), **AUGMENTATIONS).pipeline
    pairs = data.split("train").pairs

    def sample(index: int) -> dict[str, torch.Tensor]:
        image = cv2.cvtColor(cv2.imread(str(pairs[index][0])), cv2.COLOR_BGR2RGB)
        label = cv2.imread(str(pairs[index][1]), cv2.IMREAD_UNCHANGED)
        out = pipeline(image=image, mask=label)
        image = np.ascontiguousarray(out["image"].transpose(2, 0, 1))
        return {"image": torch.from_numpy(image), "target": torch.from_numpy(out["mask"]).long()}

    return sample


def loading_rows(number: int = 64, cache: str | None = None) -> list[dict[str, Any]]:
    """Samples per second of one core for each way to load, and how many times that by hand.

    ``number`` samples are loaded in each round; ``cache`` is the folder of decoded files.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIT_SEG_CACHE"] = cache or folder
        options: dict[str, Any] = {"height": 240, "width": 320, "num_workers": 0, **AUGMENTATIONS}
        make: Callable[..., SegDataModule] = CamVid
        if not (CamVid().root / "train.txt").is_file():
            root = Path(folder, "images")
            root.mkdir()
            write(root, number, (360, 480), colours=False)
            ids = [f"class {i}" for i in range(CLASSES)]
            options |= {"root": folder, "ids": ids, "masks": "images", "mask_suffix": "_label.png"}
            options |= {"splits": {"train": 0.8, "val": 0.2}, "fit": "stretch"}
            make = Folder
        data = {name: make(**options, **variant) for name, variant in VARIANTS.items()}
        sets = {name: each.train_dataloader().dataset for name, each in data.items()}
        number = min(number, *map(len, sets.values()))
        calls: dict[str, Callable[[int], object]] = {
            "cv2 + albumentations": by_hand(make(**options))
        }
        calls |= {name: lambda i, d=dataset: d[0, i, 0] for name, dataset in sets.items()}
        found = medians(calls, number)
    first = found["cv2 + albumentations"]
    return [
        {"loader": name, "ms": ms, "samples_per_second": 1000 / ms, "speedup": first / ms}
        for name, ms in found.items()
    ]


def main() -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    sets = {
        "CamVid, 360x480 to 180x240": ((360, 480), (180, 240), 16, False),
        "Cityscapes, 1024x2048 to 256x512": ((1024, 2048), (256, 512), 4, False),
        "Virtual KITTI 2, 375x1242 to 192x640, colours": ((375, 1242), (192, 640), 8, True),
    }
    print("| files | decode | load | train | decode label | count |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, (size, small, number, colours) in sets.items():
        with tempfile.TemporaryDirectory() as folder:
            pairs = write(Path(folder), number, size, colours)
            ids = {tuple(map(int, c)): i for i, c in enumerate(COLOURS)}
            read = ColourMap(ids) if colours else LabelMap({i: i for i in range(CLASSES)})
            split = FileSplit(pairs, read)
            transform = TrainTransform(small, "stretch", None, (0.75, 2.0), 0.5, 0.3)
            dataset = SegDataset(split, transform)
            found = medians(
                {
                    "decode": lambda i, pairs=pairs: bare(*pairs[i]),
                    "load": split.load,
                    "train": lambda i, dataset=dataset: dataset[0, i, 0],
                    "decode label": lambda i, pairs=pairs: bare(pairs[i][1]),
                    "count": lambda i, split=split: count_labels(split, i),
                },
                number,
            )
        base, label = found["decode"], found["decode label"]
        load, train, count = found["load"] / base, found["train"] / base, found["count"] / label
        print(
            f"| {name} | {base:.1f} ms | {load:.2f}x | {train:.2f}x "
            f"| {label:.2f} ms | {count:.2f}x |"
        )
    print(
        "\n| loader, 360x480 to 240x320 | ms | samples/s per core | times |\n|---|---:|---:|---:|"
    )
    for row in loading_rows():
        print("| {loader} | {ms:.2f} | {samples_per_second:.0f} | {speedup:.1f}x |".format(**row))


if __name__ == "__main__":
    main()
