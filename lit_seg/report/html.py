"""A report as one HTML page that loads nothing: style, script, plots and pictures are in it."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from lit_seg.report.blocks import SIGNS, Report
from lit_seg.report.images import SCALE, data_uri


def to_html(report: Report) -> str:
    """Render the page."""
    page, style, script = (
        files("lit_seg.report").joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html.jinja", "page.css", "page.js")
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    kind = lambda block: type(block).__name__  # noqa: E731
    environment.filters |= {"inline": inline, "data_uri": data_uri, "kind": kind}
    return environment.from_string(page).render(
        report=report,
        signs=SIGNS,
        scale=SCALE,
        style=Markup(style),
        script=Markup(script),
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
    )


def inline(text: str) -> Markup:
    """Escape a text, then turn ``**bold**`` and ``code`` in backticks into HTML."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html))
