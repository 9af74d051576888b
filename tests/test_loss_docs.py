"""docs/losses.md says of every loss what the code says, and its pictures and links are there."""

import ast
import inspect
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import lit_seg.losses
from lit_seg.losses import SegLoss

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "losses.md"
TEXT = PAGE.read_text()
YAMLS = sorted((ROOT / "experiments" / "loss").glob("*.yaml"))
PICTURES = sorted((ROOT / "docs" / "losses").glob("*.png"))


def sections() -> dict[str, tuple[str, str]]:
    """Heading of the third level to the heading above it and its text."""
    found = {}
    for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        family, *below = re.split(r"^### ", part, flags=re.MULTILINE)
        for section in below:
            heading, _, body = section.partition("\n")
            found[heading] = (family.partition("\n")[0].lower(), body)
    return found


def loss_class(path: Path) -> type[SegLoss]:
    loss = yaml.safe_load(path.read_text())["model"]["loss"]
    cls = getattr(lit_seg.losses, loss["class_path"].rsplit(".", 1)[-1])
    assert issubclass(cls, SegLoss)
    return cls


def paragraph(name: str, start: str) -> str:
    """The one paragraph of a section that starts so."""
    found = [p for p in sections()[name][1].split("\n\n") if p.startswith(start)]
    assert len(found) == 1, f"{name}: {len(found)} paragraphs start with {start!r}"
    return found[0]


def links() -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", TEXT)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_every_loss_has_a_section_and_every_section_a_loss() -> None:
    assert sorted(sections()) == sorted(path.stem for path in YAMLS)


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_options_and_defaults_are_those_of_the_constructor(path: Path) -> None:
    text = paragraph(path.stem, "Options:")
    stated = {
        name: ast.literal_eval(value) if value else inspect.Parameter.empty
        for name, value in re.findall(r"`([a-z]\w*)(?:=([^`]+))?`", text)
    }
    parameters = inspect.signature(loss_class(path)).parameters
    real = {name: p.default for name, p in parameters.items() if name != "class_counts"}
    assert stated == real
    assert bool(real) != text.startswith("Options: none.")


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_section_agrees_with_the_card(path: Path) -> None:
    card = loss_class(path).card
    family, body = sections()[path.stem]
    assert family == card.family
    assert path.stem in card.name
    for number in re.findall(r"\d{4}\.\d{5}", card.paper):
        assert number in paragraph(path.stem, "Paper:")
    assert body.count("$$") == 2
    assert ".png)" in body or path.stem == "ce"
    assert "Use it " in body


def test_options_named_in_backticks_exist() -> None:
    options = {name for path in YAMLS for name in inspect.signature(loss_class(path)).parameters}
    for name in re.findall(r"`([a-z]\w*)=", TEXT):
        assert name in options


def test_relative_links_resolve() -> None:
    anchors = {slug(line.lstrip("# ")) for line in TEXT.splitlines() if line.startswith("#")}
    for link in links():
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("https://"):
            assert (PAGE.parent / link.partition("#")[0]).exists(), link


def test_every_picture_is_shown_and_small() -> None:
    shown = re.findall(r"!\[[^\]]+\]\(losses/([^)]+)\)", TEXT)
    assert sorted(shown) == [path.name for path in PICTURES]
    sizes = [path.stat().st_size for path in PICTURES]
    assert max(sizes) < 60_000
    assert sum(sizes) < 600_000


def test_the_loss_from_parts_is_what_the_page_says() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    loss = names["MissedFocalLoss"]([70, 20, 10])
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
    target[0, 0] = loss.void
    z = logits.movedim(1, -1)[target != loss.void]
    y = target[target != loss.void]
    p = (z + torch.tensor([70, 20, 10]).log()).softmax(1).gather(1, y[:, None]).squeeze(1)
    missed = (z + torch.tensor([70, 20, 10]).log()).argmax(1) != y
    weight = torch.stack([missed[y == c].float().mean() for c in range(3)])[y]
    torch.testing.assert_close(loss(logits, target), -(weight * (1 - p) ** 2 * p.log()).mean())
    assert loss(logits, torch.zeros(2, 8, 10, dtype=torch.long)) >= 0  # small logits, too


def test_the_guide_and_the_list_name_every_loss() -> None:
    beginning = TEXT[: TEXT.index("## Which loss")]
    assert set(re.findall(r"\]\(#(\w+)\)", beginning)) >= set(sections())


@pytest.mark.slow
def test_pictures_are_those_that_the_script_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ROOT / "experiments" / "loss_pictures.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in PICTURES]
