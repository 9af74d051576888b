"""The private names of wandb-workspaces, which has no public way to see what it would send."""

from typing import Any


def spec_of(workspace: Any, report: Any) -> dict[str, Any]:
    """What W&B stores of a view and a report, as plain values.

    Panels and sets of runs carry identifiers that are drawn anew each time.
    """
    view, text = workspace._to_model(), report._to_model()
    return {
        "entity": workspace.entity,
        "project": workspace.project,
        "workspace": {"name": view.display_name, "spec": _plain(view.spec)},
        "report": {
            "title": text.display_name,
            "description": text.description,
            "spec": _plain(text.spec),
        },
    }


def _plain(model: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
