"""What loading costs, against the bare decoding of the same files and against loading by hand.

Pictures in the sizes of CamVid, Cityscapes and Virtual KITTI 2 are written to a temporary folder:

- decode: Pillow reads image and label, nothing else; the limit without a cache;
- load: what a split gives, labels mapped and looked through for illegal values;
- train: with random scale, crop, flip and jitter, at the size of experiments/data;
- count: labels alone to counts of classes, against their bare decoding.

The second table is of CamVid where it is (else of pictures of its size): samples per second of one
core, by OpenCV and albumentations as a user would write it, and by the options of the DataModule.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from experiments.bench.measure import interleaved
from experiments.gpu.section import Section
from lit_seg.data import CamVid, Folder, SegDataModule
from lit_seg.data.by_albumentations import AlbumentationsTransform
from lit_seg.data.counting.count import count_labels
from lit_seg.data.dataset import SegDataset
from lit_seg.data.label_maps import ColourMap, LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.data.transforms import TrainTransform
from lit_seg.images.open_and_save import open_picture
from lit_seg.images.overlays import distinct_colours

TITLE = "Loading"
SECONDS = 60
CPU = torch.device("cpu")
CLASSES = 20
COLOURS = np.array(distinct_colours(CLASSES), np.uint8)
FILES = {
    "CamVid, 360x480 to 180x240": ((360, 480), (180, 240), 16, False),
    "Cityscapes, 1024x2048 to 256x512": ((1024, 2048), (256, 512), 4, False),
    "Virtual KITTI 2, 375x1242 to 192x640, colours": ((375, 1242), (192, 640), 8, True),
}
QUICK = {"48x64 to 24x32": ((48, 64), (24, 32), 2, False)}
BY_HAND = "cv2 + albumentations"


AUGMENTATIONS = {"scale": (0.75, 2.0), "flip": 0.5, "jitter": 0.3}
VARIANTS: dict[str, dict[str, Any]] = {
    "lit_seg, albumentations": {"augmentation": "albumentations"},
    "lit_seg": {},
    "lit_seg, albumentations, cache": {"augmentation": "albumentations", "cache": "full"},
    "lit_seg, cache": {"cache": "full"},
    "lit_seg, reduced cache": {"cache": "reduced"},
}


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


def bare(*paths: Path) -> list[np.ndarray]:
    return [np.asarray(open_picture(path)) for path in paths]


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


def run(section: Section) -> None:
    """Rows of both tables."""
    cv2.setNumThreads(0)
    for name, case in (QUICK if section.smoke else FILES).items():
        with section.attempt("files", files=name):
            _files(section, name, *case)
    with section.attempt("loaders"):
        _loaders(section, 4 if section.smoke else 64)
    section.note(
        "Milliseconds of processor time per sample, and multiples of those of `decode` and of "
        "`decode label`. Loaders make samples of 240x320 with random scale, crop, flip and jitter, "
        "without workers; `times faster` is against OpenCV and albumentations in the same rounds. "
        "A cache is made once, before the first epoch, and then in the memory of the system, as "
        "the files are for the others: making it takes about as long as decoding all images once."
    )


def _files(
    section: Section,
    name: str,
    size: tuple[int, int],
    small: tuple[int, int],
    number: int,
    colours: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pairs = write(Path(folder), number, size, colours)
        ids = {tuple(map(int, c)): i for i, c in enumerate(COLOURS)}
        split = FileSplit(pairs, ColourMap(ids) if colours else LabelMap({i: i for i in range(20)}))
        dataset = SegDataset(split, TrainTransform(small, "stretch", None, (0.75, 2.0), 0.5, 0.3))
        calls: dict[str, Callable[[int], object]] = {
            "decode": lambda i: bare(*pairs[i]),
            "load": split.load,
            "train": lambda i: dataset[0, i, 0],
            "decode label": lambda i: bare(pairs[i][1]),
            "count": partial(count_labels, split),
        }
        ms = milliseconds(calls, number, section.smoke)
    times = {
        **{key: ms[key] / ms["decode"] for key in ("load", "train")},
        **{"decode label": ms["decode label"], "count": ms["count"] / ms["decode label"]},
    }
    section.row("files", files=name, decode=ms["decode"], **times)


def milliseconds(
    calls: dict[str, Callable[[int], object]], number: int, quick: bool
) -> dict[str, float]:
    """Median processor time of each call per sample; they take turns, each for all samples."""
    works = {name: partial(_all, call, number) for name, call in calls.items()}
    times = interleaved(works, CPU, 0 if quick else 25, most=7)
    return {name: time.ms / number for name, time in times.items()}


def _all(call: Callable[[int], object], number: int) -> None:
    for i in range(number):
        call(i)


def _loaders(section: Section, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIT_SEG_CACHE"] = folder
        options: dict[str, Any] = {"height": 240, "width": 320, "num_workers": 0, **AUGMENTATIONS}
        make: Callable[..., SegDataModule] = CamVid
        if section.smoke or not (CamVid().root / "train.txt").is_file():
            root = Path(folder, "images")
            root.mkdir()
            write(root, number, (48, 64) if section.smoke else (360, 480), colours=False)
            ids = [f"class {i}" for i in range(CLASSES)]
            options |= {"root": folder, "ids": ids, "masks": "images", "mask_suffix": "_label.png"}
            options |= {"splits": {"train": 0.5, "val": 0.5}, "fit": "stretch"}
            make = Folder
        data = {name: make(**options, **variant) for name, variant in VARIANTS.items()}
        sets = {name: each.train_dataloader().dataset for name, each in data.items()}
        number = min(number, *map(len, sets.values()))
        calls = {BY_HAND: by_hand(make(**options))}
        calls |= {name: partial(_sample, dataset) for name, dataset in sets.items()}
        found = milliseconds(calls, number, section.smoke)
    for name, ms in found.items():
        row = {"ms": ms, "samples/s per core": 1e3 / ms, "times faster": found[BY_HAND] / ms}
        section.row("loaders", loader=name, **row)


def _sample(dataset: SegDataset, index: int) -> object:
    return dataset[0, index, 0]
