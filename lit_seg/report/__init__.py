"""A comparison of losses as one HTML page without outside parts, and as Markdown with PNG."""

from lit_seg.report.write import write_report

__all__ = ["write_report"]
