"""Labelling images: what is no image, and folders that are not to be written to."""

import resource
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

import lit_seg
from lit_seg.cli.commands.predict import main
from tests.bad_input.case import Case, World


def _predict(*args: str, files: dict[str, bytes] | None = None):
    """Label ``photos``, which holds ``a.png`` and more files, by a copy of the run."""

    def provoke(world: World) -> int:
        world.patch.chdir(world.tmp)
        shutil.copytree(world.stopped, "run")
        for folder in ("photos", "empty", "taken"):
            Path(folder).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save("photos/a.png")
        for name, content in (files or {}).items():
            Path(name).write_bytes(content)
        return main(args)

    return provoke


def _made_otherwise(world: World) -> int:
    assert _predict("run", "photos", "--out", "out")(world) == 0
    return main(["run", "photos", "--out", "out", "--flip"])


def _disk_full(world: World) -> int:
    """Files may not grow beyond 100 bytes here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    provoke = _predict("run", "photos", "--out", "out", "--probabilities")
    save = np.savez_compressed

    def limited(*args: object, **arrays: np.ndarray) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        save(*args, **arrays)  # type: ignore[arg-type]

    world.patch.setattr(np, "savez_compressed", limited)
    try:
        return provoke(world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _load(image: object):
    def provoke(world: World) -> int:
        lit_seg.load(world.stopped)(image)  # type: ignore[call-overload]
        return 0

    return provoke


def _load_path(name: str):
    """Load a file, or the folder of it."""

    def provoke(world: World) -> int:
        path = world.tmp / "export" / name
        path.parent.mkdir()
        path.touch()
        lit_seg.load(path if name.endswith(".jpg") else path.parent)
        return 0

    return provoke


CASES = [
    Case("predict-nothing", _predict()),
    Case("predict-run-missing", _predict("gone", "photos"), ("gone",)),
    Case("predict-source-missing", _predict("run", "nosuch"), ("nosuch",)),
    Case("predict-source-empty", _predict("run", "empty"), ("empty",)),
    Case("predict-pattern", _predict("run", "photos/*.gif"), ("photos/*.gif",)),
    Case(
        "predict-list-empty", _predict("run", "list.txt", files={"list.txt": b"\n"}), ("list.txt",)
    ),
    Case(
        "predict-list-no-text",
        _predict("run", "list.txt", files={"list.txt": b"\xff"}),
        ("list.txt",),
    ),
    Case(
        "predict-same-name",
        _predict("run", "photos", files={"photos/a.jpg": b""}),
        ("photos/a.jpg", "photos/a.png"),
    ),
    Case(
        "predict-unreadable",
        _predict("run", "photos", files={"photos/b.png": b"text"}),
        ("1 file", "run/predictions"),
    ),
    Case(
        "predict-unreadable-video",
        _predict("run", "film.mp4", files={"film.mp4": b"text"}),
        ("1 file", "run/predictions"),
    ),
    Case(
        "predict-folder-taken",
        _predict("run", "photos", "--out", "taken", files={"taken/x": b""}),
        ("taken",),
    ),
    Case("predict-made-otherwise", _made_otherwise, ("out", '"flip": true')),
    Case("predict-out-a-file", _predict("run", "photos", "--out", "run/config.yaml")),
    Case("predict-disk-full", _disk_full, ("out/probabilities/a.npz", "File too large")),
    Case("predict-submission", _predict("run", "photos", "--submission", "ade20k"), ("streets",)),
    Case("predict-stride", _predict("run", "photos", "--stride", "8", "8")),
    Case("predict-device", _predict("run", "photos", "--device", "cuda:9"), ("cuda:9",)),
    Case("predict-tau", _predict("run", "photos", "--tau", "-1"), ("-1",)),
    Case("load-image", _load(np.zeros((4, 4), np.float32)), ("(4, 4) of float32",)),
    Case("load-image-list", _load([])),
    Case("load-image-as-run", _load_path("a.jpg"), ("a.jpg",)),
    Case("load-export-folder", _load_path("model.pt2"), ("export", "model.pt2")),
    Case("load-smp-folder", _load_path("model.safetensors"), ("export", "smp.from_pretrained")),
]
