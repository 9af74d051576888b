"""jsonargparse's error reports in one line: the option, what is wrong with it, the way out."""

import re
from collections.abc import Callable, Iterable

from lit_seg.errors import near

_KEY = re.compile(r'Parser key "([^"]+)":')
_CLASS = re.compile(r"class_path(?:=| )'([\w.]+)'")
_DENIED = re.compile(r"Importing '([\w.]+)' is not allowed")
_FRAME = (  # lines around a statement, and statements on types that are tried for every value
    *("Does not validate against", "Subtypes:", "Errors:", "Given value"),
    *("Expected a <class 'NoneType'>", "Expected a path but", "Problem with given class_path"),
)
_UNKNOWN = re.compile(r"there is no class ([\w.]+)|Option '([^']+)' is not accepted")


def explain(
    report: str,
    command: str | None = None,
    known: Callable[[str, str], Iterable[str]] = lambda option, owner: (),
) -> str:
    """Shorten a report of jsonargparse to the option, its own words and the help of ``command``.

    It reports errors of parsing, and errors of the constructors that it calls. ``known`` gives the
    classes that an option may name, or the options of the class ``owner`` if there is one.
    """
    if denied := _DENIED.search(report):
        return refusal(denied[1], denied[1])
    keys = list(dict.fromkeys(_KEY.findall(report)))
    reason = _innermost(report).rstrip(". ")
    if "`" in reason:  # the message of one of our constructors says everything
        return reason
    given = re.search(r"^ *Given value: ([^\s(]+)$", report, re.MULTILINE)
    if given and given[1] not in reason:
        reason += f". Got value: {given[1]}"
    program = f"python -m lit_seg {command or ''}".strip()
    owner = _CLASS.search(report)
    if unknown := _UNKNOWN.search(reason):
        word = unknown[1] or unknown[2]
        reason += near(word, known(".".join(keys), owner[1] if owner else ""), listed=False)
    if "are required: " in report:
        way_out = "`make train` gives all that is needed; by hand, give `--config` or `--data`"
    elif keys and owner:
        way_out = f"`{program} --{keys[0]}.help {owner[1]}` lists its options"
    else:
        way_out = f"`{program} --help` lists the options"
    reason += " " if reason.endswith("?") else ". "
    return f"`{'.'.join(keys)}`: {reason}{way_out}" if keys else f"{reason}{way_out}"


def refusal(where: str, import_path: str) -> str:
    """Why an import path is not followed, and how to allow it."""
    package = import_path.partition(".")[0]
    return (
        f"{where}: code of the package {package} runs only if you ask for it; if you trust it, "
        f"add `--trust {package}`"
    )


def _innermost(report: str) -> str:
    """The statements that are indented most; the lines around them lead there."""
    indents: dict[str, int] = {}
    for line in report.splitlines():
        words = _KEY.split(line)[-1].rpartition("expects a function or a callable class: ")[2]
        words = words.strip().removeprefix("- ").partition(". Got value: Namespace(")[0]
        if words and not words.startswith(_FRAME):
            words = words.replace("Expected a dot import path string:", "there is no class")
            indents[words] = len(line) - len(line.lstrip(" "))
    return "; ".join(words for words, n in indents.items() if n == max(indents.values()))
