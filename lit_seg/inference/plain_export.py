"""Reads a file of ``torch.export`` as data, so that loading it runs no code from it.

``torch.export.load`` trusts its file: it unpickles weights, evaluates expressions for sizes, and
makes Python source of names and conditions. Here each part must look as ``torch.export`` writes it
for a network, what is not needed to run it is left out, and torch gets a copy of the rest.
"""

import io
import json
import re
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from lit_seg.errors import RunError

_WEIGHTS = re.compile(r"data/(weights/weight|constants/tensor)_\d+")
_PAYLOADS = re.compile(r"data/(weights|constants)/model_\1_config\.json")
_MARKS = re.compile(r"archive_format|archive_version|byteorder|\.data/\w+|extra/[\w.]+")
_EXAMPLE = "data/sample_inputs/model.pt"
_PROGRAM = "models/model.json"

_OPERATIONS = re.compile(
    r"torch\.ops\.aten\.(?!from_file|save)\w+\.\w+"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|[lg][te]|and_|or_|getitem)"
    r"|math\.(ceil|floor|trunc)|torch\.sym_\w+"
)
_EXPRESSION = re.compile(
    r"(Symbol\('\w+'(, (positive|nonnegative|integer)=True)*\)|(Integer|Float)\([\d.-]{1,20}\)"
    r"|(Add|Mul|Pow|Max|Min|Mod|PythonMod|(Floor|Clean|Ceil|IntTrue|FloatTrue)Div|ToFloat"
    r"|(Ceil|Floor|Trunc|Round)ToInt|Rational|Eq|Ne|Not|And|Or)\(|\)|, |\d{1,9})*"
)
_TREE = re.compile(
    r'("(type|context|children_spec)"|"builtins\.(tuple|list|dict)"|"null"|"\[\]"|null'
    r"|[][{}:,\s\d])*"
)
_NAME = re.compile(r"\w*")
_TEXTS = {
    **{"target": _OPERATIONS, "as_operator": _OPERATIONS, "expr_str": _EXPRESSION},
    **{"in_spec": _TREE, "out_spec": _TREE, "name": _NAME, "as_name": _NAME},
    **{"as_string": re.compile("[a-z_]{0,16}"), "torch_version": re.compile(r"[\w.+]*")},
}
"""What the texts of a program may be, by their key; those of other keys are names with dots."""
_OTHERS = re.compile(r"[\w.]*")


def read_plain_export(path: Path) -> io.BytesIO:
    """Copy a ``.pt2`` file for ``torch.export.load``, without what could run code.

    Raises:
        RunError: naming the file and the part that is not as ``torch.export`` writes a network.
    """
    copy = io.BytesIO()
    try:
        with ZipFile(path) as old, ZipFile(copy, "w", ZIP_STORED) as new:
            for part in old.infolist():
                if part.compress_type != ZIP_STORED:
                    raise _NotPlainError(f"the part {part.filename[:80]} is packed")
                new.writestr(part.filename, _plain(part.filename, old.read(part)))
    except (
        *(_NotPlainError, BadZipFile, ValueError, TypeError, AttributeError, KeyError),
        RecursionError,
    ) as error:
        raise RunError(
            f"{path}: cannot be loaded without running code from it ({error}); give a file of "
            "`lit_seg export`, or load it by `torch.export.load` if you trust it"
        ) from None
    copy.seek(0)
    return copy


class _NotPlainError(Exception):
    pass


def _plain(name: str, content: bytes) -> bytes:
    """Check a part of the file, and leave out what is not needed."""
    inner = name.partition("/")[2]  # the name of the archive stands in front
    if _WEIGHTS.fullmatch(inner) or _MARKS.fullmatch(inner):
        return content
    if inner == _EXAMPLE:  # a pickle, of the images that the network was traced with
        return b""
    if _PAYLOADS.fullmatch(inner):
        for item in json.loads(content)["config"].values():
            where = f"data/{inner.split('/')[1]}/{item['path_name']}"
            if item["use_pickle"] is not False or not _WEIGHTS.fullmatch(where):
                raise _NotPlainError(f"the weights {item['path_name']!r:.80} are a pickle")
        return content
    if inner == _PROGRAM:
        program = json.loads(content)
        program["guards_code"] = []
        _check(program, "")
        return json.dumps(program).encode()
    raise _NotPlainError(f"it has the part {name[:80]!r}")


def _check(value: Any, key: str) -> None:
    if isinstance(value, str):
        if not _TEXTS.get(key, _OTHERS).fullmatch(value):
            raise _NotPlainError(f"{key} is {value[:80]!r}")
    elif isinstance(value, list):
        for item in value:
            _check(item, key)
    elif isinstance(value, dict):
        if "metadata" in value:  # where an operation came from, such as its line
            value["metadata"] = {}
        for name, item in value.items():
            _check(name, "")
            _check(item, name)
