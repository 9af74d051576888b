"""What docs/use.md shows of prediction and of Python runs."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lit_seg.cli.commands.predict import main
from tests.test_makefile import make

PAGE = (Path(__file__).parents[2] / "docs" / "use.md").read_text()
RUN = "runs/streets/unet_resnet18/recall/seed0"


@pytest.fixture
def place(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run and the files that the page names."""
    monkeypatch.chdir(tmp_path)
    Path(RUN).parent.mkdir(parents=True)
    Path(RUN).symlink_to(run)
    Path("photos").mkdir()
    pixels = np.full((32, 48, 3), 90, np.uint8)
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.jpg"):
        Image.fromarray(pixels).save(name)
    Path("list.txt").write_text("photos/a.jpg\n")
    video = cv2.VideoWriter("drive.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, (48, 32))
    video.write(pixels)
    video.release()
    return tmp_path


def section(name: str) -> str:
    (found,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return found


def test_the_commands_run(place: Path) -> None:
    commands = re.findall("^make .*", section("Predict"), re.MULTILINE)
    before = len(list(Path(RUN).glob("predictions*")))
    for command in commands:
        words = shlex.split(make(*shlex.split(command, comments=True)[1:]).stdout)
        assert words[1:4] == ["-m", "lit_seg", "predict"]
        assert main(words[4:]) == 0
    written = {p.relative_to(place).as_posix() for p in place.rglob("labels*/**/*.png")}
    assert {"labels_of_photos/labels/a.png", "labels_of_photos/labels/b.png"} <= written
    assert len(list(Path(RUN).glob("predictions*"))) - before == len(commands) - 1


def test_the_two_lines_and_what_they_give(place: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", section("Load in Python"), re.DOTALL))
    names: dict[str, object] = {}
    exec(code, names)
    assert names["result"].labels.shape == (32, 48)
    assert len(names["results"]) == 2
