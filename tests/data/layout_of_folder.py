"""A user's folder of images and masks, in whatever layout a test needs."""

import numpy as np
from PIL import Image

from lit_seg.data import Folder
from tests.data.pictures import save

NAMES = ["sky", "road", "car"]
COLOURS = {"sky": [70, 130, 180], "road": [128, 64, 128], "car": [0, 0, 142]}


def write_pair(root, image, mask, size=(12, 16), seed=0, values=(0, 1, 2), dtype=np.uint8):
    """A noisy image, and a mask that holds every value: numbers, or colours."""
    rng = np.random.default_rng(seed)
    save(root / image, rng.integers(1, 256, (*size, 3), np.uint8))
    index = rng.permutation(np.arange(size[0] * size[1]) % len(values)).reshape(size)
    return save(root / mask, np.array(values, dtype)[index])


def write_folder(root, stems=tuple("abcdefghij"), images="images", masks="masks", **options):
    """``images/a.png`` and ``masks/a.png``, and so on; returns the root."""
    for seed, stem in enumerate(stems):
        write_pair(root, f"{images}/{stem}.png", f"{masks}/{stem}.png", seed=seed, **options)
    return root


def folder(root, **options):
    """A ``Folder`` of three ids, unless told otherwise."""
    if "colours" not in options:
        options.setdefault("ids", NAMES)
    small = {"height": 12, "width": 16, "num_workers": 0, "batch_size": 2}
    return Folder(root=str(root), **{**small, **options})


def stems(data, name):
    return [image.stem for image, _ in data.split(name).pairs]


def images(data, name):
    """Paths of the images below the root."""
    return [image.relative_to(data.root).as_posix() for image, _ in data.split(name).pairs]


def masks(data, name):
    return [mask.relative_to(data.root).as_posix() for _, mask in data.split(name).pairs]


def palette_png(path, indices, palette, **options):
    image = Image.fromarray(indices)
    image.putpalette(palette)
    image.save(path, **options)
    return path
