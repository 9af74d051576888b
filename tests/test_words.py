"""Docstrings are whole sentences, or name what they document."""

import ast
from collections.abc import Iterator
from pathlib import Path

import lit_seg

PACKAGE = Path(lit_seg.__file__).parent
NO_BEGINNING = ("Of ", "The same ", "Likewise")


def docstrings(tree: ast.Module) -> Iterator[str]:
    """The docstrings of modules, classes and functions, and those below an assignment."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for before, each in (
            zip([node, *body], body, strict=False) if isinstance(body, list) else ()
        ):
            documented = before is node or isinstance(before, ast.Assign | ast.AnnAssign)
            if documented and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                yield str(each.value.value)


def test_no_docstring_begins_in_the_middle_of_a_sentence() -> None:
    found = [
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in PACKAGE.rglob("*.py")
        for text in docstrings(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(found) > 1000
    assert [each for each in found if each[1].lstrip().startswith(NO_BEGINNING)] == []
