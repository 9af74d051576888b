"""Writes a report as files."""

from pathlib import Path

from lit_seg.files.atomic_io import replace_file, writing
from lit_seg.files.unicode import printable
from lit_seg.report.blocks import Report
from lit_seg.report.html import to_html
from lit_seg.report.markdown import to_markdown


def write_report(report: Report, out: Path) -> list[Path]:
    """Write ``report.html``, ``report.md`` with its pictures, and further tables to ``out``.

    The same runs give the same bytes, on one machine with the same versions. The result is what was
    written, the page first.
    """
    page, (text, pictures) = to_html(report), to_markdown(report)
    contents = {
        "report.html": printable(page).encode(),
        "report.md": printable(text).encode(),
        **{name: printable(table).encode() for name, table in report.tables.items()},
        **pictures,
    }
    for name, content in contents.items():
        _write(out / name, content)
    return [out / name for name in contents]


def _write(path: Path, content: bytes) -> None:
    with writing(path, "another folder by --out"):
        # two reports may be written to one folder, and two of the files differ in suffix only
        replace_file(path, lambda file: file.write(content), shared=True)
