"""Reading YAML files that hold a mapping, with errors that name the file and the way out."""

from pathlib import Path
from typing import Any

import yaml

from lit_seg.errors import RunError


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file; tags that would run Python are refused."""
    if not path.exists():
        raise RunError(f"{path}: there is no such configuration file")
    if not path.is_file():
        raise RunError(f"{path}: is a folder, not a configuration file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).replace("<unicode string>", path.name).split())
        raise RunError(f"{path}: cannot be read as YAML ({reason}); mend it") from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else repr(content)[:60]
        raise RunError(
            f"{path}: holds {found}; a configuration is a mapping such as "
            "`trainer: {max_epochs: 3}`"
        )
    return content
