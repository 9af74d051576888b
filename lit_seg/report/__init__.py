"""The report that compares losses: one self-contained HTML page, and Markdown with PNG files."""

from lit_seg.report.write import write_report

__all__ = ["write_report"]
