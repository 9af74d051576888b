"""In which settings runs differ that should differ in loss and seed only."""

import re
from collections.abc import Sequence

from lit_seg.analysis.run_groups import Arm

_OF_LENGTH = re.compile(r"^trainer\.(max|min)_(epochs|steps|time)$")
# What is written and how often; it changes no weight.
_OF_LOGGING = re.compile(
    r"^(trainer\.(check_val_every_n_epoch|val_check_interval|num_sanity_val_steps|logger"
    r"|log_every_n_steps|enable_\w+)|(class_dynamics|validation_report|prediction_writer)\..*)$"
)


def changes_training(option: str) -> bool:
    """Whether an option of the configuration may change what is learned."""
    return not _OF_LOGGING.match(option)


def config_differences(arms: Sequence[Arm]) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Options in which runs differ although only the loss and the seed should.

    Returns:
        ``{option: {value: labels of arms}}``, without those of length where arms of different
        length are told apart anyway; and runs without a configuration.
    """
    runs = [(arm, run) for arm in arms for run in arm.runs]
    options = sorted({key for _, run in runs for key in run.config})
    several_lengths = len({arm.steps for arm in arms}) > 1
    found: dict[str, dict[str, list[str]]] = {}
    for option in options:
        if several_lengths and _OF_LENGTH.match(option):
            continue
        values: dict[str, list[str]] = {}
        for arm, run in runs:
            if run.config:
                labels = values.setdefault(run.config.get(option, "not set"), [])
                if arm.label not in labels:
                    labels.append(arm.label)
        if len(values) > 1:
            found[option] = values
    return found, [run.name for _, run in runs if not run.config]
