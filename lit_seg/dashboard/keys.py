"""The names under which a run logs to W&B, as far as the dashboards use them."""

import re

STEP = "trainer/global_step"
"""The step axis of all curves but ``class/<stat>/<class>``, which run over ``CLASS_STEP``."""

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
CLASS_SCORES = {
    "class/recall": "recall",
    "class/precision": "precision",
    "class/fpr": "false-positive rate",
}
CLASS_SHARES = {
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
"""The option of a run's configuration that holds its dataset."""


def of_each_class(stat: str) -> str:
    """The regular expression for ``<stat>/<class>`` of every class."""
    return f"^{re.escape(stat)}/.+$"
