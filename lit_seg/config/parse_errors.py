"""jsonargparse's reports in one line: the option, what is wrong with its value, the way out."""

import re

_KEY = re.compile(r'\s*Parser key "([^"]+)":[ \n]*?(?= *\S)')
_NOISE = re.compile(
    r"\s*(Problem with given class_path '[^']*':|Type .*? expects a function or a callable class:)"
    r"[ \n]*?(?= *\S)"
)
_DENIED = re.compile(r"Importing '([\w.]+)' is not allowed")
_OWNER = re.compile(r"class_path(?:=| )'([\w.]+)'")
_TRIED_BY_DEFAULT = ("Expected a <class 'NoneType'>", "Expected a path but")


def explain(report: str, command: str | None = None) -> str:
    """One line for a report of jsonargparse.

    Args:
        report: the message of its ``ArgumentError``, or of an error while it instantiates.
        command: that was given, for the help that is pointed to.
    """
    denied = _DENIED.search(report)
    if denied:
        return refusal(denied[1], denied[1])
    keys, reason = _innermost(report)
    reason, value = _plain(reason)
    if "`" in reason:  # of a constructor of ours, which says all
        return reason
    given = re.search(r"Given value: (.+)$", report)
    if value is None and given and "(" not in given[1]:
        value = given[1]
    text = f"`{'.'.join(keys)}`: {reason}" if keys else reason
    if value and value not in reason:
        text += f", got {value}"
    return f"{text}. {_way_out(report, keys, command)}"


def complaint_about_options(error: ValueError) -> str | None:
    """What Lightning or an optimizer has to say of its options; None for an error of the code."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    module = str(frame.tb_frame.f_globals.get("__name__")) if frame else ""
    if module.startswith("torch.optim.lr_scheduler"):
        return f"`model.lr_scheduler`: {error}"
    if module.startswith("torch.optim."):
        return f"`model.optimizer`: {error}"
    if module == "lightning_fabric.utilities.seed":
        return f"`seed_everything`: {error}"
    return str(error).strip() if module.startswith("pytorch_lightning.") else None


def refusal(where: str, import_path: str) -> str:
    """Why an import path is not followed, and how to allow it."""
    package = import_path.partition(".")[0]
    return (
        f"{where}: code of the package {package} runs only if you ask for it; if you trust it, "
        f"add `--trust {package}`"
    )


def _innermost(report: str) -> tuple[list[str], str]:
    """The keys down to the value that is wrong, and what is said of it."""
    keys: list[str] = []
    text = report
    while True:
        before = text
        if key := _KEY.match(text):
            keys += [key[1]] if key[1] not in keys else []
            text = text[key.end() :]
        if noise := _NOISE.match(text):
            text = text[noise.end() :]
        branches = _branches(text)
        if branches:
            best = max(branches, key=_detail)
            text = best if _detail(best) else " or ".join(branches)
        if text == before:
            return keys, text


def _branches(text: str) -> list[str]:
    """What was tried for a value that may be of several types."""
    if text.lstrip().startswith("Does not validate") and "Errors:" in text:
        text = text.split("Errors:", 1)[1].split("Given value type:")[0]
    lines = text.strip("\n").splitlines()
    starts = [re.match(r"( *)- ", line) for line in lines]
    if not starts or starts[0] is None:
        return []
    items: list[str] = []
    for line, start in zip(lines, starts, strict=True):
        if start and len(start[1]) <= len(starts[0][1]):
            items.append(line[start.end() :])
        else:
            items[-1] += f"\n{line}"
    return [i for i in items if not i.startswith(_TRIED_BY_DEFAULT)] or items[:1]


def _detail(branch: str) -> int:
    """How much a branch tells: more where it got into a class."""
    return len(_KEY.findall(branch)) + bool(_NOISE.match(branch)) + ("`" in branch)


def _plain(reason: str) -> tuple[str, str | None]:
    """The reason in plain words, and the value when it is given there."""
    reason, _, value = reason.partition("Got value: ")
    owner = re.search(r"class_path='(?:[\w.]*\.)?(\w+)'", value)
    value = value.partition(". Got value:")[0].strip()
    reason = " ".join(reason.split()).rstrip(". ")
    if found := re.fullmatch(r"Option '([^']+)' is not accepted", reason):
        return f"there is no option {found[1]!r}{f' of {owner[1]}' if owner else ''}", None
    if found := re.fullmatch(r"Expected a dot import path string: (.*)", reason):
        return f"there is no class {found[1]!r}", None
    for pattern, plain in (
        (r"<class '([\w.]+)'>", r"\1"),
        (r"a typing\.Literal\[([^\]]*)\]", r"one of \1"),
        (
            r"(Subcommand '\w+' does not accept|unrecognized) (option|arguments:) ",
            "there is no option ",
        ),
        (r" or Expected ", " or "),
        (r"Expected a (?=int)", "expected an "),
        (r"Expected ", "expected "),
    ):
        reason = re.sub(pattern, plain, reason)
    return reason, value if value and "(" not in value else None


def _way_out(report: str, keys: list[str], command: str | None) -> str:
    if "are required: " in report:
        return "`make train` gives all that is needed; by hand, give `--config` or `--data`"
    program = f"python -m lit_seg {command or ''}".strip()
    owner = _OWNER.search(report)
    if owner and keys:
        return f"`{program} --{keys[0]}.help {owner[1]}` lists its options"
    return f"`{program} --help` lists the options"
