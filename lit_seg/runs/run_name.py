"""Finds the name of a run, dataset, network, loss and seed, from its place or configuration."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SEED = re.compile(r"seed(\d+)(-\d+)?")


@dataclass(frozen=True)
class RunName:
    """The four names of a run, and its place, whose last parts distinguish it from others."""

    data: str
    model: str
    loss: str
    seed: int
    place: tuple[str, ...]


def name_of_place(place: Sequence[str]) -> RunName | None:
    """Take the name from a place ``.../<data>/<model>/<loss>/seed<k>``; None if it is another."""
    seed = _SEED.fullmatch(place[-1]) if len(place) >= 4 else None
    if seed is None:
        return None
    data, model, loss = place[-4:-1]
    return RunName(data, model, loss, int(seed[1]), tuple(place))


def name_of_config(place: Sequence[str], config: object) -> RunName | None:
    """Take the name from a run's configuration; None if the configuration does not have it.

    A loss of this project has the name that LOSS has for it. A loss of the user's own is named
    after its class: ``smooth`` for ``SmoothLoss``.
    """
    try:
        data, model, seed = (config[key] for key in ("data", "model", "seed_everything"))  # type: ignore[index]
        loss = _loss(class_name(model["loss"]))
        # some networks have no encoder; a classifier is named after its method
        parts = (model["architecture"], model["encoder"]) if "method" not in model else ()
        network = "_".join(filter(None, parts)) or model["method"]
        return RunName(_data(data), network, loss, int(seed), tuple(place))
    except (KeyError, TypeError, ValueError):
        return None


def short_names(names: Sequence[RunName]) -> list[str]:
    """Write ``<data>/<model>/<loss>/seed<k>`` of each, with more of its place if runs share it."""
    short = ["/".join(name.place[-4:]) for name in names]
    for length in range(5, 1 + max((len(name.place) for name in names), default=0)):
        count = Counter(short)
        short = [
            "/".join(name.place[-length:]) if count[now] > 1 else now
            for name, now in zip(names, short, strict=True)
        ]
    return short


def class_name(given: str | Mapping[str, Any]) -> str:
    """The name of the class that a configuration gives, with or without options."""
    path = given if isinstance(given, str) else given["class_path"]
    return str(path).rsplit(".", 1)[-1]


def _loss(name: str) -> str:
    from lit_seg.losses.catalogue import every_loss  # torch, that most sources do without

    for cls in every_loss():
        if cls.__name__ == name:
            return cls.card.name.split(", ")[0]
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name.removesuffix("Loss")).lower()


def is_other_loss(name: str, class_path: str) -> bool:
    """Whether ``name`` is the LOSS of another class of this project than ``class_path``."""
    from lit_seg.losses.catalogue import every_loss

    names = {cls.__name__: cls.card.name.split(", ") for cls in every_loss()}
    known = any(name in each for each in names.values())
    if class_path.startswith("lit_seg.") and class_name(class_path) not in names:
        return False  # a form of the loss that only classifiers have
    return known and name not in names.get(class_name(class_path), [])


def _data(given: str | Mapping[str, Any]) -> str:
    options = {} if isinstance(given, str) else given.get("init_args") or {}
    name = options.get("name") or Path(options.get("root") or "").name
    return str(name or class_name(given).lower())
