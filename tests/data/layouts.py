"""Tiny datasets in the exact layout of their official downloads."""

import os
from functools import partial

import numpy as np

from lit_seg.data import DATASETS
from lit_seg.data.datasets.streets import streets
from tests.data import (
    layout_of_ade20k,
    layout_of_nyuv2,
    layout_of_oxford_pet,
    layout_of_synthia,
    layout_of_vkitti2,
)
from tests.data.pictures import MAC, noise_and_ids, save

SIZES = {
    "streets": (32, 48),
    "camvid": (12, 16),
    "cityscapes": (16, 32),
    "ade20k": layout_of_ade20k.SIZE,
    "oxford_pet": layout_of_oxford_pet.SIZE,
    "synthia": layout_of_synthia.SIZE,
    "vkitti2": layout_of_vkitti2.SIZE,
    "nyuv2": layout_of_nyuv2.SIZE,
    "folder": (12, 16),
}
OPTIONS = {
    "oxford_pet": {"border": "void"},  # else no pixel is void
    "folder": {"ids": ["sky", "road", "car"]},
}
CAMVID_LINES = {"train": 367, "val": 101, "test": 233}
CITIES = {"train": ("aachen", "bochum"), "val": ("frankfurt", "munster")}
CITYSCAPES_IDS = 34


def tiny(case, root, patch):
    """Write a dataset and return a factory of its DataModule, whose native size is then tiny.

    A case is a name, or a name and one of its layouts with a colon between them.
    """
    name, _, layout = case.partition(":")
    patch.setattr(DATASETS[name], "native_size", SIZES[name])
    if name == "streets":  # rendered, so there is nothing to write, but less to render
        streams = {split: stream for split, (stream, _) in streets._SPLITS.items()}
        sizes = {"train": 8, "val": 3, "test": 3}
        patch.setattr(streets, "_SPLITS", {s: (streams[s], sizes[s]) for s in streams})
    elif name == "folder":
        from tests.data import layout_of_folder  # it uses what is below

        layout_of_folder.write_folder(root, "abcdefghijklmnopqrstuvwxyz", values=(0, 1, 2, 255))
    else:
        WRITERS[name](root, *filter(None, [layout]))
    options = OPTIONS.get(name, {})
    return partial(DATASETS[name], root=str(root), num_workers=0, batch_size=2, **options)


def camvid(root, splits=tuple(CAMVID_LINES)):
    """The SegNet split of CamVid: full lists over links to a few distinct files."""
    for number, split in enumerate(CAMVID_LINES):
        if split not in splits:
            continue
        lines = []
        for i in range(CAMVID_LINES[split]):
            parts = [f"{folder}/{split}_{i:06}.png" for folder in (split, f"{split}annot")]
            image, label = (root / part for part in parts)
            if i < 4:
                save_pair(image, label, num_ids=12, size=SIZES["camvid"], seed=i + 10 * number)
            else:
                for path in (image, label):
                    os.link(path.with_name(f"{split}_{i % 4:06}.png"), path)
            lines.append(" ".join(f"/SegNet/CamVid/{part}" for part in parts))
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n")


def cityscapes(root, per_city=3):
    """Two cities per split, with what lies beside the labels in the archive and what macOS adds."""
    for split, cities in CITIES.items():
        for city in cities:
            for i in range(per_city):
                stem = f"{city}_{i:06}_000019"
                image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
                label = root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"
                save_pair(image, label, CITYSCAPES_IDS, SIZES["cityscapes"], seed=i)
                instances = np.full(SIZES["cityscapes"], 26001, np.uint16)
                save(label.with_name(f"{stem}_gtFine_instanceIds.png"), instances)
                save(label.with_name(f"{stem}_gtFine_color.png"), np.zeros((2, 2, 4), np.uint8))
                label.with_name(f"{stem}_gtFine_polygons.json").write_text("{}")
        for path in (image, label):  # of the last
            path.with_name(f"._{path.name}").write_bytes(MAC)


WRITERS = {
    "camvid": camvid,
    "cityscapes": cityscapes,
    "ade20k": layout_of_ade20k.write,
    "oxford_pet": layout_of_oxford_pet.write,
    "synthia": layout_of_synthia.write,
    "vkitti2": layout_of_vkitti2.write,
    "nyuv2": layout_of_nyuv2.write,
}


def save_pair(image, label, num_ids, size, seed):
    """Write noise, and labels that hold every id."""
    picture, ids = noise_and_ids(seed, size, num_ids)
    save(image, picture)
    save(label, ids.astype(np.uint8))
