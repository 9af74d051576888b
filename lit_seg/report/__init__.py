"""The report that compares losses: one self-contained HTML page, and Markdown with PNG files."""
