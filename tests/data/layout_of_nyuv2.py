"""A tiny NYUv2 in each of the layouts that it is passed on in."""

import os
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from tests.data.pictures import MAC, noise, save

SIZE = (12, 16)
TRAIN = (3, 4, 5, 6, 7, 8, 10, 11, 12, 13)
TEST = (1, 2, 9, 14)
"""How the first 14 images are split officially."""
MAP_40 = tuple(7 * i % 40 + 1 for i in range(894))
"""In place of the official one of 894 labels to 40 classes."""
MTAN_SIZES = {"train": 795, "val": 654}
MTAN_DISTINCT = 7


def write(root: Path, layout: str = "class13") -> None:
    """The layout ``mat``, ``class13``, ``label40`` or ``mtan``, with what lies beside it."""
    {"mat": mat, "class13": class13, "label40": label40, "mtan": mtan}[layout](root)


def mat(root: Path) -> None:
    """HDF5 as MATLAB 7.3 writes it: a header of its own in front, and the axes swapped."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / "nyu_depth_v2_labeled.mat"
    count = len(TRAIN + TEST)
    width_first = (count, SIZE[1], SIZE[0])
    with h5py.File(path, "w", userblock_size=512) as file:
        file["#refs#/a"] = np.zeros(3, np.uint16)
        file["depths"] = np.full(width_first, 2.5, np.float32)
        file["namesToIds"] = np.zeros(6, np.uint32)
        pictures = np.stack([image(n).transpose(2, 1, 0) for n in range(1, count + 1)])
        layers = np.stack([labels(n, 895).T for n in range(1, count + 1)])
        file.create_dataset("images", data=pictures, chunks=(1, 3, *width_first[1:]), compression=3)
        file.create_dataset("labels", data=layers, chunks=(1, *width_first[1:]), compression=3)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    split_file(root)
    mapping = {"mapClass": np.array([MAP_40], np.uint8), "className": np.array([["wall"]], object)}
    savemat(root / "classMapping40.mat", mapping)


def split_file(root: Path, train: tuple[int, ...] = TRAIN, test: tuple[int, ...] = TEST) -> None:
    """``splits.mat``."""
    columns = {"trainNdxs": train, "testNdxs": test}
    savemat(
        root / "splits.mat",
        {key: np.array(column, np.uint16).reshape(-1, 1) for key, column in columns.items()},
    )


def class13(root: Path) -> None:
    """The unpacked archives of the labels' repository, and the two of images."""
    for part, numbers in {"train": TRAIN, "test": TEST}.items():
        for number in numbers:
            folder = root / f"{part}_labels_13"
            save(folder / f"new_nyu_class13_{number:04}.png", labels(number, 14).astype(np.uint8))
            save(root / f"nyu_{part}_rgb" / f"nyu_rgb_{number:04}.png", image(number))
        for name in (f"{part}_labels_13/new_nyu_class13", f"nyu_{part}_rgb/nyu_rgb"):
            path = root / f"{name}_{numbers[0]:04}.png"
            path.with_name(f"._{path.name}").write_bytes(MAC)
            (path.parent / "Thumbs.db").write_bytes(b"")
    (root / "README.md").write_text("## What does this repository contain?\n")
    (root / "camera_rotations_NYU.txt").write_text("1 0 0\n")
    split_file(root)


def label40(root: Path) -> None:
    """Folders of a kind each, and lists of both parts."""
    for part, numbers in {"train": TRAIN, "test": TEST}.items():
        lines = []
        for number in numbers:
            save(root / f"RGB/{number}.jpg", image(number))
            save(root / f"Label/{number}.png", labels(number, 41).astype(np.uint8))
            save(root / f"Depth/{number}.png", np.full(SIZE, 9, np.uint8))
            lines.append(f"RGB/{number}.jpg Label/{number}.png\n")
        (root / f"{part}.txt").write_text("".join(lines))
    (root / "Label/._1.png").write_bytes(MAC)


def mtan(root: Path) -> None:
    """All of the numbers, over links to a few arrays."""
    for part, size in MTAN_SIZES.items():
        for kind in ("image", "label", "depth", "normal"):
            folder = root / part / kind
            folder.mkdir(parents=True)
            (folder / "._0.npy").write_bytes(MAC)
            for i in range(size if kind in ("image", "label") else 1):
                if i >= MTAN_DISTINCT:
                    os.link(folder / f"{i % MTAN_DISTINCT}.npy", folder / f"{i}.npy")
                elif kind == "label":
                    np.save(folder / f"{i}.npy", labels(i + len(part), 14) - 1.0)
                else:
                    np.save(folder / f"{i}.npy", image(i + len(part)) / 255)


def image(seed: int) -> np.ndarray:
    return noise(seed, SIZE)


def labels(seed: int, values: int) -> np.ndarray:
    """All of few values, or as many of many as there are pixels; 0, for void, most often."""
    pixels = SIZE[0] * SIZE[1]
    found = (np.arange(pixels) + pixels * seed) % values
    found[:12] = 0
    return np.random.default_rng(seed).permutation(found).reshape(SIZE).astype(np.uint16)
