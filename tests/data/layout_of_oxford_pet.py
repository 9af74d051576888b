"""A tiny Oxford-IIIT Pet in the layout of images.tar.gz and annotations.tar.gz."""

import numpy as np

from tests.data.pictures import noise_and_ids, save

SIZE = (12, 16)
TRAINVAL = [f"{breed}_{i}" for breed in ("Abyssinian", "pug") for i in range(1, 31)]
TEST = [f"{breed}_{i}" for breed in ("Abyssinian", "pug") for i in range(100, 112)]
UNLISTED = "Abyssinian_99"
"""A photo that is in the archives but in no list."""


def write(root, size=SIZE):
    """Write photos, trimaps and lists, and what else the two archives hold."""
    images, annotations = root / "images", root / "annotations"
    trimaps = annotations / "trimaps"
    (annotations / "xmls").mkdir(parents=True)
    for i, stem in enumerate([*TRAINVAL, *TEST, UNLISTED]):
        image, ids = noise_and_ids(i, size, 3, darkest=96)
        save(images / f"{stem}.jpg", image, quality=95)
        save(trimaps / f"{stem}.png", (1 + ids).astype(np.uint8))
        (trimaps / f"._{stem}.png").write_bytes(b"\x00\x05\x16\x07 of a Mac")
        (annotations / "xmls" / f"{stem}.xml").write_text("<annotation></annotation>")
    (images / "Abyssinian_100.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    lines = [line(stem) for stem in [*TRAINVAL, *TEST]]
    head = "#Image CLASS-ID SPECIES BREED ID\n#SPECIES: 1:Cat 2:Dog\n"
    (annotations / "list.txt").write_text(head + "".join(lines))
    write_list(root, "trainval", TRAINVAL)
    write_list(root, "test", TEST)
    (annotations / "README").write_text("trimaps/ 1: Foreground 2:Background 3: Not classified\n")


def write_list(root, part, stems):
    """Write ``annotations/<part>.txt``."""
    (root / "annotations" / f"{part}.txt").write_text("".join(map(line, stems)))


def line(stem):
    """Photo, class of 37, species (cats have a capital letter), breed within the species."""
    return f"{stem} 1 1 1\n" if stem[0].isupper() else f"{stem} 26 2 16\n"
