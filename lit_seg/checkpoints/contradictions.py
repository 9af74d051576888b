"""Finds parts of a checkpoint, each as it must be, that cannot come from the same run."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lit_seg.errors import plural


def contradiction(content: Mapping[str, Any]) -> str:
    """Describe what contradicts another part, such as numbers of steps; empty if all agree."""
    loop = content["loops"]["fit_loop"]
    steps = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"]
    epochs = loop["epoch_progress"]["current"]
    for name, counted in (
        ("global_step", steps.get("completed")),
        ("epoch", epochs.get("completed")),
    ):
        if content[name] != counted:
            return f"{name} is {content[name]}, and its counter {counted}"
    for i, schedule in enumerate(content["lr_schedulers"]):
        counted = schedule["last_epoch"]
        if counted > content["global_step"] or (
            _steps_each_time(content["hyper_parameters"]) and counted < content["global_step"]
        ):
            return f"lr_schedulers[{i}].last_epoch is {counted} after step {content['global_step']}"
    if len(content["optimizer_states"]) != 1:
        return f"optimizer_states has {len(content['optimizer_states'])} items, not 1"
    optimizer = content["optimizer_states"][0]
    if not optimizer["param_groups"]:
        return "optimizer_states[0].param_groups has no item"
    numbers = [number for group in optimizer["param_groups"] for number in group["params"]]
    if numbers != list(range(len(numbers))):  # so torch counts them
        return "optimizer_states[0].param_groups do not number their parameters from 0"
    for number, state in optimizer["state"].items():
        if not 0 <= number < len(numbers):
            return f"optimizer_states[0].state is of {len(numbers)} parameters, and has {number}"
        if "step" not in state and any("step" in each for each in optimizer["state"].values()):
            return f"optimizer_states[0].state[{number}].step is missing"
        if state.get("step", 0) > content["global_step"]:
            counted = f"{float(state['step']):g} after step {content['global_step']}"
            return f"optimizer_states[0].state[{number}].step is {counted}"
    begun = content.get("position", {}).get("epoch", content["epoch"])
    if begun - content["epoch"] not in (0, 1):
        return f"position.epoch is {begun} and epoch {content['epoch']}"
    return _types(content["state_dict"]) or _no_numbers(content["state_dict"], begun)


def _types(tensors: Mapping[str, Tensor]) -> str:
    """Describe a tensor of the network that holds other numbers than most; all have one type."""
    kinds = {name: t.dtype for name, t in tensors.items() if name.startswith("network.")}
    weights = {n: kind for n, kind in kinds.items() if not n.endswith("num_batches_tracked")}
    usual = Counter(weights.values()).most_common(1)
    for name, kind in weights.items():
        if kind != usual[0][0]:
            return f"state_dict.{name} holds {kind}, and most weights {usual[0][0]}"
    return ""


def _no_numbers(tensors: Mapping[str, Tensor], epochs: int) -> str:
    """Describe the first tensor of weights that holds NaN where there must be numbers."""
    for name, tensor in tensors.items():
        if name.startswith("loss.") and name.endswith("state.value"):  # NaN for a class never seen
            seen = tensor[~tensor.isnan()]
            if bool(((seen < 0) | (seen > 1)).any()):
                return f"state_dict.{name} holds {seen.tolist()}, not scores of classes in [0, 1]"
            if name == "loss.state.value" and epochs and not len(seen):
                return f"state_dict.{name} holds no score after {plural(epochs, 'epoch')}"
        elif bool(tensor.isnan().any()):
            return f"state_dict.{name} holds NaN"
        elif name.startswith("network.") and not bool(tensor.isfinite().all()):
            return f"state_dict.{name} holds infinite numbers"
        elif name.endswith("running_var") and bool((tensor < 0).any()):
            return f"state_dict.{name} holds a variance below 0"
    return ""


def _steps_each_time(options: Mapping[str, Any]) -> bool:
    """Whether the schedule takes a step with each of the optimizer, as far as its name says so."""
    given = options.get("lr_scheduler")
    name = str(given.get("class_path", "")) if isinstance(given, Mapping) else ""
    known = name.startswith(("torch.", "lit_seg."))
    by_steps = known and not name.endswith((".ReduceLROnPlateau", "Scheduler"))
    return by_steps and options.get("lr_interval", "step") == "step"
