"""A kind of bad input: how to provoke it. What it says is in docs/bad_input.md."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lit_seg.cli.main import main
from lit_seg.data import CamVid, SegDataModule
from tests.conftest import TINY, layers
from tests.data import layouts


class SaidError(Exception):
    """What a program other than ours says, such as make."""


@dataclass(frozen=True)
class Case:
    """``provoke`` gives the exit code of the command line, or raises what a function raises.

    ``names`` are the thing and the value that the message must name where the document has ``…``.
    """

    id: str
    provoke: Callable[["World"], int]
    names: tuple[str, ...] = ()


@dataclass
class World:
    """What the cases need: few streets, a tiny CamVid and Cityscapes, and a run that stopped."""

    tmp: Path
    patch: pytest.MonkeyPatch
    camvid: Path
    cityscapes: Path
    stopped: Path

    def fit(self, *more: str, loss: str = "recall", steps: str = "1") -> int:
        """One step on streets, with more options."""
        run = ["--run_dir", str(self.tmp / "run"), "--trainer.max_steps", steps]
        return self.main(["fit", *layers(loss), *TINY, *run, *more])

    def on_camvid(self, *more: str) -> int:
        """One step on CamVid, with more options."""
        small = ("--data.init_args.height", "32", "--data.init_args.width", "32")
        root = ("--data.init_args.root", str(self.camvid), "--data.init_args.num_workers", "0")
        run = ("--run_dir", str(self.tmp / "run"), "--trainer.max_steps", "1")
        return self.main(["fit", *layers(data="camvid"), *TINY, *small, *root, *run, *more])

    def read_camvid(self, **options: object) -> int:
        """What the command line does with CamVid before the first step."""
        return read(CamVid(**{"root": str(self.camvid), "height": 32, "width": 32, **options}))

    def resume(self, folder: Path, *more: str) -> int:
        """Go on with a run; whatever happens, nothing of it may be lost."""
        before = _files(folder)
        code = self.main(["fit", "--resume", str(folder), *more])
        assert _files(folder) == before
        return code

    def main(self, args: list[str]) -> int:
        """The command line; what it lets through is a failure here, not a message."""
        try:
            return main(args)
        except (Exception, SystemExit) as error:
            pytest.fail(f"a traceback: {error!r}")

    def config(self, text: str | bytes) -> str:
        """A configuration file that holds ``text``."""
        path = self.tmp / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def copy(self) -> Path:
        """A copy of the stopped run, to damage."""
        return Path(shutil.copytree(self.stopped, self.tmp / "copy"))

    @contextmanager
    def damaged(self, name: str, content: bytes | np.ndarray | None) -> Iterator[None]:
        """Put something else in the place of a file of CamVid, or nothing; and back again."""
        path = self.camvid / name
        kept = path.with_name("kept")
        path.rename(kept)  # not written over, since the layout links equal files
        if isinstance(content, np.ndarray):
            layouts.save(path, content)
        elif content is not None:
            path.write_bytes(content)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            kept.rename(path)


def read(data: SegDataModule) -> int:
    """Read of a dataset what the command line reads before the first step."""
    _ = data.class_counts, data.data_format
    data.prepare_data()
    return 0


def _files(folder: Path) -> dict[str, bytes]:
    return {os.path.relpath(p, folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
