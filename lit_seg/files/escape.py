"""Escapes names from elsewhere: one function per format that shows them.

These are names of classes, images, runs and options, and may hold any character. HTML needs no
function: jinja escapes all that it is given.
"""

import re

from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_IN_FILES = re.compile(r'[\s/\\:*?"<>|\x00-\x1f]+')


def one_line(text: str) -> str:
    """Replace line breaks and the characters that control a terminal."""
    return _CONTROL.sub(" ", text)


def terminal(text: str) -> Text:
    """Escape a name for rich, which reads brackets as styles and colons as pictures."""
    return Text(one_line(text))


def markdown(name: str) -> str:
    """Escape a name for Markdown: it becomes no HTML, link, code, emphasis or table column."""
    safe = one_line(name).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    safe = re.sub(r"[|*`~]|(?<=\])\(", r"\\\g<0>", safe)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", safe)  # within a word it is no emphasis


def markdown_prose(text: str) -> str:
    """Escape the names in a sentence of ours that may have **bold** and `code`.

    This also holds inside code, because an odd backtick in a name ends code elsewhere.
    """
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    safe = re.sub(r"(\\*)\|", r"\1\1\\|", safe)  # a backslash before it would undo the other one
    return safe.replace("](", "]\\(")


def file_name(text: str) -> str:
    """Turn a name into a part of a file name that any system accepts."""
    return _NOT_IN_FILES.sub("_", text).strip(". ") or "_"
