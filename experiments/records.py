"""Keep what the pages are computed from: `python -m experiments.records unpack runs/records`.

A record is a finished run without its checkpoints: scores, counts per image and the weights of the
classes over time, and of seed 0 the four small pictures that the report shows. All of them are one
archive per dataset, so that every number of the pages and of the report can be computed again:
unpacked they are folders that ``lit_seg report``, the notebooks and the scripts here read.
"""

import argparse
import io
import lzma
import sys
import tarfile
from pathlib import Path

from lit_seg.errors import plural

ARCHIVES = sorted((Path(__file__).parents[1] / "docs/records").glob("*.tar.xz"))
FILES = (
    *("summary.json", "config.yaml", "metrics.csv", "classes.csv", "val_images.csv"),
    *("dataset.csv", "cost.csv"),
)


def pack(runs: Path, archive: Path, preset: int = 9) -> int:
    """Write the records of all finished runs below a folder; returns how many there are.

    The same records give the same bytes. A low ``preset`` is ten times faster, for larger archives.
    """
    folders = sorted(path.parent for path in runs.rglob("summary.json"))
    with (
        lzma.open(archive, "wb", preset=preset) as file,
        tarfile.open(fileobj=file, mode="w") as tar,
    ):
        for path in (path for folder in folders for path in _kept(folder)):
            content = path.read_bytes()
            member = tarfile.TarInfo(path.relative_to(runs).as_posix())
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return len(folders)


def _kept(run: Path) -> list[Path]:
    pictures = sorted(run.glob("pictures/*")) if run.name == "seed0" else []
    return [*filter(Path.exists, (run / name for name in FILES)), *pictures]


def unpack(archive: Path, folder: Path) -> None:
    """Write the records as folders of runs."""
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(folder, filter="data")


def main() -> int:
    """Pack runs into an archive, or unpack all archives."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0], allow_abbrev=False
    )
    parser.add_argument("what", choices=["pack", "unpack"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--archive", type=Path, help="to pack into")
    given = parser.parse_args()
    if given.what == "unpack":
        for archive in ARCHIVES:
            unpack(archive, given.folder)
    elif given.archive is None:
        parser.error("pack needs --archive <file>.tar.xz")
    else:
        number = pack(given.folder, given.archive)
        size = given.archive.stat().st_size / 1e6
        print(f"{given.archive}: {plural(number, 'run')}, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
