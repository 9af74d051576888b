"""Looking at every image and label of a dataset, and telling all that is wrong in one list."""

import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import numpy.typing as npt

from lit_seg.commands.data.which import which
from lit_seg.data import SegDataModule
from lit_seg.data.card import SplitName
from lit_seg.data.counting.count import pixels_of_labels
from lit_seg.data.counting.walk import walk
from lit_seg.data.dataset import Split
from lit_seg.data.files import missing_files_later
from lit_seg.errors import DataError
from lit_seg.labels import VOID

_NAMED = 12  # classes without a pixel that are listed


@dataclass
class Finding:
    """Of one sample."""

    problems: list[str] = field(default_factory=list)
    size: tuple[int, int] | None = None
    pixels: npt.NDArray[np.int64] | None = None
    """Of each label."""
    image: bytes | None = None
    """Digest of the decoded image."""


def main(args: Sequence[str]) -> int:
    """Print what is wrong, one line each, and what was seen; 1 if anything is wrong."""
    data, _ = which(args, "check")
    problems: list[str] = []
    seen: dict[bytes, tuple[str, str]] = {}
    for name in get_args(SplitName):
        problems += _check_split(data, name, seen)
    with suppress(DataError):  # told by its split already
        problems += [f"{path}: no image belongs to it" for path in data.without_partner()]
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(
        f"{len(problems)} problem{'s'[: len(problems) - 1]}\n"
        if problems
        else f"nothing wrong with {data.folder}\n"
    )
    return 1 if problems else 0


def _check_split(
    data: SegDataModule, name: SplitName, seen: dict[bytes, tuple[str, str]]
) -> list[str]:
    """What is wrong with a split; prints what was seen of it."""
    try:
        with missing_files_later():
            split = data.split(name)
    except DataError as error:
        if name == "test" or (data.card.images and name not in data.card.images):
            sys.stdout.write(f"{name:5} not looked at: {error}\n")
            return []
        return [str(error)]
    findings = list(walk(split, look, f"looking at {name}"))
    problems = [problem for finding in findings for problem in finding.problems]
    problems += _shared_images(name, split, findings, seen)
    sys.stdout.write(f"{name:5} {_summary(data, name, findings)}\n")
    return problems


def look(split: Split, index: int) -> Finding:
    """Load a sample, and go on where a part of it is broken."""
    finding = Finding()
    try:
        finding.pixels = pixels_of_labels(split.label(index))
    except DataError as error:
        finding.problems.append(str(error))
    try:
        image, _ = split.load(index)
        finding.size = image.shape[:2]
        finding.image = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    except DataError as error:
        if str(error) not in finding.problems:
            finding.problems.append(str(error))
    return finding


def _shared_images(
    name: str, split: Split, findings: Sequence[Finding], seen: dict[bytes, tuple[str, str]]
) -> list[str]:
    """Images that are trained and scored, pixel by pixel; train comes first."""
    found = []
    for index, finding in enumerate(findings):
        if finding.image is None:
            continue
        first = seen.setdefault(finding.image, (name, split.name(index)))
        if first[0] == "train" and name != "train":
            found.append(f"{split.name(index)} of {name} is the image {first[1]} of train")
    return found


def _summary(data: SegDataModule, name: SplitName, findings: Sequence[Finding]) -> str:
    sizes = Counter(finding.size for finding in findings if finding.size)
    parts = [f"{len(findings)} images"]
    official = data.card.images.get(name)
    if official and official != len(findings):
        parts[0] += f" (officially {official})"
    if len(sizes) == 1:
        height, width = next(iter(sizes))
        parts.append(f"of {height}x{width}")
    elif sizes:
        areas = sorted(sizes, key=lambda size: size[0] * size[1])
        small, large = ("{}x{}".format(*size) for size in (areas[0], areas[-1]))
        parts.append(f"of {len(sizes)} sizes, {small} to {large} (height x width)")
    counted = [finding.pixels for finding in findings if finding.pixels is not None]
    if counted:
        total = np.sum(counted, axis=0)
        absent = [c for i, c in enumerate(data.names) if not total[i]]
        number = len(data.names)
        parts.append(f"{100 * total[VOID] / max(1, total.sum()):.3g} % void")
        if len(absent) > _NAMED:
            parts.append(f"{number - len(absent)} of {number} classes")
        else:
            parts.append(f"no {', '.join(absent)}" if absent else f"all {number} classes")
    return ", ".join(parts)
