"""The commands of `## Evaluate` in docs/use.md are taken, and score as they say."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from lit_seg.cli import lightning_cli
from lit_seg.cli.lightning_cli import LitSegCLI
from lit_seg.cli.main import main
from lit_seg.inference.views import Views
from lit_seg.tasks.scoring import Scoring
from tests.test_makefile import make

PAGE = (Path(__file__).parents[1] / "docs" / "use.md").read_text()
SECTION = PAGE.partition("\n## Evaluate\n")[2].partition("\n## ")[0]
COMMANDS = re.findall("^make .*", SECTION, re.MULTILINE)
RUN = "runs/streets/unet_resnet18/recall/seed0"


@pytest.mark.usefixtures("few_streets")
def test_the_commands_are_taken(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Scoring] = []

    def score(command: LitSegCLI, **options: Any) -> None:
        """Stands in for the method of the trainer."""
        seen.append(command.model.scoring)

    for name in ("validate", "test"):
        monkeypatch.setattr(LitSegCLI, name, score, raising=False)
    monkeypatch.setattr(lightning_cli, "write_evaluation", lambda *args: None)
    monkeypatch.chdir(tmp_path)
    Path(RUN).parent.mkdir(parents=True)
    Path(RUN).symlink_to(run)
    for command in COMMANDS:
        words = shlex.split(make(*shlex.split(command)[1:]).stdout)
        assert main(words[3:]) == 0
    assert seen == [
        Scoring(Views(scales=[1.0]), tau=0),
        Scoring(Views(flip=True, scales=[0.75, 1, 1.25]), original_size=True, tau=0),
        Scoring(Views((48, 64), (32, 32), scales=[1.0]), original_size=True, tau=0),
        Scoring(Views(scales=[1.0]), tau=0, tau_sweep=True, tau_by="macc", boundary_iou=True),
        Scoring(Views(scales=[1.0]), original_size=True, tau=0),
    ]


def test_the_options_of_the_table_are_those_that_there_are() -> None:
    named = set(re.findall(r"`--([\w.]+)", SECTION)) - {
        "data.init_args.height",
        "trainer.precision",
    }
    views = {f"views.{name}" for name in Views.__dataclass_fields__}
    assert named == views | set(Scoring.__dataclass_fields__) - {"views"}
