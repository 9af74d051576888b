"""Where a run's numbers go: two CSV files always, and Weights & Biases online or offline."""

import csv
import io
import netrc
import os
import re
import sys
import uuid
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb
from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_only
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import Logger, WandbLogger

from lit_seg.errors import RunError
from lit_seg.files.atomic_io import replace_text, writing
from lit_seg.runs.layout import CLASS_STEP, CLASSES, COST, METRICS, WANDB_ID

_CONNECT_SECONDS = 20.0
_MODES = {
    "online": "online",
    "run": "online",
    "shared": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}


class CSVLog(Logger):
    """Writes ``metrics.csv``, a column per metric, and two tidy files.

    Metrics named ``class/<stat>/<class>`` become rows (step, stat, class, value) of
    ``classes.csv``, to six digits since there are many; ``cost/<cost>`` rows (step, cost, value) of
    ``cost.csv``, which is no two times the same.
    Rows are on disk when :meth:`log_metrics` returns, and a run that goes on after an interruption
    appends to what is there, after :meth:`keep_before` dropped what it will log again.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Nothing: ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append the metrics of a step."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        of_classes = {k: v for k, v in metrics.items() if k.startswith("class/")}
        costs = {k: v for k, v in metrics.items() if k.startswith("cost/")}
        others = {k: v for k, v in metrics.items() if k not in of_classes.keys() | costs.keys()}
        if of_classes:
            rows = [[step, *key.split("/", 2)[1:], f"{v:.6g}"] for key, v in of_classes.items()]
            _append(self.folder / CLASSES, ["step", "stat", "class", "value"], rows)
        if costs:
            rows = [[step, key.split("/", 1)[1], f"{v:.6g}"] for key, v in costs.items()]
            _append(self.folder / COST, ["step", "cost", "value"], rows)
        if others:
            self._log_wide({"step": step, **{k: float(v) for k, v in others.items()}})

    @rank_zero_only
    def keep_before(self, step: int, validated: bool = True) -> None:
        """Drop what was logged at ``step`` or later, or was not logged to its end.

        Args:
            step: the first one that will be logged again.
            validated: whether to keep the scores that the step before it was given.
        """

        def keep(row: dict[str, str]) -> bool:
            try:
                at = int(row["step"])
            except (KeyError, TypeError, ValueError):
                raise RunError(
                    f"{self.folder}: a CSV file holds {list(row.values())}, which is no row of "
                    "this run; take it out, or move the file away"
                ) from None
            again = at == step - 1 and not validated and bool(row.get("val/miou"))
            return at < step and not again

        for path in (self.folder / METRICS, self.folder / CLASSES, self.folder / COST):
            if path.exists():
                _drop_torn_line(path)
                _rewrite(path, keep)

    def has_scores_of(self, step: int) -> bool:
        """Whether the scores of a validation after ``step`` were logged."""
        path = self.folder / METRICS
        if not path.exists():
            return False
        with path.open(newline="") as file:
            return any(
                row["step"] == str(step) and row.get("val/miou") for row in csv.DictReader(file)
            )

    def _log_wide(self, row: dict[str, Any]) -> None:
        path = self.folder / METRICS
        if not self._columns and path.exists():
            with path.open(newline="") as file:
                self._columns = next(csv.reader(file), [])
        new = [key for key in row if key not in self._columns]
        if new:  # the first epoch brings the validation columns: widen what is written
            self._columns += new
            if path.exists():
                _rewrite(path, lambda _: True, self._columns)
        _append(path, self._columns, [[row.get(key, "") for key in self._columns]])


class WandbLog(WandbLogger):
    """W&B, with an axis of their own for the curves of the classes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._wandb_init.pop("anonymous")  # Lightning passes it, W&B warns that it does nothing

    @property
    def experiment(self) -> Any:
        """The W&B run; the first call starts it."""
        first = self._experiment is None
        try:
            run = super().experiment
        except wandb.Error as error:  # a key, but no server that takes it: train all the same
            rank_zero_info(
                f"W&B: cannot be reached ({str(error).splitlines()[0]}), logging offline; upload "
                f"by `{sync_command(Path(self.save_dir or '.'))}`"
            )
            os.environ["WANDB_MODE"] = "offline"
            wandb.teardown()  # its service would hold the id of the run that failed
            try:
                run = super().experiment
            except wandb.Error as again:  # not the server's fault
                raise RunError(
                    f"W&B: cannot start ({again}); mend it, or set WANDB_MODE=disabled"
                ) from None
        if first and hasattr(run, "define_metric"):
            run.define_metric(CLASS_STEP)
            run.define_metric("class/*", step_metric=CLASS_STEP)
        return run

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:  # type: ignore[override]
        """Log the metrics of a step."""
        if any(key.startswith("class/") for key in metrics):
            metrics = {**metrics, CLASS_STEP: float(step or 0)}
        super().log_metrics(metrics, step)


def run_loggers(folder: Path, resumed: bool = False) -> list[Logger]:
    """The loggers of the run in ``folder``; one that is ``resumed`` keeps its W&B id.

    In W&B it carries the name of its folder, and that of the folder without the seed as its group;
    one that a sweep's agent started is the run that the agent announced. ``WANDB_MODE``,
    ``WANDB_PROJECT`` and ``WANDB_ENTITY`` are honoured. Without ``WANDB_MODE`` W&B is online where
    a key is configured and else offline: its own menu would stop an unattended run.
    """
    loggers: list[Logger] = [CSVLog(folder)]
    given = os.environ.get("WANDB_MODE")
    if not given:
        os.environ.pop("WANDB_MODE", None)  # set but empty, W&B would refuse it
    mode = _MODES.get(given or ("online" if has_wandb_key() else "offline"))
    if mode is None:
        raise RunError(f"WANDB_MODE={given} is unknown; there are {', '.join(_MODES)}")
    if mode == "disabled":
        return loggers
    if mode == "offline" and not given:
        rank_zero_info(
            f"W&B: no key on this machine, logging offline; upload it by `{sync_command(folder)}`"
        )
    parts = folder.parts[-4:]
    config = _names_in(folder)
    loggers.append(
        WandbLog(
            name="/".join(parts),
            group="/".join(parts[:-1]),  # the same runs with other seeds
            job_type="train",
            tags=[str(name)[:64] for key, name in config.items() if key != "seed"],  # W&B's limit
            config=config,
            project=os.environ.get("WANDB_PROJECT", "lit_seg"),
            save_dir=str(folder),
            id=_wandb_id(folder, resumed),
            offline=mode != "online",
            settings={"silent": True, "init_timeout": _CONNECT_SECONDS},
        )
    )
    return loggers


def wandb_run(trainer: Trainer) -> Any | None:
    """The W&B run of a trainer, for what is not a plain number; None without one."""
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            return logger.experiment
    return None


def sync_command(folder: Path) -> str:
    """The command that uploads the offline W&B runs of a run's folder."""
    return f"{program('wandb')} sync {folder}/wandb/offline-run-*"


def program(name: str) -> Path:
    """A program of this environment, as one would type it here."""
    path = Path(sys.executable).with_name(name)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _names_in(folder: Path) -> dict[str, str | int]:
    """What to group runs by in W&B, if the folder is ``<data>/<model>/<loss>/seed<k>``.

    ``data``, ``model`` and ``loss`` are taken in W&B: the configuration of the run has them.
    """
    seed = re.fullmatch(r"seed(\d+)(-\d+)?", folder.name)
    if seed is None or len(folder.parts) < 4:
        return {}
    data, model, loss = folder.parts[-4:-1]
    return {"data_name": data, "model_name": model, "loss_name": loss, "seed": int(seed[1])}


def _wandb_id(folder: Path, resumed: bool) -> str:
    path = folder / WANDB_ID
    if os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"):
        new = os.environ["WANDB_RUN_ID"]  # W&B takes no other id from what a sweep's agent starts
    elif resumed and path.is_file():
        return path.read_text().strip()
    else:
        new = uuid.uuid4().hex[:8]
    _write_wandb_id(path, new)
    return new


@rank_zero_only
def _write_wandb_id(path: Path, new: str) -> None:
    replace_text(path, new + "\n")


def has_wandb_key() -> bool:
    """Whether a key for W&B is in the environment or in a netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    for path in (os.environ.get("NETRC", ""), Path.home() / ".netrc", Path.home() / "_netrc"):
        try:
            if path and netrc.netrc(str(path)).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def _append(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    new = not path.exists()
    with writing(path), path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        writer.writerows(rows)


def _drop_torn_line(path: Path) -> None:
    """Cut off what a killed process wrote of its last line: a part of a number is a number."""
    with path.open("r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _rewrite(
    path: Path, keep: Callable[[dict[str, str]], bool], columns: list[str] | None = None
) -> None:
    """Rewrite a CSV file with some of its rows, and with more columns if given, in one move."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        columns = columns or list(reader.fieldnames or [])
        rows = [row for row in reader if keep(row)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    replace_text(path, text.getvalue())
