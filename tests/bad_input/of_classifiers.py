"""Options of classifiers, and the first stages that second ones begin with."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lit_seg.classification import classifier
from lit_seg.classification.class_sampling import ByPower
from lit_seg.classification.classifier import LitClassifier
from lit_seg.classification.compare import compare, train
from lit_seg.classification.rows import layers, run_of
from lit_seg.classification.stages import load_first_stage
from lit_seg.inference.trained import load_network
from lit_seg.losses import LDAMLoss, RecallLoss
from tests.bad_input.case import Case, World
from tests.classification.small import backbone

GREY = {"dataset": "", "height": 8, "width": 8, "resize": 8, "channels": 1, "mean": [0], "std": [1]}
LDAM = {"loss": LDAMLoss}
FIRST = "digits_lt/plain/ce/seed0"


def _made(**options: Any) -> Callable[[World], int]:
    def provoke(world: World) -> int:
        LitClassifier([3, 2], data_format=GREY, **{"network": "digits", **options})
        return 0

    return provoke


def _unfinished(world: World) -> int:
    run = world.tmp / FIRST
    run.mkdir(parents=True)
    load_first_stage(str(run), backbone(), nn.Linear(5, 3), {})
    return 0


def _killed(world: World) -> int:
    run = world.tmp / FIRST
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    return train(["--model", "crt", "--first_stage", "--runs", str(world.tmp)])


def _range(**options: float) -> Callable[[World], int]:
    return _made(method_options={"feature_loss": "range", "feature_options": options})


def _started_otherwise(world: World) -> int:
    run = run_of("digits_lt", "plain", "ce", 0, world.tmp, ["--trainer.max_epochs", "400"])
    (run.folder / "checkpoints").mkdir(parents=True)
    (run.folder / "checkpoints/last.ckpt").touch()
    (run.folder / "command.json").write_text(json.dumps(run.command))
    options = ["--trainer.max_epochs", "6", "--trainer.nope", "3"]
    return train(["--model", "plain", "--runs", str(world.tmp), *options])


def _second_stage_option(world: World) -> int:
    option = ["--model.method_options.nope", "1"]
    code = train(["--model", "crt", "--runs", str(world.tmp), *option])
    assert not list(world.tmp.rglob("plain")), "the first stage was begun"
    return code


def _power(world: World) -> int:
    sampling = ByPower(1000)
    sampling.fit(np.array([0] * 9 + [1]))
    return len(sampling.order(0, 0))


def _first(data: Mapping[str, Any] = {}, **had: Any) -> Callable[[World], int]:
    """A checkpoint of another run with these hyperparameters."""

    def provoke(world: World) -> int:
        content = torch.load(world.stopped / "checkpoints/last.ckpt", weights_only=True)
        file = world.tmp / "last.ckpt"
        torch.save(content | {"hyper_parameters": had}, file)
        load_first_stage(str(file), backbone(), nn.Linear(5, 3), data)
        return 0

    return provoke


def _loss_of_nothing(world: World) -> int:
    world.patch.setattr(classifier, "load_first_stage", lambda *_: {"loss": "x.FocalLoss"})
    module = LitClassifier(
        [3, 2], data_format=GREY, network="digits", method="tau_norm", stage_one=FIRST
    )
    return len(list(module.parameter_groups()))


def _other_method(world: World) -> int:
    module = LitClassifier([3, 2], data_format=GREY, network="digits", method="sdn")
    module.on_load_checkpoint({"hyper_parameters": {"method": "plain"}})
    return 0


def _step(method: str, *images: str) -> Callable[[World], int]:
    def provoke(world: World) -> int:
        module = LitClassifier([3, 2], data_format=GREY, network="digits", method=method)
        batch = dict.fromkeys(images, torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
        module.training_step({**batch, "target": torch.tensor([0, 1]), "name": ["a", "b"]}, 0)
        return 0

    return provoke


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
    Case("classifier-first-stage-killed", _killed, (FIRST, "crt")),
    Case("classifier-first-stage-other", _first(method="plain"), ("last.ckpt",)),
    Case("classifier-first-stage-method", _first(method="sdn"), ("last.ckpt", "sdn")),
    Case("classifier-first-stage-segmentation", _first(), ("last.ckpt",)),
    Case(
        "classifier-first-stage-images",
        _first({"class_counts": [9, 4, 2]}, method="plain", class_counts=[9, 5, 1]),
        ("last.ckpt", "[9, 4, 2]", "[9, 5, 1]"),
    ),
    Case(
        "classifier-untrained-loss",
        lambda world: train(["--model", "ncm", "--loss", "recall", "--runs", str(world.tmp)]),
        ("LOSS=recall", "ncm"),
    ),
    Case(
        "classifier-untrained-other-loss",
        _loss_of_nothing,
        ("CrossEntropyLoss", "tau_norm", "FocalLoss"),
    ),
    Case(
        "classifier-own-head", _made(method="lws", stage_one=FIRST, head="cosine", **LDAM), ("lws",)
    ),
    Case("classifier-scale", _made(**LDAM), ("LDAMLoss", "20")),
    Case("classifier-no-scale", _made(head="cosine"), ("CrossEntropyLoss",)),
    Case("classifier-bbn-state", _made(method="bbn", loss=RecallLoss), ("RecallLoss",)),
    Case("classifier-other-method", _other_method, ("`model.method` sdn", "plain")),
    Case("classifier-watched", _made(watched=["cat"]), ("'cat'",)),
    Case("classifier-network", _made(network="vgg16"), ("'resnet50'", "'vgg16'")),
    Case("classifier-network-channels", _made(network="resnet18"), ("resnet18", "have 1;")),
    Case("classifier-network-options", _made(options={"depth": 3}), ("'depth'", "width")),
    Case(
        "classifier-method-options",
        _made(method_options={"tau": 3}),
        ("plain", "'tau'", "feature_loss, feature_options, feature_weight"),
    ),
    Case(
        "classifier-option-kind",
        _made(method_options={"feature_weight": "much"}),
        ("plain", "`feature_weight`", "'much'"),
    ),
    Case("classifier-option-whole", _range(pairs=1.5)),
    Case("classifier-option-range", _range(intra_weight=-1), ("`intra_weight`", "-1")),
    Case(
        "classifier-option-map",
        _made(method_options={"feature_loss": "range", "feature_options": [1]}),
        ("range", "[1]"),
    ),
    Case(
        "classifier-feature-options",
        _made(method_options={"feature_options": {"pairs": 1}}),
        ("{'pairs': 1}", "range"),
    ),
    Case("classifier-network-stride", _made(options={"stride": 0}), ("got 0",)),
    Case(
        "classifier-started-otherwise",
        _started_otherwise,
        (FIRST, "--trainer.max_epochs 400, now", "is --trainer.max_epochs 6 --trainer.nope 3"),
    ),
    Case("classifier-second-stage-option", _second_stage_option, ("crt", "'nope'")),
    Case(
        "classifier-methods",
        lambda world: compare(["--methods", "all,foo", "--runs", str(world.tmp)]),
        ("'foo'",),
    ),
    Case("classifier-power", _power, ("1000", "9 images")),
    Case("classifier-one-order", _step("bbn", "image"), ("BBN",)),
    Case("classifier-two-orders", _step("plain", "image", "image2"), ("Plain",)),
    Case("classifier-own-data", _no_data_section, ("mine.yaml",)),
    Case(
        "classifier-name", lambda world: bool(layers("digits_lt", "sdm", "ce")) - 1, ("sdm", "sdn")
    ),
    Case("classifier-seeds", lambda world: compare(["--seeds", "-1"]), ("'-1'",)),
    Case("classifier-used-as-network", _used_as_network, ("last.ckpt",)),
]
