"""The names under which a run logs to W&B, as far as the dashboards use them."""

import re

STEP = "trainer/global_step"
"""The step axis of all curves but those of the classes."""
CLASS_STEP = "class_step"
"""The step axis of ``class/<stat>/<class>``."""

SCORES = {
    "val/miou": "mean IoU",
    "val/macc": "mean accuracy (recall)",
    "val/mprec": "mean precision",
    "val/ce": "plain cross-entropy",
    "val/pixel_acc": "pixel accuracy",
}
COSTS = {
    "cost/step_seconds": "seconds per step",
    "cost/cpu_seconds": "processor seconds per step",
    "cost/data_seconds": "seconds waited for a batch",
    "cost/peak_memory_mb": "peak memory, MB",
    "cost/utilisation": "utilisation, %",
}
WHAT_HAPPENS = {
    "class/recall": "recall",
    "class/precision": "precision",
    "class/fpr": "false-positive rate",
}
WHAT_THE_LOSS_SEES = {
    "class/miss_norm": "share of 1 - recall: what recall loss would look at",
    "class/focal_norm": "share of the focal weight: what focal loss would look at",
    "class/recall_focal_ratio": "the first over the second",
    "class/weight_norm": "share of the class weight, of losses that have one",
    "class/gradient_share": "share of the gradient that reaches the logits",
}

OVERLAYS = "val/overlays"
CLASS_TABLE = "val/classes"
CONFUSION = "val/confusion_table"
"""The table behind the chart that is logged as ``val/confusion``."""

GROUP = "Group"
"""W&B's own name for the group of a run: dataset, network and loss, without the seed."""
DATA = "data_name"
"""In the configuration of a run."""


def of_each_class(stat: str) -> str:
    """The expression that finds ``<stat>/<class>`` for every class, whatever the classes are."""
    return f"^{re.escape(stat)}/.+$"
