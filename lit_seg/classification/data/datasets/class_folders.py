"""A dataset of your own images: a folder per class, or a CSV file that names image and class."""

import csv
import hashlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, get_args
from unicodedata import normalize

import numpy as np

from lit_seg.classification.data.image_lists import ImageList
from lit_seg.classification.data.photos import Photos
from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.file_lists import inside
from lit_seg.errors import DataError, NotThereError
from lit_seg.images.open_and_save import IMAGE_SUFFIXES
from lit_seg.runs.records import MAX_NAME

_Rows = Mapping[SplitName, list[tuple[str, str]]]
"""Path and class name of each image."""
_HOW = "`root` must hold a folder per class, or the folders train, val and test of such folders"


class ClassFolders(Photos):
    """Your own images of one class each, of any and of differing sizes.

    Layout below ``root``: ``<class>/**/<image>``; or ``{train,val,test}/<class>/**/<image>``; or
    the CSV file ``table`` with the columns ``image`` (a path below ``root``), ``label`` (the name
    of the class) and maybe ``split`` (train, val or test). Classes are ordered by name. Hidden
    files and files that are no images are left out.

    Without splits, ``val`` and ``test`` give the shares of each class that validate and test, drawn
    by a hash of the path, so that a new image moves few others. They are rounded down, so that a
    class of few images keeps them to train.

    Args:
        table: the CSV file, below ``root``; without it classes are folders.
        val: share of the images of each class that validates, where there are no splits.
        test: share that tests.
        size: height and width of the images that the network sees, in pixels.
        scale: the range of a training crop's share of the image.
        flip: probability that a training image is mirrored.
        jitter: strength of the changes of brightness, contrast and saturation, 0 for none.
        **options: options of :class:`ImageDataModule`.
    """

    folder = "folder"
    card = DataCard(
        what="your own images: a folder per class, or a table of image and label",
        images={},
        licence="yours",
        citation="",
        how_to_get=f"{_HOW}.",
    )

    def __init__(
        self,
        table: str | None = None,
        val: float = 0.1,
        test: float = 0.1,
        size: int = 224,
        scale: tuple[float, float] = (0.08, 1.0),
        flip: float = 0.5,
        jitter: float = 0.4,
        **options: Any,
    ) -> None:
        if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
            raise ValueError(f"`val` and `test` must be shares that leave some, got {val}, {test}")
        super().__init__(size, scale, flip, jitter, **options)
        self.table = None if table is None else inside(self.root, table, "`table`")
        self.shares: dict[SplitName, float] = {"test": test, "val": val}

    @cached_property
    def class_names(self) -> list[str]:
        names = sorted({label for rows in self._rows.values() for _, label in rows} | self._empty)
        if longest := [name for name in names if len(name) > MAX_NAME]:
            raise DataError(
                f"{self._source}: the name of a class has at most {MAX_NAME} characters, one has "
                f"{len(longest[0])}, {longest[0][:20]}...; shorten it"
            )
        return names

    def images(self, name: SplitName) -> ImageList:
        if name not in self._rows:
            raise NotThereError(f"{self._source}: has no {name} split; {_HOW}")
        ids = {label: c for c, label in enumerate(self.class_names)}
        rows = self._rows[name]
        targets = np.array([ids[label] for _, label in rows], np.int64)
        return ImageList([path for path, _ in rows], targets, self._source)

    @property
    def _source(self) -> Path:
        return self.table or self.root

    @cached_property
    def _rows(self) -> _Rows:
        self._empty: set[str] = set()
        if not self.root.is_dir():
            raise DataError(f"{self.root}: there is no such folder; `root` must lead to your data")
        if self.table:
            return self._of_table(self.table)
        there: list[SplitName] = [n for n in get_args(SplitName) if (self.root / n).is_dir()]
        if "train" not in there:
            return self._divided(self._below(""))
        return {name: self._below(f"{name}/") for name in there}

    def _below(self, start: str) -> list[tuple[str, str]]:
        """The images of each class folder below a folder of the root."""
        rows = []
        folders = sorted(
            entry.name
            for entry in os.scandir(self.root / start)
            if entry.is_dir() and not entry.name.startswith(".")
        )
        if not folders:
            raise DataError(f"{self.root / start}: holds no folder of a class; {_HOW}")
        for label in folders:
            found = [
                path.relative_to(self.root).as_posix()
                for path in (self.root / start / label).rglob("*")
                if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
            ]
            rows += [(path, label) for path in sorted(found)]
            if not found:
                self._empty.add(label)  # told when images of each class are counted
        return rows

    def _of_table(self, table: Path) -> _Rows:
        rows: dict[SplitName, list[tuple[str, str]]] = {}
        try:
            with table.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                if missing := {"image", "label"} - set(reader.fieldnames or ()):
                    raise DataError(
                        f"{table}: has no column {min(missing)!r}; the first line must be "
                        f"`image,label` or `image,label,split`, got {reader.fieldnames}"
                    )
                divided = "split" in (reader.fieldnames or ())
                for row in reader:
                    where = f"{table}: line {reader.line_num}"
                    split = (row["split"] or "") if divided else "train"
                    if split not in get_args(SplitName):
                        raise DataError(
                            f"{where}: `split` must be train, val or test, got {split!r}"
                        )
                    if not row["image"] or not row["label"]:
                        raise DataError(f"{where}: has no image or no label; take it out")
                    inside(self.root, row["image"], where)
                    rows.setdefault(split, []).append((row["image"], row["label"]))  # type: ignore[arg-type]
        except FileNotFoundError:
            raise DataError(
                f"{table}: there is no such table; `table` names it below `root`"
            ) from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{table}: cannot be read as CSV in UTF-8 ({error}); mend it") from None
        return rows if divided else self._divided(rows.get("train", []))

    def _divided(self, rows: list[tuple[str, str]]) -> _Rows:
        """Draw the splits of each class in the order of a hash of the paths."""

        def place(row: tuple[str, str]) -> bytes:
            # an accent is written in two ways, and some systems change the one for the other
            text = normalize("NFC", row[0])
            return hashlib.sha256(text.encode(errors="surrogateescape")).digest()

        parts: dict[SplitName, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
        for label in {label for _, label in rows}:
            rest = sorted((row for row in rows if row[1] == label), key=place)
            whole = len(rest)
            for name, share in self.shares.items():
                number = int(share * whole)
                parts[name] += rest[:number]
                rest = rest[number:]
            parts["train"] += rest
        return {name: sorted(part) for name, part in parts.items() if part or name == "train"}
