"""What loading costs, against the bare decoding of the same files.

    .venv/bin/python experiments/bench_data.py

Writes 64 pictures in the sizes of CamVid, Cityscapes and Virtual KITTI 2 to a temporary folder,
so it needs no data, and times in one process, round by round and in turn:

- decode: Pillow reads image and label, nothing else; the limit;
- load: what a split gives, labels mapped and looked through for illegal values;
- train: with random scale, crop, flip and jitter, at the size of experiments/data;
- count: labels alone to counts of classes, against their bare decoding.

Prints milliseconds per sample and ratios, medians of the rounds.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

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
            start = time.perf_counter()
            for i in range(number):
                call(i)
            times[name].append(1e3 * (time.perf_counter() - start) / number)
    return {name: statistics.median(found) for name, found in times.items()}


def bare(*paths: Path) -> list[np.ndarray]:
    return [np.asarray(open_picture(path)) for path in paths]


def main() -> None:
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


if __name__ == "__main__":
    main()
