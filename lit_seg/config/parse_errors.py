"""Shortens error reports of jsonargparse to one line: the option, the error, the way out."""

import re
from collections.abc import Callable, Iterable

from lit_seg.errors import near

OTHER_WORDS = {
    **dict.fromkeys(("lr", "learning_rate"), "model.optimizer.init_args.lr"),
    **dict.fromkeys(("epochs", "num_epochs"), "trainer.max_epochs"),
    **dict.fromkeys(("gpus", "num_gpus"), "trainer.devices"),
    "seed": "seed_everything",
    **dict.fromkeys(("image_size", "img_size", "crop_size", "size"), "data.init_args.height"),
    **dict.fromkeys(("classes", "class_names", "num_classes"), "data.init_args.ids"),
}
"""How other programs name what is an option here."""

_MADE_OF_CODE = ("LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler")

_KEY = re.compile(r'Parser key "([^"]+)":')
_CLASS = re.compile(r"class_path(?:=| )'([\w.]+)'")
_DENIED = re.compile(r"Importing '([\w.]+)' is not allowed")
_MISSING = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
_TYPE = re.compile(
    r"Expected (?:an? )?(<class '\w+'>|typing\.Literal\[[^\]]*\]|tuple with 2 elements)"
)
_ABSTRACT = re.compile(r"Expected an instantiatable class, but [\w.]*\.(\w+) is abstract")
_WORDS = {
    "<class 'int'>": "a whole number such as 3",
    "<class 'float'>": "a number such as 0.5",
    "<class 'str'>": "text",
    "<class 'bool'>": "true or false",
    "<class 'list'>": "a list such as [a, b]",
    "<class 'tuple'>": "a list such as [256, 256]",
    "<class 'dict'>": "a mapping such as {a: 1, b: 2}",
    "tuple with 2 elements": "a list of 2 values such as [256, 256]",
}
_FRAME = (  # lines around a statement, and statements on types that are tried for every value
    *("Does not validate against", "Subtypes:", "Errors:", "Given value"),
    *("Expected a <class 'NoneType'>", "Expected a path but", "Problem with given class_path"),
    *("Subclass types expect one of", "a class path (str)", "a dict with"),
)
_NO_CLASS = re.compile(r"there is no class ([\w.]+)")
_UNKNOWN = re.compile(r"there is no class ([\w.]+)|Option '([^']+)' is not accepted")


def explain(
    report: str,
    command: str = "python -m lit_seg",
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
    owner = _CLASS.search(report)
    if owner and (instead := made_of_code(owner[1].rpartition(".")[2])):
        return instead
    given = re.search(r"^ *Given value: ((?:[^\s(]|(?<=,) )+?)(?:$|\. Got )", report, re.MULTILINE)
    if given and not re.search(rf"(?<!\w){re.escape(given[1])}(?!\w)", reason):
        reason += f". Got value: {given[1]}"
    option, no_class = ".".join(keys), _NO_CLASS.search(reason)
    others = [part for part in reason.split("; ") if not part.startswith("there is no class")]
    if no_class and others:  # it may be a class, or something else
        wants_class = any(known(option, ""))
        reason = no_class[0] if wants_class else f"{'; '.join(others)}. Got value: {no_class[1]}"
    for needed in re.findall(r"arguments are required: (.*)", reason):
        name = needed.partition(",")[0]  # what is said of it before is its place in the signature
        reason = reason.replace(f"Option '{name}' is not accepted; ", "")
    reason = _in_words(reason)
    if unknown := _UNKNOWN.search(reason):
        word = unknown[1] or unknown[2]
        name = word.rpartition(".")[2]
        of_class = owner[1] if owner and unknown[2] else ""
        if of_class:  # as other programs name it
            name = OTHER_WORDS.get(name, name).rpartition(".")[2]
        reason += near(name, known(option, of_class), listed=False)
    if "are required: " in report and not keys:
        way_out = "`make train` gives all that is needed; by hand, give `--config` or `--data`"
    elif keys and owner and f"there is no class {owner[1]}" not in reason:
        way_out = f"`{command} --{keys[0]}.help {owner[1]}` lists its options"
    else:
        way_out = f"`{command} --help` lists the options"
    reason += " " if reason.endswith("?") else ". "
    return f"`{option}`: {reason}{way_out}" if keys else f"{reason}{way_out}"


def _in_words(reason: str) -> str:
    """Say what a value must be and what it is, in place of types of Python."""
    # the order in the report changes with what was imported before
    types = sorted(set(_TYPE.findall(reason)), key=lambda each: [*_WORDS, each].index(each))
    got = re.search(r"\. Got value: (.*?)(?:; Expected|$)", reason, re.DOTALL)
    if not types or not got:
        return reason
    literals = (each.partition("[")[2][:-1].replace(", ", " or ") for each in types)
    words = [_WORDS.get(each, literal) for each, literal in zip(types, literals, strict=True)]
    return f"must be {' or '.join(words)}, got {got[1]}"


def made_of_code(scheduler: str) -> str:
    """Say what to do in place of a scheduler that no option can describe; empty for others."""
    if scheduler not in _MADE_OF_CODE:
        return ""
    return (
        f"`model.lr_scheduler` {scheduler} is made of functions or other schedulers, which are no "
        "options; take WarmUpLR for a warm-up, or give the import path of a function of yours that "
        "makes it from the optimizer and the number of steps"
    )


def refusal(where: str, import_path: str) -> str:
    """Say why an import path is not followed, and how to allow it."""
    package = import_path.partition(".")[0]
    if import_path.split(".")[:2] == [package, "classification"]:  # of another command line
        return f"{where}: is of classification; take `python -m lit_seg.classification`"
    return (
        f"{where}: code of the package {package} runs only if you ask for it; if you trust it, "
        f"add `--trust {package}`"
    )


def _innermost(report: str) -> str:
    """Take the statements that are indented most; the lines around them only lead there."""
    indents: dict[str, int] = {}
    for line in report.splitlines():
        words = _KEY.split(line)[-1].rpartition("expects a function or a callable class: ")[2]
        words = words.strip().removeprefix("- ").partition(". Got value: Namespace(")[0]
        if words and not words.startswith(_FRAME):
            words = words.replace("Expected a dot import path string:", "there is no class")
            words = _ABSTRACT.sub(r"there is no class_path of a \1", words)
            words = _MISSING.sub(r"there is no class \1.\2", words)
            indents[words] = len(line) - len(line.lstrip(" "))
    said = [words for words, n in indents.items() if n == max(indents.values())]
    kinds = [words for words in said if re.fullmatch(r"Not a valid subclass of \w+", words)]
    return "; ".join(words for words in said if words not in kinds or len(kinds) == len(said))
