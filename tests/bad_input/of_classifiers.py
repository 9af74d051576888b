"""Options of classifiers, and the first stages that second ones begin with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lit_seg.classification.classifier import LitClassifier
from lit_seg.classification.rows import layers
from lit_seg.classification.stages import load_first_stage
from lit_seg.inference.trained import load_network
from tests.bad_input.case import Case, World
from tests.classification.small import backbone

GREY = {"dataset": "", "height": 8, "width": 8, "resize": 8, "channels": 1, "mean": [0], "std": [1]}
FIRST = "digits_lt/plain/ce/seed0"


def _made(**options: Any) -> Callable[[World], int]:
    def provoke(world: World) -> int:
        LitClassifier([3, 2], data_format=GREY, network="digits", **options)
        return 0

    return provoke


def _unfinished(world: World) -> int:
    run = world.tmp / FIRST
    run.mkdir(parents=True)
    load_first_stage(str(run), backbone(), nn.Linear(5, 3))
    return 0


def _other_network(world: World) -> int:
    load_first_stage(str(world.stopped / "checkpoints/last.ckpt"), backbone(), nn.Linear(5, 3))
    return 0


def _one_order(world: World) -> int:
    module = LitClassifier([3, 2], data_format=GREY, network="digits", method="bbn")
    image = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    module.training_step({"image": image, "target": torch.tensor([0, 1]), "name": ["a", "b"]}, 0)
    return 0


def _no_data_section(world: World) -> int:
    file: Path = world.tmp / "mine.yaml"
    file.write_text("model: {network: resnet50}\n")
    layers(str(file), "plain", "ce")
    return 0


def _used_as_network(world: World) -> int:
    file = world.tmp / "last.ckpt"
    hyper_parameters = dict(LitClassifier([3, 2], data_format=GREY, network="digits").hparams)
    given = {"data_format": hyper_parameters["data_format"]}
    torch.save({"hyper_parameters": given, "state_dict": {}}, file)
    load_network(file)
    return 0


CASES = [
    Case("classifier-first-stage-needed", _made(method="crt"), ("crt",)),
    Case("classifier-first-stage-unused", _made(stage_one="runs/x"), ("plain", "runs/x")),
    Case("classifier-first-stage-unfinished", _unfinished, (FIRST,)),
    Case("classifier-first-stage-other", _other_network, ("last.ckpt",)),
    Case("classifier-watched", _made(watched=["cat"]), ("'cat'",)),
    Case("classifier-network-options", _made(options={"depth": 3}), ("depth",)),
    Case("classifier-method-options", _made(method_options={"tau": 3}), ("tau",)),
    Case("classifier-one-order", _one_order, ("BBN",)),
    Case("classifier-own-data", _no_data_section, ("mine.yaml",)),
    Case(
        "classifier-name", lambda world: bool(layers("digits_lt", "sdm", "ce")) - 1, ("sdm", "sdn")
    ),
    Case("classifier-used-as-network", _used_as_network, ("last.ckpt",)),
]
