"""Tiny datasets in the layouts of the published ones."""

import pickle

import numpy as np

from tests.data.pictures import save

SIZE = (12, 10)


def write_photos(root, paths):
    """An image of its own for each path."""
    rng = np.random.default_rng(0)
    for path in paths:
        save(root / path, rng.integers(0, 256, (*SIZE, 3), np.uint8))


def write_list(root, name, lines):
    """A list of ``(path, label)``."""
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("".join(f"{path} {label}\n" for path, label in lines))


def write_places(root, train=(5, 3, 2), held_out=2):
    """A tiny Places-LT, whose ids are not the order of its folders."""
    scenes = [f"{name}_road" for name in ("zoo", "desert", "field")]
    for split, folder in (("train", "train"), ("val", "train"), ("test", "val")):
        counts = train if split == "train" else [held_out] * 3
        lines = [
            (f"{folder}/{scene}/{split}{i}.png", c)
            for c, scene in enumerate(scenes)
            for i in range(counts[c])
        ]
        write_photos(root, [path for path, _ in lines])
        write_list(root, f"Places_LT_{split}.txt", lines)


def write_cifar(root, per_class=10, classes=10, label="labels"):
    """The official files, with noise in them; Python 3 and NumPy 2 name things anew."""
    rng = np.random.default_rng(0)
    if label == "labels":
        folder, files = root / "cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)]
        files.append("test_batch")
    else:
        folder, files = root / "cifar-100-python", ["train", "test"]
    folder.mkdir(parents=True)
    for file in files:
        labels = rng.permutation(np.repeat(np.arange(classes), per_class)).tolist()
        data = rng.integers(0, 256, (len(labels), 3072), np.uint8)
        content = {b"batch_label": b"one", b"data": data, label.encode(): labels}
        text = pickle.dumps(content, protocol=3).replace(b"numpy._core.", b"numpy.core.")
        (folder / file).write_bytes(text)
