"""Makes the process use UTF-8 on every system, and names printable that are not UTF-8."""

import codecs
import locale
import os
import sys
from io import TextIOWrapper


def printable(name: str) -> str:
    r"""Make a name printable: bytes that are not UTF-8 become text such as ``\udcff``.

    Python keeps such bytes of a file's name as half characters, which cannot be encoded.
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def ensure_utf8() -> None:
    """Start Python again in its UTF-8 mode where files and names would have another encoding.

    Libraries open configurations in the encoding of the locale: names of classes would change
    without a word, and files whose names are not ASCII could not be opened at all.
    """
    encodings = locale.getencoding(), sys.getfilesystemencoding()
    is_utf8 = all(codecs.lookup(name).name == "utf-8" for name in encodings)
    if not is_utf8 and not sys.flags.utf8_mode and os.name == "posix" and sys.executable:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    if isinstance(sys.stdout, TextIOWrapper):  # as standard error does
        sys.stdout.reconfigure(errors="backslashreplace")
