"""Checking every image and label of a dataset, and listing all faults."""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import numpy.typing as npt

from lit_seg.cli.commands.data.dataset_argument import dataset_of
from lit_seg.data import SegDataModule
from lit_seg.data.card import SplitName
from lit_seg.data.counting.count import pixels_of_labels
from lit_seg.data.counting.walk import walk
from lit_seg.data.file_lists import faults_listed
from lit_seg.data.splits import Split
from lit_seg.errors import DataError, NotThereError, RunError, plural
from lit_seg.metrics.labels import VOID

_ALIKE = 3  # more problems of one kind are counted, not listed
_NAMED = 12  # more classes without a pixel are counted, not listed


@dataclass
class Finding:
    """The faults and facts of one sample."""

    name: str
    problems: list[str] = field(default_factory=list)
    size: tuple[int, int] | None = None
    pixels: npt.NDArray[np.int64] | None = None
    """Number of pixels of each label."""
    image: bytes | None = None
    """Hash of the decoded image."""


Findings = dict[SplitName, list[Finding]]


def main(args: Sequence[str]) -> int:
    """Print a summary of each split and the faults; return 1 if there is a fault."""
    data, extra = dataset_of(args, "check", {"alike": "count"})
    if extra["alike"] not in ("count", "list"):
        raise RunError(f"--alike must be count or list, got {extra['alike']!r}")
    found: list[str] = []
    findings: Findings = {}
    for name in get_args(SplitName):
        split = _split(data, name, found)
        if split is not None:
            findings[name] = list(walk(split, look, f"looking at {name}"))
            found += [problem for finding in findings[name] for problem in finding.problems]
            sys.stdout.write(f"{name:5} {_summary(data, name, findings[name])}\n")
    if fault := _fault_of_counts(data, findings.get("train", [])):
        found.append(fault)
    found += _shared_images(findings)
    found += _odd_sizes(data, findings)
    with suppress(DataError):  # its split has told already
        found += [f"{path}: no image belongs to it" for path in data.without_partner()]
    problems = list(dict.fromkeys(found))  # splits may share a file or a list
    result = f"{len(problems)} problem{'s'[: len(problems) - 1]}"
    shown = problems if extra["alike"] == "list" else _without_alike(problems)
    lines = [*shown, result if problems else f"nothing wrong with {data.folder}"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if problems else 0


def _without_alike(problems: Sequence[str]) -> list[str]:
    """Keep one line of many that differ only in the file, in what is quoted and in numbers."""
    alike: dict[str, list[str]] = {}
    for problem in problems:
        what = problem.partition(": ")[2] or problem
        alike.setdefault(re.sub(r"'[^']*'|\S*[/\\]\S*|\d+", "", what), []).append(problem)
    lines: list[str] = []
    for group in alike.values():
        many = f"{len(group)} files alike (`--alike list` lists them), first {group[0]}"
        lines += group if len(group) <= _ALIKE else [many]
    return lines


def _fault_of_counts(data: SegDataModule, findings: Sequence[Finding]) -> str:
    counted = [finding.pixels for finding in findings if finding.pixels is not None]
    if not counted:
        return ""
    return data.fault_of_counts(np.stack(counted)[:, [*range(len(data.names)), VOID]])


def _split(data: SegDataModule, name: SplitName, problems: list[str]) -> Split | None:
    """Make a split as far as possible, and add its faults to the problems."""
    with faults_listed() as faults:
        try:
            return data.split(name)
        except DataError as error:
            if name == "test" and isinstance(error, NotThereError):  # training needs no such split
                sys.stdout.write(f"{name:5} not looked at: {error}\n")
            else:
                faults.append(str(error))
        finally:
            problems += faults
    return None


def look(split: Split, index: int) -> Finding:
    """Load a sample; if its image is broken, check its label all the same."""
    finding = Finding(split.name(index))
    try:
        image, label = split.load(index)
        finding.size = image.shape[:2]
        finding.image = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        finding.pixels = pixels_of_labels(label)
    except DataError as error:
        finding.problems.append(str(error))
        try:  # the fault of the image may have hidden one of the label
            finding.pixels = pixels_of_labels(split.label(index))
        except DataError as other:
            if not str(error).startswith(str(other)):  # loading may add a hint
                finding.problems.append(str(other))
    return finding


def _shared_images(findings: Findings) -> list[str]:
    """Find images of the training split in another split, by their pixels."""
    # reversed: of equal images, the first one is named
    train = {finding.image: finding.name for finding in reversed(findings.get("train", []))}
    return [
        f"{finding.name} of {split} is the image {train[finding.image]} of train"
        for split, of_split in findings.items()
        if split != "train"
        for finding in of_split
        if finding.image and finding.image in train
    ]


def _odd_sizes(data: SegDataModule, findings: Findings) -> list[str]:
    """Find images of another size than most, where the dataset has one size.

    Most need not have the native size: a user may have shrunk the whole dataset.
    """
    if data.native_size is None:
        return []
    sized = [(split, each) for split in findings for each in findings[split] if each.size]
    sizes = Counter(finding.size for _, finding in sized)
    usual = max(sizes, key=lambda size: (sizes[size], size == data.native_size), default=None)
    return [
        f"{finding.name} of {split} is {_shown(finding.size)} (height x width), most "
        f"images of {data.folder} are {_shown(usual)}: fetch it again"
        for split, finding in sized
        if finding.size != usual
    ]


def _shown(size: tuple[int, int] | None) -> str:
    return "{}x{}".format(*size) if size else ""


def _summary(data: SegDataModule, name: SplitName, findings: Sequence[Finding]) -> str:
    sizes = Counter(finding.size for finding in findings if finding.size)
    parts = [plural(len(findings), "image")]
    official = data.card.images.get(name)
    if official and official != len(findings):
        parts[0] += f" (officially {official})"
    if len(sizes) == 1:
        (size,) = sizes
        parts.append(f"of {_shown(size)}")
        if data.native_size and size != data.native_size:
            parts[-1] += f" (officially {_shown(data.native_size)})"
    elif sizes:
        areas = sorted(sizes, key=lambda size: size[0] * size[1])
        small, large = _shown(areas[0]), _shown(areas[-1])
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
