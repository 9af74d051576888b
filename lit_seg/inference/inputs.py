"""Finds the files to label, and the names that their predictions get."""

import os
from collections.abc import Iterable, Iterator, Sequence
from glob import glob, has_magic
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from lit_seg.errors import DataError, RunError, reason_of
from lit_seg.files.unicode import printable
from lit_seg.images.open_and_save import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


class Input(NamedTuple):
    """A file to label, and the path of its predictions without a suffix, below their folder."""

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def find_inputs(sources: Sequence[str], out: Path | None = None) -> list[Input]:
    """Find the images and videos that are meant, sorted by name.

    Args:
        sources: images, videos, folders, patterns such as ``photos/*.jpg``, and ``.txt`` files that
            list a path per line, relative to the folder of the list; lines that begin with ``#``
            are skipped. Names are relative to the folder, to the first folder of a pattern, or to
            that of the list; of a single file it is that of the file.
        out: a folder whose files are no inputs, since predictions are written there.

    Raises:
        DataError: if a source is not there or names no image.
        RunError: if two files would get the same name.
    """
    found: dict[tuple[str, bool], Input] = {}
    for path, base in (each for source in sources for each in _of_source(source, out)):
        name = os.path.relpath(path.with_suffix(""), base)
        new = Input(path, printable(Path(name).as_posix()))
        other = found.setdefault((new.name, new.is_video), new)
        if other != new or ".." in Path(name).parts:
            raise RunError(
                f"{path}: its predictions would be named {new.name}, as those of {other.path}; "
                "label it by a call of its own, with another --out"
            )
    return sorted(found.values(), key=lambda each: each.name)


def _of_source(source: str, out: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield each file of a source, and the folder below which it gets its name."""
    path = Path(source).expanduser()
    if path.is_dir():
        files, base, what = list(path.rglob("*")), path, "holds"
    elif path.suffix.lower() == ".txt" and path.is_file():
        listed = _listed(path)
        base = path.parent.absolute()
        if not all(each.is_relative_to(base) for each in listed):
            base = Path(os.path.commonpath([each.parent for each in listed]))
        yield from ((each, base) for each in listed)
        return
    elif path.exists():
        yield path, path.parent
        return
    elif has_magic(source):
        fixed = list(takewhile(lambda part: not has_magic(part), path.parts[:-1]))
        files = [Path(each) for each in glob(str(path), recursive=True)]
        base, what = Path(*fixed), "matches"
    else:
        raise DataError(f"{source}: no such file or folder, and no pattern such as 'photos/*.jpg'")
    chosen = sorted(_pictures(files, base, out))
    if not chosen:
        raise DataError(
            f"{source}: {what} no image or video, whose name would end in "
            f"{', '.join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))}"
        )
    yield from ((each, base) for each in chosen)


def _pictures(files: Iterable[Path], base: Path, out: Path | None) -> Iterator[Path]:
    for path in files:
        hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
        ours = out is not None and path.absolute().is_relative_to(out.absolute())
        if path.name.lower().endswith((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)) and not hidden | ours:
            yield path


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error)
        raise DataError(
            f"{path}: cannot be read as a list of paths ({reason}), save it as UTF-8"
        ) from None
    named = [line for each in lines if (line := each.strip()) and not line.startswith("#")]
    found = [Path(os.path.abspath(path.parent / line)) for line in named]
    if not found:
        raise DataError(f"{path}: lists nothing; write the path of an image into each line")
    return found
