"""Renders a report as one HTML page that contains its style, script, plots and pictures."""

import re
from base64 import b64encode
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lit_seg.report.blocks import SIGNS, Report
from lit_seg.report.images import SCALE, data_uri


def to_html(report: Report) -> str:
    """Render the page."""
    environment = Environment(
        loader=PackageLoader("lit_seg", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "inline": inline,
        "data_uri": data_uri,
        "kind": lambda block: type(block).__name__,
        "sha256": lambda text: b64encode(sha256(text.encode()).digest()).decode(),
    }
    page = environment.get_template("page.html.jinja")
    return page.render(report=report, signs=SIGNS, scale=SCALE)


def inline(text: str) -> Markup:
    """Escape a text, then turn ``**bold**`` and ``code`` in backticks into HTML."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html))
