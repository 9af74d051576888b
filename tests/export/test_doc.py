"""The commands of `## Export` in docs/use.md are taken, and its code is that of the cards."""

import re
import shlex
from pathlib import Path

import pytest

from lit_seg.cli.commands import export
from lit_seg.export.export_run import Export
from tests.test_makefile import make

DOC = (Path(__file__).parents[2] / "docs" / "use.md").read_text()
SECTION = DOC.partition("\n## Export\n")[2].partition("\n## ")[0]
COMMANDS = re.findall("^make .*", SECTION, re.MULTILINE)
CARD = Path(export.__file__).parents[2] / "export" / "card.md.jinja"


def test_the_commands_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.touch()
    seen = []
    monkeypatch.setattr(
        export, "export_run", lambda *args, **more: seen.append(args) or Export(file, {})
    )
    for command in COMMANDS:
        words = shlex.split(make(*shlex.split(command)[1:]).stdout)
        assert words[1:4] == ["-m", "lit_seg", "export"]
        assert export.main(words[4:]) == 0
    assert [args[1] for args in seen] == ["pt2", "onnx", "smp", "pt2"]
    assert seen[2][2] == Path("street_unet")
    assert seen[3][3:5] == ([Path("photo.jpg"), Path("other.png")], True)
    refused = make("export")
    assert "make export CKPT=" in refused.stderr


def test_the_code_is_that_of_the_cards() -> None:
    card = CARD.read_text().replace("{{ metadata_name }}", "lit_seg_metadata.json")
    blocks = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert [block for block in blocks if block not in card] == []
    assert len(blocks) == 2
