"""Names from elsewhere in the formats that show them: one function per format.

They are names of classes, images, runs and options, and may hold any character. HTML needs no
function: jinja escapes all that it is given.
"""

import re

from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_IN_FILES = re.compile(r'[\s/\\:*?"<>|\x00-\x1f]+')


def one_line(text: str) -> str:
    """A text without line breaks, and without the characters that steer a terminal."""
    return _CONTROL.sub(" ", text)


def terminal(text: str) -> Text:
    """A name for rich: brackets and colons in it are no styles and no pictures."""
    return Text(one_line(text))


def markdown(name: str) -> str:
    """A name in Markdown: it is no HTML, link, picture, code, emphasis or column of a table."""
    safe = one_line(name).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    safe = re.sub(r"[|*`~]|(?<=\])\(", r"\\\g<0>", safe)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", safe)  # within a word it is no emphasis


def markdown_prose(text: str) -> str:
    """A sentence with **bold** and `code` of ours, in which names are as harmless.

    This also holds inside code, because an odd backtick in a name ends code elsewhere.
    """
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;")
    safe = re.sub(r"(\\*)\|", r"\1\1\\|", safe)  # a backslash before it would undo the other one
    return safe.replace("](", "]\\(")


def file_name(text: str) -> str:
    """A name as a part of the name of a file, on any system."""
    return _NOT_IN_FILES.sub("_", text).strip(". ") or "_"
