"""Names of classes reach a report as they are, and do nothing in it."""

import re

import pytest

from lit_seg.analysis.comparison import compare
from lit_seg.report.html import to_html
from lit_seg.report.markdown import to_markdown
from lit_seg.report.sections import build
from tests.analysis.fabricated import write_run

NAMES = {
    "road": "cost_$x_{$",
    "building": "<img onerror=alert(1)>",
    "sky": "![x](y) & `<b>",
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    root = tmp_path_factory.mktemp("runs")
    for loss in ("ce", "recall"):
        run = write_run(root, loss, 0, classes=3, images=3, logged=4, validations=2)
        for path in [*run.glob("*.csv"), run / "summary.json"]:
            text = path.read_text()
            for before, after in NAMES.items():
                text = re.sub(rf"\b{before}\b", lambda _, name=after: name, text)  # type: ignore[misc]
            path.write_text(text)
    report = build(compare([root], draws=20))
    return to_html(report), to_markdown(report)[0]


def test_a_dollar_is_no_formula(rendered: tuple[str, str]) -> None:
    assert all("cost_$x_{$" in text for text in rendered)
    assert ">cost_$x_{$</text>" in rendered[0]  # in a plot


def test_a_tag_is_text(rendered: tuple[str, str]) -> None:
    for text in rendered:
        assert "<img onerror" not in text
        assert "<b>" not in text
        assert "&lt;img onerror=alert(1)&gt;" in text.replace("(1)>", "(1)&gt;")
    assert "![x](" not in rendered[1]
    assert "&amp; `&lt;b" in rendered[1]
