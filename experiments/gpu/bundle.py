"""Collect what a GPU machine without network lacks: `make gpu-bundle`, into the folder `.gpu`.

`wheels/` holds the packages that training imports and such a machine does not have, in the versions
of `constraints.txt`. `camvid/` is CamVid's train and val split of $DATA_ROOT: labels are copied,
images become JPEG of high quality, so that all of it is small enough to be carried. `data.json`
says how much the pixels differ. On the machine:

    python3 -m pip install --no-index --no-deps --no-compile --target /tmp/site .gpu/wheels/*.whl
    export PYTHONPATH=/tmp/site
"""

import json
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from rich.progress import track

from lit_seg.cli.commands.run_command import one_line_errors
from lit_seg.data import CamVid
from lit_seg.errors import RunError
from lit_seg.files.atomic_io import writing
from lit_seg.images.decode import read_image

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("segmentation_models_pytorch", "jsonargparse", "docstring_parser", "typeshed_client"),
    *("albumentations", "albucore", "simsimd", "stringzilla"),
    *("pydantic", "pydantic_core", "annotated_types", "typing-inspection"),
)
"""What training needs beside torch, Lightning, timm and the usual packages of such a machine."""
PLATFORMS = ("_2_28", "_2_27", "_2_17", "2014", "1")
"""Those of the wheels that run on Linux with a glibc of 2.28 or newer."""
MOST = 60e6
"""Bytes of tree, wheels and data together."""


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Fetch the wheels, encode the data, and print how large all of it is."""
    parser = ArgumentParser(prog="python -m experiments.gpu.bundle", allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=ROOT / ".gpu", help=".gpu by default")
    parser.add_argument("--python", default="3.12", help="the machine's Python; 3.12 by default")
    parser.add_argument("--quality", type=int, default=95, help="of the images, up to 100")
    given = parser.parse_args(args)
    found = encode(given.out, given.quality)
    fetch_wheels(given.out / "wheels", given.python)
    sizes = {
        "the repository": sum((ROOT / name).lstat().st_size for name in _tree()),
        "wheels": _bytes(given.out / "wheels"),
        "images and labels": _bytes(given.out / "camvid"),
    }
    print(*(f"{size / 1e6:5.1f} MB  {name}" for name, size in sizes.items()), sep="\n")
    print(f"{sum(sizes.values()) / 1e6:5.1f} MB  together")
    print(
        f"pixels differ by {found['mean_difference']:.2f} of 255 in the mean and "
        f"{found['largest_difference']} at most, PSNR {found['psnr_db']:.1f} dB; labels not at all"
    )
    if sum(sizes.values()) > MOST:
        raise RunError(
            f"{given.out}: with the repository it is {sum(sizes.values()) / 1e6:.1f} MB, "
            f"{MOST / 1e6:.0f} can be carried; give a lower --quality than {given.quality}"
        )
    return 0


def fetch_wheels(folder: Path, python: str) -> None:
    """Put one wheel of each package there, for CPython of this version on Linux x86-64.

    Raises:
        RunError: if pip cannot fetch them; wheels that were there stay.
    """
    versions = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    wanted = [f"{name}=={versions[_normal(name)]}" for name in PACKAGES]
    platforms = [word for p in PLATFORMS for word in ("--platform", f"manylinux{p}_x86_64")]
    with writing(folder, "another folder by --out"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as draft:
        command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--no-deps"]
        command += ["--python-version", python, "--implementation", "cp", *platforms]
        print(f"fetching {len(wanted)} wheels for Python {python}", flush=True)
        done = subprocess.run(
            [*command, "--dest", draft, *wanted],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
            reason = said[-1].removeprefix("ERROR: ") if said else done.stderr.strip()[-200:]
            raise RunError(
                f"{folder}: pip cannot fetch the wheels for Python {python} ({reason}); connect to "
                "a package index that has them, make room, or give another --python"
            )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for wheel in Path(draft).glob("*.whl"):
            shutil.copy(wheel, folder)


def pinned(constraints: str) -> dict[str, str]:
    """The version of each package, by its normal name."""
    lines = [line.partition("#")[0].strip().split("==") for line in constraints.splitlines()]
    return {_normal(line[0]): line[1] for line in lines if len(line) == 2}


def encode(out: Path, quality: int) -> dict[str, Any]:
    """Write ``camvid/`` and ``data.json``; returns what the latter holds.

    Raises:
        DataError: where the dataset is missing.
        WriteError: where there is no room for it.
    """
    data = CamVid()
    pairs = {name: data.split(name).pairs for name in ("train", "val")}
    root, facts = out / "camvid", out / "data.json"
    with writing(out, "another folder by --out"):
        facts.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        differences: list[tuple[float, int, float]] = []
        for name, found in pairs.items():
            lines = []
            for part in (name, f"{name}annot"):
                (root / part).mkdir()
            for image, label in track(found, f"encoding {name}"):
                new = root / name / f"{image.stem}.jpg"
                differences.append(_save(image, new, quality))
                shutil.copyfile(label, root / f"{name}annot" / label.name)
                lines.append(f"{name}/{new.name} {name}annot/{label.name}\n")
            (root / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        mean, largest, square = zip(*differences, strict=True)
        result = {
            "images": {name: len(found) for name, found in pairs.items()},
            "encoding": f"JPEG, quality {quality}, colours at full resolution",
            "labels": "copied",
            "mean_difference": float(np.mean(mean)),
            "largest_difference": max(largest),
            "psnr_db": float(10 * np.log10(255**2 / np.mean(square))) if any(square) else None,
            "bytes": _bytes(root),
        }
        facts.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def _save(path: Path, new: Path, quality: int) -> tuple[float, int, float]:
    """Encode an image; returns mean, maximum and mean square of how its pixels then differ."""
    before = read_image(path)
    Image.fromarray(before).save(new, quality=quality, subsampling=0, optimize=True)
    difference = np.abs(read_image(new).astype(np.int16) - before)
    return (
        float(difference.mean()),
        int(difference.max()),
        float((difference.astype(np.float64) ** 2).mean()),
    )


def _tree() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
