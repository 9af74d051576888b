"""Datasets and labels that are missing, damaged, or not what they should be."""

import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lit_seg.data import Cityscapes
from lit_seg.data.file_lists import inside
from lit_seg.losses import CrossEntropyLoss
from lit_seg.metrics.labels import ClassCounts
from tests.bad_input.case import Case, World, read
from tests.conftest import TINY, layers

FIRST = "train/train_000000.png"
LABEL = "trainannot/train_000000.png"
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


def _file(content: bytes | np.ndarray | None, name: str = FIRST):
    def provoke(world: World) -> int:
        with world.damaged(name, content):
            return world.read_camvid()

    return provoke


def _listed(old: str, new: str):
    """In the first line of the list of training images."""

    def provoke(world: World) -> int:
        text = (world.camvid / "train.txt").read_text().replace(old, new, 1)
        with world.damaged("train.txt", text.encode()):
            return world.read_camvid()

    return provoke


def _truncated(world: World) -> int:
    whole = (world.camvid / FIRST).read_bytes()
    with world.damaged(FIRST, whole[: len(whole) // 2]):
        return world.on_camvid()


def _damaged_later(world: World) -> int:
    """Not the first file, which is looked at before training: one that a worker meets."""
    with world.damaged("train/train_000005.png", b"no image"):
        workers = ("--data.init_args.num_workers", "1", "--trainer.max_steps", "92")
        return world.on_camvid(*workers)


def _no_city(world: World) -> int:
    for name in ("leftImg8bit", "gtFine"):
        (world.tmp / "data" / name / "train").mkdir(parents=True)
    return read(Cityscapes(root=str(world.tmp / "data")))


def _no_label(world: World) -> int:
    root = Path(shutil.copytree(world.cityscapes, world.tmp / "data"))
    next(root.glob("gtFine/train/aachen/*labelIds.png")).unlink()
    return read(Cityscapes(root=str(root)))


def _test_of_cityscapes(world: World) -> int:
    data = ("--data.init_args.root", str(world.cityscapes), "--data.init_args.num_workers", "0")
    checkpoint = ("--ckpt_path", str(world.stopped / "checkpoints/last.ckpt"))
    run = ("--run_dir", str(world.tmp / "run"))
    return world.main(["test", *layers(data="cityscapes"), *TINY, *data, *run, *checkpoint])


def _colour_label(world: World) -> int:
    with world.damaged(LABEL, np.zeros((12, 16, 3), np.uint8)):
        return world.read_camvid()


def _float_label(world: World) -> int:
    with world.damaged(LABEL, None):
        Image.fromarray(np.zeros((12, 16), np.float32)).save(world.camvid / LABEL, format="TIFF")
        return world.read_camvid()


def _loss(logits: tuple[int, ...], target: torch.Tensor) -> int:
    CrossEntropyLoss([1, 1])(torch.zeros(logits), target)
    return 0


def _no_room(world: World) -> int:
    usage = shutil.disk_usage(world.tmp)._replace(free=9)
    world.patch.setattr(shutil, "disk_usage", lambda _: usage)
    world.patch.setenv("LIT_SEG_CACHE", str(world.tmp / "cache"))
    return world.read_camvid(cache="full")


def _no_folder_of_cache(world: World) -> int:
    (world.tmp / "file").touch()
    world.patch.setenv("LIT_SEG_CACHE", str(world.tmp / "file"))
    return world.read_camvid(cache="full")


CASES = [
    Case(
        "data-root-missing",
        lambda w: w.on_camvid("--data.init_args.root", str(w.tmp / "no")),  # the whole way
        ("no/train.txt",),
    ),
    Case("data-list-missing", _file(None, "train.txt"), ("camvid/train.txt",)),
    Case("data-list-no-text", _file(b"\xff\xfe\x00", "train.txt"), ("camvid/train.txt",)),
    Case("data-list-empty", _file(b"", "train.txt"), ("camvid/train.txt", "367")),
    Case(
        "data-list-short",
        _file(b"train/a.png trainannot/a.png\n", "train.txt"),
        ("camvid/train.txt", "lists 1 ", "367"),
    ),
    Case(
        "data-list-line",
        _listed(" /SegNet/CamVid/trainannot/train_000000.png", ""),
        ("train.txt: line 1", "/SegNet/CamVid/train/train_000000.png"),
    ),
    Case(
        "data-list-names-missing",
        _listed("train_000000", "nosuch"),
        ("train/nosuch.png", "1 of 734"),
    ),
    Case(
        "data-list-leaves-root",
        _listed("/SegNet/CamVid/train/", "../../elsewhere/"),
        ("train.txt: line 1", "../../elsewhere/"),
    ),
    Case(
        "data-path-absolute",
        lambda w: len(str(inside(w.camvid, "/etc/passwd", "train.txt: line 1"))),
        ("train.txt: line 1", "/etc/passwd"),
    ),
    Case(
        "data-path-drive",
        lambda w: len(str(inside(w.camvid, "C:\\x.png", "train.txt: line 1"))),
        ("train.txt: line 1", "x.png"),
    ),
    Case("data-image-truncated", _truncated, ("train_000000.png",)),
    Case("data-image-empty", _file(b""), ("train_000000.png",)),
    Case("data-image-no-image", _file(b"hello"), ("train_000000.png",)),
    Case("data-image-postscript", _file(POSTSCRIPT), ("train_000000.png",)),
    Case("data-image-in-worker", _damaged_later, ("train_000005.png",)),
    Case("data-no-city", _no_city, ("leftImg8bit/train",)),
    Case("data-no-partner", _no_label, ("labelIds.png", "1 of 12", "https://")),
    Case("data-test-not-public", _test_of_cityscapes),
    Case("data-cache-drawn", lambda w: w.fit("--data.init_args.cache", "full")),
    Case("data-cache-disk-full", _no_room, ("camvid-train", "0 MB")),
    Case("data-cache-no-folder", _no_folder_of_cache, ("camvid-train",)),
    Case("data-augmentation", lambda w: w.read_camvid(augmentation="slow"), ("slow",)),
    Case("label-colour", _colour_label, ("trainannot/train_000000.png", "(RGB)")),
    Case("label-float", _float_label, ("trainannot/train_000000.png", "float32")),
    Case(
        "label-16-bit",
        _file(np.full((12, 16), 300, np.uint16), LABEL),
        ("trainannot/train_000000.png", "[300]", "0-11"),
    ),
    Case(
        "label-illegal",
        _file(np.full((12, 16), 12, np.uint8), LABEL),
        ("trainannot/train_000000.png", "[12]", "0-11"),
    ),
    Case(
        "label-size",
        _file(np.zeros((12, 15), np.uint8), LABEL),
        ("trainannot/train_000000.png", "12x15", "12x16"),
    ),
    Case("label-in-loss", lambda w: _loss((1, 2, 4, 4), torch.full((1, 4, 4), 7)), ("[7]",)),
    Case("label-dtype", lambda w: _loss((1, 2, 4, 4), torch.zeros(1, 4, 4))),
    Case("label-shape", lambda w: _loss((1, 2, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long))),
    Case(
        "label-channels",
        lambda w: _loss((1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)),
        ("got 3",),
    ),
    Case("label-one-class", lambda w: len(list(CrossEntropyLoss([5]).buffers()))),
    Case("label-counts-negative", lambda w: len(list(CrossEntropyLoss([5, -1]).buffers()))),
    Case("label-counts-differ", lambda w: len(ClassCounts((1, 2), images=(1,)))),
]
