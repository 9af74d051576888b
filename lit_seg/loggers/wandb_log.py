"""Logs to Weights & Biases, online or offline."""

import netrc
import os
import uuid
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from lightning_fabric.loggers.logger import rank_zero_experiment
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_only
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import WandbLogger

from lit_seg.errors import RunError
from lit_seg.files.atomic_io import replace_text
from lit_seg.metrics.scores import CLASS_STATS
from lit_seg.runs.layout import WANDB_ID, program
from lit_seg.runs.records import CLASS_STEP, GLOBAL_STEP, join_key, stat_of, step_axis
from lit_seg.runs.run_name import name_of_place

_CONNECT_SECONDS = 20.0
_MODES = {
    **dict.fromkeys(("online", "run", "shared"), "online"),
    **dict.fromkeys(("offline", "dryrun"), "offline"),
    "disabled": "disabled",
}


class WandbLog(WandbLogger):
    """Lightning's W&B logger, in which the curves of the classes have their own step axis."""

    def __init__(self, offline: bool = False, **options: Any) -> None:
        super().__init__(offline=offline, **options)
        self._mode: Any = "offline" if offline else os.environ.get("WANDB_MODE") or "online"
        self._has_axes = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run; the first call starts it."""
        import wandb  # which a run without it need not have

        if self._has_axes:
            return super().experiment
        try:
            # or W&B warns of an option of Lightning before it reads ours, and has the mode that the
            # environment had when it was first used
            wandb.setup(wandb.Settings(silent=True, mode=self._mode))
            run = super().experiment
        except wandb.Error as error:  # no server takes the key: training goes on
            rank_zero_info(
                f"W&B: cannot be reached ({str(error).splitlines()[0]}), logging offline; upload "
                f"by `{sync_command(Path(self.save_dir or '.'))}`"
            )
            os.environ["WANDB_MODE"] = "offline"
            wandb.teardown()  # its service would hold the id of the run that failed
            try:
                wandb.setup(wandb.Settings(silent=True, mode="offline"))
                run = super().experiment
            except wandb.Error as again:  # this is not the server's fault
                raise RunError(
                    f"W&B: cannot start ({again}); mend it, or set WANDB_MODE=disabled"
                ) from None
        _keep_id(Path(str(self.save_dir)), str(self.version))
        if hasattr(run, "define_metric"):
            self._has_axes = True
            run.define_metric(CLASS_STEP)
            # W&B would draw a chart for each class; `class_charts` has one for all of them
            run.define_metric(stat_of("class", "*"), step_metric=CLASS_STEP, hidden=True)
            for stat in CLASS_STATS:
                run.define_metric(
                    join_key(stat_of("val", stat), "*"), step_metric=GLOBAL_STEP, hidden=True
                )
        return run

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # type: ignore[override]
        """Log the metrics of a step."""
        if any(step_axis(key) == CLASS_STEP for key in metrics):
            metrics = {**metrics, CLASS_STEP: float(step or 0)}
        super().log_metrics(metrics, step)


def wandb_log(folder: Path, resumed: bool) -> WandbLog | None:
    """Make the W&B logger of the run in ``folder``; None if ``WANDB_MODE`` disables it.

    In W&B the run carries the name of its folder, and the same without the seed as its group; a run
    that a sweep's agent started keeps the id that the agent gave it. ``WANDB_MODE``,
    ``WANDB_PROJECT`` and ``WANDB_ENTITY`` are honoured. Without ``WANDB_MODE`` W&B is online where
    a key is configured and else offline: its own menu would stop an unattended run. Where it is not
    installed there is none.
    """
    given = os.environ.get("WANDB_MODE")
    if not given:
        os.environ.pop("WANDB_MODE", None)  # W&B refuses an empty one
    mode = _MODES.get(given or ("online" if has_wandb_key() else "offline"))
    if mode is None:
        raise RunError(f"WANDB_MODE={given} is unknown; there are {', '.join(_MODES)}")
    if mode == "disabled":
        return None
    if not given and find_spec("wandb") is None:
        rank_zero_info("W&B: not installed, so nothing is logged to it; `pip install wandb`")
        return None
    _check_address()
    if mode == "offline" and not given:
        rank_zero_info(
            f"W&B: no key on this machine, logging offline; upload it by `{sync_command(folder)}`"
        )
    parts = folder.parts[-4:]
    # W&B has data, model and loss of the configuration itself, so these need other names
    keys = ("data_name", "model_name", "loss_name")
    names = dict(zip(keys, parts, strict=False)) if (name := name_of_place(parts)) else {}
    return WandbLog(
        name="/".join(parts),
        group="/".join(parts[:-1]),  # the same runs with other seeds
        job_type="train",
        tags=[value[:64] for value in names.values()],  # W&B's limit
        config={**names, "seed": name.seed} if name else {},
        project=os.environ.get("WANDB_PROJECT", "lit_seg"),
        save_dir=str(folder),
        id=_wandb_id(folder, resumed),
        offline=mode != "online",
        settings={"silent": True, "init_timeout": _CONNECT_SECONDS},
    )


def wandb_run(trainer: Trainer) -> Any | None:
    """Find the W&B run of a trainer, to log what is no plain number; None without W&B."""
    return next((lg.experiment for lg in trainer.loggers if isinstance(lg, WandbLogger)), None)


def sync_command(folder: Path) -> str:
    """The command that uploads the offline W&B runs of a run's folder."""
    return f"{program('wandb')} sync {folder}/wandb/offline-run-*"


def has_wandb_key() -> bool:
    """Whether a key for W&B is in the environment or in a netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = _host()
    for path in (os.environ.get("NETRC", ""), Path.home() / ".netrc", Path.home() / "_netrc"):
        with suppress(OSError, netrc.NetrcParseError):
            if path and netrc.netrc(str(path)).authenticators(host):
                return True
    return False


def _host() -> str:
    """The server of W&B; empty if its address is none."""
    with suppress(ValueError):
        address = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai")
        _ = address.port  # a ValueError if it is no number
        host = address.hostname or ""
        return host if address.scheme in ("http", "https") and " " not in host else ""
    return ""


def _check_address() -> None:
    if not _host():
        raise RunError(
            f"WANDB_BASE_URL={os.environ['WANDB_BASE_URL']} is no address such as "
            "https://api.wandb.ai; mend it, or unset it"
        )


def _wandb_id(folder: Path, resumed: bool) -> str:
    path = folder / WANDB_ID
    if os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"):
        return os.environ["WANDB_RUN_ID"]  # W&B takes no other id from what a sweep's agent starts
    if resumed and path.is_file():
        return path.read_text(encoding="utf-8").strip()
    return uuid.uuid4().hex[:8]


@rank_zero_only
def _keep_id(folder: Path, run_id: str) -> None:
    replace_text(folder / WANDB_ID, run_id + "\n")
