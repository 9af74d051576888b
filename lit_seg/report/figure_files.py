"""From the panels of a figure to SVG that follows the page's colours, and to one PNG."""

import io
import math
import re
from collections.abc import Sequence
from html import escape

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as MplFigure
from PIL import Image

from lit_seg.analysis.style import COLOURS, GRID, INK, MUTED, PAPER, figure_style
from lit_seg.report.blocks import Panel

_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_DPI = 144
_TITLE = 24  # height of a panel's title in the PNG
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"}
_VARIABLES |= {colour: f"c{i}" for i, colour in enumerate(COLOURS)}


def panel_svg(panel: Panel, prefix: str, alt: str) -> str:
    """A panel as an ``<svg>`` element for a page that defines ``--ink``, ``--c0`` and so on.

    Args:
        panel: to draw.
        prefix: of its ids, unique in the page.
        alt: what it shows.
    """
    with figure_style():
        figure = MplFigure((panel.width / 72, panel.height / 72), dpi=72)
        FigureCanvasSVG(figure)
        panel.draw(_axes(figure, panel, 0, 0, panel.width, panel.height))
        file = io.StringIO()
        figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return _slim(file.getvalue(), panel, prefix, alt)


def panels_png(panels: Sequence[Panel], columns: int) -> bytes:
    """All panels with their titles in one picture, at two pixels per CSS pixel."""
    columns = min(columns, len(panels))
    width = max(panel.width for panel in panels)
    height = max(panel.height for panel in panels) + _TITLE
    rows = math.ceil(len(panels) / columns)
    with figure_style():
        figure = MplFigure((columns * width / 72, rows * height / 72), dpi=_DPI)
        figure.set_facecolor(PAPER)
        FigureCanvasAgg(figure)
        for i, panel in enumerate(panels):
            left, above = i % columns * width, i // columns * height + _TITLE
            axes = _axes(figure, panel, left, above, columns * width, rows * height)
            figure.text(
                (left + 8) / (columns * width),
                1 - (above - 8) / (rows * height),
                panel.title,
                fontweight="bold",
                va="bottom",
            )
            panel.draw(axes)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    with Image.open(file) as image:
        few = image.convert("RGB").quantize(96, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, format="png", optimize=True)
    return file.getvalue()


def _axes(
    figure: MplFigure, panel: Panel, left: float, above: float, width: float, height: float
) -> Axes:
    """The axes of a panel, ``left`` and ``above`` from the corner of a figure of that size."""
    return figure.add_axes(
        (
            (left + panel.left) / width,
            1 - (above + panel.height - panel.bottom) / height,
            (panel.width - panel.left - panel.right) / width,
            (panel.height - panel.top - panel.bottom) / height,
        )
    )


def _slim(svg: str, panel: Panel, prefix: str, alt: str) -> str:
    """Inline: no header, fonts or long numbers; ids of its own, colours of the page."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'<defs>\s*<style type="text/css">.*?</style>\s*</defs>', "", body, flags=re.S)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r"font-family: [^;\"]*;?|font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", _font, body)
    body = re.sub(r"<[^>]+>", lambda tag: _NUMBER.sub(_short, tag[0]), body)  # not the labels
    for colour, name in _VARIABLES.items():
        body = body.replace(colour, f"var(--{name})")
    body = re.sub(r"\s*\n\s*", "\n", body)
    body = re.sub(r" ?\n(?=[MLCQz])", " ", body)
    return (
        f'<svg viewBox="0 0 {panel.width} {panel.height}" width="{panel.width}" '
        f'height="{panel.height}" role="img" aria-label="{escape(alt)}">{body.strip()}</svg>'
    )


def _short(number: re.Match[str]) -> str:
    """To a tenth of a pixel."""
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _font(match: re.Match[str]) -> str:
    """Size and weight without the family, which is the page's."""
    if match[1] is None:
        return ""
    weight = "font-weight:bold;" if re.search(r"bold|700", match[1]) else ""
    size = re.search(r"[\d.]+px", match[1])
    return f"{weight}font-size:{size[0] if size else '11px'}"
