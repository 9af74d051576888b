"""Sending a view and a report to W&B."""

from typing import Any, NamedTuple

from lit_seg.errors import RunError


class Published(NamedTuple):
    """Where they are."""

    workspace: str
    report: str


def publish(workspace: Any, report: Any) -> Published:
    """Publish both; a project that is not there is made. Each call makes new ones.

    Raises:
        RunError: if there is no key for W&B, or it refuses or cannot be reached.
    """
    from lit_seg.loggers.wandb_log import has_wandb_key  # only now: it imports all of Lightning

    if not has_wandb_key():
        raise RunError(
            "W&B: no key on this machine; `wandb login` stores one, WANDB_API_KEY gives one, and "
            "--dry-run needs none"
        )
    where = f"{workspace.entity}/{workspace.project}"
    try:
        report.save()  # first, since it makes the project
        workspace.save()
        return Published(workspace.url, report.url)
    except Exception as error:  # of W&B's client, requests and pydantic, without a common base
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise RunError(
            f"{where}: W&B does not take the dashboards ({reason}); check --entity, --project, the "
            "key and the network"
        ) from None
