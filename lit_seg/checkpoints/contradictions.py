"""Finds parts of a checkpoint, each as it must be, that do not fit the others or the run."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from lit_seg.errors import RunError, plural
from lit_seg.tasks.schedule import LIKE_THEIR_PARAMETER

CURRENT = "current_model_state"
"""The weights that are trained, where the state dict holds their average."""
STEP_START = "buffers_at_the_start_of_the_step"
"""What the repetition of a step begins with, where the state dict is that within the step."""


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
    begun = content.get("position", {}).get("epoch", content["epoch"])
    if begun - content["epoch"] not in (0, 1):
        return f"position.epoch is {begun} and epoch {content['epoch']}"
    return _of_optimizer(content) or _of_weights(content, begun)


def check_entries(optimizer: Optimizer, module: Module) -> None:
    """Refuse a parameter that is about to change and lacks an entry that others of its kind have.

    torch would begin anew for it in silence, or fail. Before a step this cannot be told: a
    parameter without a gradient has no entries.
    """
    names = {parameter: name for name, parameter in module.named_parameters()}
    changing = [
        p for group in optimizer.param_groups for p in group["params"] if p.grad is not None
    ]
    for parameter in changing:
        alike = (p for p in changing if (p.ndim > 1) == (parameter.ndim > 1))  # Adafactor's differ
        missing = {key for p in alike for key in optimizer.state.get(p, ())}
        missing -= {*optimizer.state.get(parameter, ())}
        if missing:
            raise RunError(
                "the checkpoint's state of the optimizer does not fit: that of "
                f"{names[parameter]} lacks {min(missing)}; resume from another checkpoint of the "
                "run, or start a new run from its weights by INIT"
            )


def _of_optimizer(content: Mapping[str, Any]) -> str:
    """Describe what of the optimizer's state is not of this network or this step."""
    if len(content["optimizer_states"]) != 1:
        return f"optimizer_states has {len(content['optimizer_states'])} items, not 1"
    optimizer, done = content["optimizer_states"][0], content["global_step"]
    if not optimizer["param_groups"]:
        return "optimizer_states[0].param_groups has no item"
    numbers = [number for group in optimizer["param_groups"] for number in group["params"]]
    if numbers != list(range(len(numbers))):  # so torch counts them
        return "optimizer_states[0].param_groups do not number their parameters from 0"
    floats = {t.dtype for t in content["state_dict"].values() if t.is_floating_point()}
    steps = [float(each["step"]) for each in optimizer["state"].values() if "step" in each]
    for number, state in optimizer["state"].items():
        name = f"optimizer_states[0].state[{number}]"
        if not 0 <= number < len(numbers):
            return f"optimizer_states[0].state is of {len(numbers)} parameters, and has {number}"
        if "step" not in state and steps:
            return f"{name}.step is missing"
        if state.get("step", 0) > done:
            return f"{name}.step is {float(state['step']):g} after step {done}"
        for key in LIKE_THEIR_PARAMETER:
            if state.get(key) is not None and state[key].dtype not in floats:
                return f"{name}.{key} holds {state[key].dtype}, and no weight does"
    # a part may have been frozen for long; what overflows in float16 takes no step
    if steps and 2 * max(steps) < done and "MixedPrecision" not in content:
        return f"optimizer_states[0].state has taken {max(steps):g} of {done} steps"
    return ""


def _of_weights(content: Mapping[str, Any], epochs: int) -> str:
    """Describe what of the weights and buffers no run has, or not beside the others."""
    weights = content["state_dict"]
    wrong = _types(weights)
    for key in ("state_dict", CURRENT, STEP_START):
        tensors = content.get(key, {})
        for name, tensor in tensors.items():
            if name not in weights or _kind(tensor) != _kind(weights[name]):
                return f"{key}.{name} is not in state_dict, or of another shape or type there"
        wrong = wrong or _no_numbers(key, tensors, epochs)
    return wrong


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype


def _types(tensors: Mapping[str, Tensor]) -> str:
    """Describe a tensor of the network that holds other numbers than most; all have one type."""
    kinds = {name: t.dtype for name, t in tensors.items() if name.startswith("network.")}
    weights = {n: kind for n, kind in kinds.items() if not n.endswith("num_batches_tracked")}
    usual = Counter(weights.values()).most_common(1)
    for name, kind in weights.items():
        if kind != usual[0][0]:
            return f"state_dict.{name} holds {kind}, and most weights {usual[0][0]}"
    return ""


def _no_numbers(part: str, tensors: Mapping[str, Tensor], epochs: int) -> str:
    """Describe the first tensor in a part that holds NaN where there must be numbers."""
    for name, tensor in tensors.items():
        if name.startswith("loss.") and name.endswith("state.value"):  # NaN for a class never seen
            seen = tensor[~tensor.isnan()]
            if bool(((seen < 0) | (seen > 1)).any()):
                return f"{part}.{name} holds {seen.tolist()}, not scores of classes in [0, 1]"
            if name == "loss.state.value" and epochs and not len(seen):
                return f"{part}.{name} holds no score after {plural(epochs, 'epoch')}"
        elif bool(tensor.isnan().any()):
            return f"{part}.{name} holds NaN"
        elif name.startswith("network.") and not bool(tensor.isfinite().all()):
            return f"{part}.{name} holds infinite numbers"
        elif name.endswith("running_var") and bool((tensor < 0).any()):
            return f"{part}.{name} holds a variance below 0"
    return ""


def _steps_each_time(options: Mapping[str, Any]) -> bool:
    """Whether the schedule takes a step with each of the optimizer, as far as its name says so."""
    given = options.get("lr_scheduler")
    name = str(given.get("class_path", "")) if isinstance(given, Mapping) else ""
    known = name.startswith(("torch.", "lit_seg."))
    by_steps = known and not name.endswith((".ReduceLROnPlateau", "Scheduler"))
    return by_steps and options.get("lr_interval", "step") == "step"
