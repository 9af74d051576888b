"""Plots and pictures as images, and images as files and data URIs."""

import io
import math
from base64 import b64encode
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MplFigure
from PIL import Image, ImageDraw, ImageFont

from lit_seg.analysis.style import PAPER, figure_style
from lit_seg.report.blocks import Panel, Pictures

SCALE = 2
"""Pixels of a plot per CSS pixel, so that it is sharp on dense screens and in print."""
_TITLE = 24  # CSS pixels above a plot
_LINE = 14  # pixels of a line below a picture


def draw_panel(
    title: str,
    draw: Callable[[Axes], None],
    width: int = 340,
    height: int = 260,
    left: int = 48,
    right: int = 90,
    bottom: int = 40,
    top: int = 10,
) -> Panel:
    """Draw a plot with its title; sizes and margins are in CSS pixels."""
    above = top + (_TITLE if title else 0)
    whole = height + above - top
    with figure_style():
        figure = MplFigure((width / 72, whole / 72), dpi=72 * SCALE, facecolor=PAPER)
        canvas = FigureCanvasAgg(figure)
        figure.text(8 / width, 1 - 16 / whole, title, fontweight="bold")
        box = (left, bottom, width - left - right, whole - bottom - above)
        axes = figure.add_axes(
            (box[0] / width, box[1] / whole, box[2] / width, box[3] / whole)
        )
        draw(axes)
        canvas.draw()
        image = Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    return Panel(title, _few_colours(image.convert("RGB")))


def data_uri(image: Image.Image) -> str:
    """The address of an image that is part of the page: JPEG of a photo, PNG of anything else."""
    kind = "png" if image.mode == "P" else "jpeg"
    return f"data:image/{kind};base64,{b64encode(encode(image, kind)).decode()}"


def encode(image: Image.Image, kind: str = "png") -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, format=kind, optimize=True, quality=80)
    return file.getvalue()


def panel_sheet(panels: Sequence[Panel], columns: int) -> Image.Image:
    """All plots of a figure in one image."""
    columns = min(columns, len(panels))
    width = max(panel.image.width for panel in panels)
    height = max(panel.image.height for panel in panels)
    rows = math.ceil(len(panels) / columns)
    sheet = Image.new("RGB", (columns * width, rows * height), PAPER)
    for i, panel in enumerate(panels):
        sheet.paste(panel.image.convert("RGB"), (i % columns * width, i // columns * height))
    return _few_colours(sheet)


def picture_sheet(block: Pictures) -> Image.Image:
    """The pictures of an image side by side, each above its inset and its lines."""
    first = block.tiles[0].image
    width = min(320, max(160, first.width))
    height = round(width * first.height / first.width)
    inset = round(height * 0.75)
    columns = min(4, len(block.tiles))
    lines = 1 + max(len(tile.lines) for tile in block.tiles)
    tall = height + inset + 16 + lines * _LINE
    rows = math.ceil(len(block.tiles) / columns)
    sheet = Image.new("RGB", (columns * (width + 8) + 8, rows * tall + 8), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(11)
    left, top, wide, high = block.box
    for i, tile in enumerate(block.tiles):
        x, y = 8 + i % columns * (width + 8), 8 + i // columns * tall
        for image, at, size in (
            (tile.image, y, (width, height)),
            (tile.inset, y + height + 4, (width, inset)),
        ):
            # Class ids must not be mixed at their borders, a photo may be.
            method = Image.Resampling.NEAREST if image.mode == "P" else Image.Resampling.BICUBIC
            sheet.paste(image.convert("RGB").resize(size, method), (x, at))
        corner = (x + left * width, y + top * height)
        end = (corner[0] + wide * width, corner[1] + high * height)
        draw.rectangle((*corner, *end), outline="white", width=2)
        for k, line in enumerate((tile.name, *tile.lines)):
            draw.text((x, y + height + inset + 8 + k * _LINE), line, fill="black", font=font)
    return sheet.quantize(128)


def _few_colours(image: Image.Image) -> Image.Image:
    """Plots have few colours; a palette makes their files a third as large."""
    return image.quantize(96, dither=Image.Dither.NONE)
