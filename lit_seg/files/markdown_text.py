"""Text from elsewhere in Markdown."""

import re


def escape(text: str) -> str:
    """A line in which names of classes, runs and options are no HTML, link, picture or column.

    This also holds inside code, because an odd backtick in a name ends code elsewhere.
    """
    for character, safe in (("&", "&amp;"), ("<", "&lt;"), ("\n", " "), ("\r", " ")):
        text = text.replace(character, safe)
    text = re.sub(r"(\\*)\|", r"\1\1\\|", text)  # a backslash before it would undo the other one
    return text.replace("](", "]\\(")
