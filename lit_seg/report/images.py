"""Draws plots and pictures as images, and writes images as files and data URIs."""

import io
import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MplFigure
from PIL import Image, ImageDraw, ImageFont

from lit_seg.analysis.style import PAPER, SETTINGS
from lit_seg.report.blocks import Panel

SCALE = 2  # pixels of an image per CSS pixel, so that plots are sharp on dense screens and in print
_TITLE = 24  # CSS pixels above a plot
_LINE = 14  # pixels of a line below a picture
_GAP = 8  # pixels around a picture


def text_width(names: Iterable[str]) -> int:
    """The approximate width in CSS pixels of the longest name in a plot."""
    return 7 * max(map(len, names))


def draw_panel(
    title: str,
    draw: Callable[[Axes], None],
    width: int = 340,
    height: int = 260,
    left: int = 48,
    right: int = 90,
    top: int = 10,
) -> Panel:
    """Draw a plot with its title; sizes and margins are in CSS pixels."""
    bottom, whole = 40, height + (_TITLE if title else 0)
    with style.context(SETTINGS, after_reset=True):
        figure = MplFigure((width / 72, whole / 72), dpi=72 * SCALE, facecolor=PAPER)
        canvas: Any = FigureCanvasAgg(figure)  # has no types
        figure.text(8 / width, 1 - 16 / whole, title, fontweight="bold")
        inside = (width - left - right) / width, (height - top - bottom) / whole
        draw(figure.add_axes((left / width, bottom / whole, *inside)))
        canvas.draw()
    plot = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    return Panel(title, _few_colours(plot))


def with_inset(image: Image.Image, box: tuple[int, int, int, int], width: int) -> Image.Image:
    """Mark a window of a photo, or of class ids with a palette, and enlarge it below the picture.

    ``box`` is left, top, right and bottom of the window, and ``width`` is that of the result.
    """
    # Class ids must not be mixed at their borders, but a photo may be.
    method = Image.Resampling.NEAREST if image.mode == "P" else Image.Resampling.BICUBIC
    height = round(width * image.height / image.width)
    result = Image.new("RGB", (width, round(1.75 * height) + 4), PAPER)
    result.paste(image.convert("RGB").resize((width, height), method))
    inset = image.crop(box).convert("RGB").resize((width, result.height - height - 4), method)
    result.paste(inset, (0, height + 4))
    marked = [round(edge * width / image.width) for edge in box]
    ImageDraw.Draw(result).rectangle(marked, outline="white", width=2)
    return result.quantize(256) if image.mode == "P" else result


def data_uri(image: Image.Image) -> str:
    """Encode an image as a data URI for the page: a photo as JPEG, anything else as PNG."""
    kind = "png" if image.mode == "P" else "jpeg"
    return f"data:image/{kind};base64,{b64encode(encode(image, kind)).decode()}"


def encode(image: Image.Image, kind: str = "png") -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, format=kind, optimize=True, quality=80)
    return file.getvalue()


def sheet(panels: Sequence[Panel], columns: int) -> Image.Image:
    """Draw all panels of a figure in one image, each above its lines of text."""
    columns = min(columns, len(panels))
    lines = max(len(panel.lines) for panel in panels)
    gap = _GAP if lines else 0
    width = max(panel.image.width for panel in panels) + gap
    height = max(panel.image.height for panel in panels) + lines * _LINE + gap
    whole = Image.new("RGB", (columns * width, math.ceil(len(panels) / columns) * height), PAPER)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(11)
    for i, panel in enumerate(panels):
        x, y = i % columns * width, i // columns * height
        whole.paste(panel.image.convert("RGB"), (x, y))
        text = "\n".join(panel.lines).replace("*", "")
        draw.multiline_text((x, y + panel.image.height), text, fill="black", font=font, spacing=2)
    return _few_colours(whole)


def _few_colours(image: Image.Image) -> Image.Image:
    """Give a plot a palette: it has few colours, and its file becomes a fourth as large."""
    return image.quantize(64, dither=Image.Dither.NONE)
