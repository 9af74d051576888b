"""Options and configuration files with what they must not hold."""

import json
import os
import sys
from collections.abc import Callable
from threading import Timer
from typing import Any

import torch
from torch._inductor.exc import InductorError, InvalidCxxCompiler
from torch.optim import LBFGS, SparseAdam

from lit_seg.__main__ import main
from lit_seg.data.dataset import check_batch
from lit_seg.losses import SoftDiceLoss
from lit_seg.losses.own_weights import own_weights
from lit_seg.models.build import build_network
from lit_seg.ops import compiled
from lit_seg.tasks import LitSegmenter
from tests.bad_input.case import Case, SaidError, World
from tests.test_makefile import make


def _option(*more: str):
    return lambda world: world.fit(*more)


def _file(text: str | bytes):
    return lambda world: world.fit("--config", world.config(text))


def _data(name: str, value: str):
    return _option(f"--data.init_args.{name}", value)


def _command(*args: str):
    def provoke(world: World) -> int:
        world.patch.setattr(sys, "argv", ["lit_seg", *args])
        return main()

    return provoke


def _make(*args: str):
    def provoke(world: World) -> int:
        done = make(*args)
        assert done.returncode == 2
        raise SaidError(done.stderr.strip())

    return provoke


def _schedule(name: str, **arguments: object) -> tuple[str, ...]:
    given = {"class_path": f"torch.optim.lr_scheduler.{name}", "init_args": arguments}
    return ("--model.lr_scheduler", json.dumps(given), "--trainer.max_steps", "4")


def _names_a_pipe(world: World) -> int:
    pipe = world.tmp / "a_pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    end = Timer(9, os.close, [writer])  # who reads it would wait no longer
    end.start()
    try:
        return world.fit("--config", world.config(f"model: {{loss: {pipe}}}\n"))
    finally:
        end.cancel()


def _doubled(lines: int) -> str:
    return "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, lines))


def _made(**options: Any) -> Any:
    """The module without the command line."""
    small = {"encoder_depth": 3, "decoder_channels": [8, 8, 8], **options.pop("options", {})}
    return LitSegmenter([1, 1], encoder="tu-test_byobnet", options=small, **options)


def _not_compiled(error: Exception) -> Callable[[World], int]:
    def provoke(world: World) -> int:
        def refuse(*_: object) -> None:  # as torch does, after seconds
            raise InductorError(error, None)

        world.patch.setattr(torch, "compile", lambda *_, **__: refuse)
        compiled._compiled.cache_clear()
        return world.fit("--model.loss_backend", "compiled")

    return provoke


def _fpn() -> LitSegmenter:
    return LitSegmenter([1, 1], architecture="fpn", options={"upsampling": 8}).eval()


PAN = (
    *("--model.architecture", "pan", "--model.options", "{}", "--data.init_args.batch_size", "1"),
    *("--data.init_args.height", "16", "--data.init_args.width", "16"),
)
ENDLESS = ("--trainer.max_steps", "-1", "--trainer.max_epochs", "-1")
SWA = (
    "[{class_path: pytorch_lightning.callbacks.StochasticWeightAveraging, "
    "init_args: {swa_lrs: 0.1}}]"
)
STOPPING = "[{class_path: EarlyStopping, init_args: {monitor: val/loss, mode: largest}}]"
FINDER = "[{class_path: pytorch_lightning.callbacks.LearningRateFinder}]"
WARM_UP = ("--model.lr_scheduler", "WarmUpLR", "--model.lr_scheduler.warm_up", "1500")
CHECKED = ("--trainer.num_sanity_val_steps", "1")
TIMED = (*ENDLESS, "--trainer.max_time", "00:00:00:05")

CASES = [
    Case("make-loss-unknown", _make("train", "LOSS=nosuch"), ("LOSS=nosuch", "recall")),
    Case("make-data-unknown", _make("train", "DATA=nosuch"), ("DATA=nosuch", "camvid")),
    Case("make-model-unknown", _make("train", "MODEL=nosuch"), ("MODEL=nosuch", "unet_resnet18")),
    Case("make-recipe-unknown", _make("train", "RECIPE=nosuch"), ("RECIPE=nosuch", "pat_nyuv2")),
    Case("make-recipe-other", _make("train", "DATA=camvid", "RECIPE=pat_nyuv2"), ("pat_nyuv2",)),
    Case("make-resume-with-loss", _make("train", "RESUME=runs/x", "LOSS=ce")),
    Case("make-without-ckpt", _make("validate")),
    Case("make-losses", _make("compare", "TASK=classification", "LOSSES=ce")),
    Case("command-unknown", _command("repot"), ("repot", "'report'")),
    Case("data-not-given", lambda w: w.main(["fit"])),
    Case("option-unknown", _option("--trainer.epochs", "3"), ("--trainer.epochs",)),
    Case("option-cut-short", _option("--seed_ever", "3"), ("--seed_ever", "'--seed_everything'")),
    Case("option-other-word", _option("--lr", "1"), ("--lr", "--model.optimizer.init_args.lr")),
    Case(
        "option-of-optimizer-type",
        _option("--model.optimizer", "Adam", "--model.optimizer.lr", "fast"),
        ("fast",),
    ),
    Case(
        "option-of-optimizer-word",
        lambda world: world.fit("--model.optimizer.learning_rate", "0.1"),
        ("learning_rate", "mean 'lr'?", "AdamW"),
    ),
    Case(
        "option-of-callback",
        lambda world: world.fit("--trainer.callbacks", STOPPING),
        ("largest",),
    ),
    Case(
        "option-list",
        lambda world: world.fit("--trainer.gradient_clip_val", "[1, 2]"),
        ("[1, 2]",),
    ),
    Case("option-of-loss-misspelt", _option("--model.loss.momentumm", "0.5"), ("momentumm",)),
    Case("option-type", _option("--trainer.max_steps", "many"), ("many",)),
    Case("option-of-loss-type", _option("--model.loss.momentum", "high"), ("high",)),
    Case("option-of-class-missing", _option("--trainer.callbacks", "EarlyStopping")),
    Case("option-choice", _data("void", "keep"), ("keep",)),
    Case("class-loss-unknown", _option("--model.loss", "RecalLoss"), ("RecalLoss",)),
    Case("class-logger-unknown", _option("--trainer.logger", "wandb"), ("wandb", "WandbLogger")),
    Case(
        "class-path-unknown",
        _option("--trainer.callbacks", "[{class_path: pytorch_lightning.callbacks.EarlyStoping}]"),
        ("callbacks.EarlyStoping", "'EarlyStopping'"),
    ),
    Case("class-data-unknown", _option("--data", "CamVidd"), ("CamVidd",)),
    Case(
        "class-package-missing", _option("--model.loss", "nosuch_package.Loss"), ("nosuch_package",)
    ),
    Case("class-of-another-kind", _option("--model.loss", "lit_seg.data.CamVid"), ("CamVid",)),
    Case("file-missing", _option("--config", "nosuch.yaml"), ("nosuch.yaml",)),
    Case("file-folder", lambda w: w.fit("--config", str(w.tmp))),
    Case("file-syntax", _file("trainer: [1,\n"), ("mine.yaml", "line 2")),
    Case("file-no-text", _file(b"\xff\xfe\x00"), ("mine.yaml", "0xff")),
    Case(
        "file-python-tag",
        _file("seed_everything: !!python/object/apply:os.getpid []\n"),
        ("mine.yaml", "os.getpid"),
    ),
    Case("file-no-mapping", _file("hello\n"), ("mine.yaml", "hello")),
    Case("file-option-unknown", _file("trainer: {zzz: 3}\n"), ("trainer.zzz",)),
    Case(
        "file-foreign-code",
        _file("model: {loss: {class_path: their_code.Loss}}\n"),
        ("mine.yaml", "their_code.Loss", "--trust their_code"),
    ),
    Case(
        "file-aliases",
        _file("a0: &a0 [1, 1]\n" + _doubled(20)),
        ("mine.yaml", "100000"),
    ),
    Case("file-in-itself", _file("a: &a {b: *a}\n"), ("mine.yaml",)),
    Case("file-nested", _file("a: " + "[" * 100_000), ("mine.yaml", "50")),
    Case("file-number", _file("a: " + "9" * 5000), ("mine.yaml", "5000")),
    Case("file-pipe", _option("--config", "/dev/null"), ("/dev/null",)),
    Case("file-pipe-within", _names_a_pipe, ("a_pipe",)),
    Case("file-within", _file("config: {a: b}\n"), ("mine.yaml",)),
    Case("file-names", _file("1: 2\n"), ("mine.yaml", "1")),
    Case("file-section", _file("trainer: null\n"), ("trainer", "None")),
    Case(
        "file-reaches-out",
        _file(
            "trainer: {logger: {class_path: WandbLogger, init_args: {settings: {base_url: "
            "'http://elsewhere'}}}}\n"
        ),
        ("trainer.logger.settings", "elsewhere", "--trust pytorch_lightning.loggers.wandb"),
    ),
    Case("trust-nothing", _option("--trust")),
    Case("value-momentum", _option("--model.loss.momentum", "1.2"), ("1.2",)),
    Case(
        "value-gamma",
        _option("--model.loss", "FocalLoss", "--model.loss.gamma", "1e37"),
        ("1e+37",),
    ),
    Case(
        "value-weights-crossed",
        _option("--model.loss.min_weight", ".8", "--model.loss.max_weight", ".5"),
        ("0.8", "0.5"),
    ),
    Case("value-scale", _data("scale", "[0.75, 0.5]"), ("0.5",)),
    Case("value-flip", _data("flip", "2"), ("2.0",)),
    Case("value-batch-size", _data("batch_size", "0"), ("0",)),
    Case("value-num-workers", _data("num_workers", "-1"), ("-1",)),
    Case("value-height", _data("height", "-64"), ("-64",)),
    Case("value-learning-rate", _option("--model.optimizer.init_args.lr", "-1"), ("-1.0",)),
    Case("value-every-n-steps", _option("--class_dynamics.every_n_steps", "0"), ("0",)),
    Case("value-num-images", _option("--validation_report.num_images", "-1"), ("-1",)),
    Case("value-seed", _option("--seed_everything", "-1"), ("-1",)),
    Case("value-clip", _option("--trainer.gradient_clip_val", ".nan"), ("nan",)),
    Case("value-accumulate", _option("--trainer.accumulate_grad_batches", "0")),
    Case("value-check-val", _option("--trainer.check_val_every_n_epoch", "0")),
    Case(
        "value-val-check-interval", _option("--trainer.val_check_interval", "1000"), ("1000", "(4)")
    ),
    Case(
        "value-val-check-never",
        lambda world: world.fit("--trainer.val_check_interval", "0"),
        ("`trainer.val_check_interval`",),
    ),
    Case("value-limit-batches", _option("--trainer.limit_train_batches", "7.5"), ("7.5",)),
    Case("value-max-epochs", _option("--trainer.max_epochs", "-5"), ("-5",)),
    Case(
        "value-time-mapping",
        _option("--trainer.val_check_interval", "{hour: 1}"),
        ("val_check_interval", "hour"),
    ),
    Case("value-max-time", _option("--trainer.max_time", "soon"), ("soon",)),
    Case("value-nothing", _option("--trainer.limit_train_batches", "0"), ("limit_train_batches",)),
    Case("value-no-step", _option("--trainer.max_time", "00:00:00:00"), ("run",)),
    Case("value-overfit", _option("--trainer.overfit_batches", "1")),
    Case("value-reload", _option("--trainer.reload_dataloaders_every_n_epochs", "2"), ("2",)),
    Case(
        "value-monitor",
        _option("--best_checkpoint.monitor", "val/nosuch", "--trainer.max_steps", "4"),
        ("val/nosuch", "val/miou"),
    ),
    Case("value-class-counts", _file("model: {class_counts: [5, 2]}\n"), ("[5, 2]",)),
    Case("optimizer-bypass", _option("--optimizer", "SGD")),
    Case("schedule-endless", _option(*TIMED)),
    Case("model-architecture", _option("--model.architecture", "unett"), ("unett", "unetplusplus")),
    Case("model-encoder", _option("--model.encoder", "resnet19"), ("resnet19", "resnet18")),
    Case(
        "model-encoder-needless",
        lambda w: build_network("pat_unet", "vgg11", 2, {}),
        ("pat_unet", "vgg11"),
    ),
    Case(
        "model-weights-needless",
        lambda w: LitSegmenter([1, 1], architecture="segnet", weights="imagenet"),
        ("segnet", "imagenet"),
    ),
    Case("model-width", lambda w: build_network("pat_unet", None, 2, {"width": 0}), ("got 0",)),
    Case("model-options", _option("--model.options", "{nosuch: 1}"), ("nosuch",)),
    Case(
        "model-options-misspelt",
        lambda w: _made(options={"decoder_chanels": 8}),
        ("decoder_chanels", "tu-test_byobnet", "decoder_channels"),
    ),
    Case(
        "model-in-and-out",
        lambda w: _made(options={"activation": "softmax"}),
        ("activation", "softmax", "logits"),
    ),
    Case(
        "model-weights",
        _option("--model.encoder", "resnet18", "--model.weights", "imgnet"),
        ("imgnet", "imagenet"),
    ),
    Case("model-compile", _option("--model.compile", "nosuch"), ("nosuch", "inductor")),
    Case(
        "model-loss-compiler",
        _not_compiled(InvalidCxxCompiler()),
        ("No working C++ compiler",),
    ),
    Case(
        "model-loss-disk-full",
        _not_compiled(OSError(28, "No space left on device")),
        ("No space left on device",),
    ),
    Case("model-size", _option(*PAN), ("PAN", "16x16")),
    Case(
        "model-logits-size",
        lambda w: len(_fpn()(torch.zeros(1, 3, 32, 32).byte())),
        ("FPN", "64x64", "32x32", "0.5"),
    ),
    Case(
        "model-image-shape",
        lambda w: len(_made()(torch.zeros(1, 32, 32, 3).byte())),
        ("(1, 32, 32, 3)", "image.movedim(-1, 1)", "image[None]"),
    ),
    Case("model-image-floats", lambda w: len(_made()(torch.zeros(1, 3, 32, 32))), ("float32",)),
    Case("model-batch-pair", lambda w: check_batch((), ("image", "target")), ("tuple",)),
    Case(
        "model-encoder-address",
        lambda w: w.fit("--model.encoder", "tu-hf-hub:x/y"),
        ("hf-hub:x/y",),
    ),
    Case(
        "model-scheduler",
        lambda w: w.fit("--model.lr_scheduler", "torch.optim.lr_scheduler.ExponentialLR"),
        ("ExponentialLR", "gamma"),
    ),
    Case(
        "model-class-weights-name",
        _option("--model.class_weights", "{cra: 4}"),
        ("cra", "car"),
    ),
    Case("model-class-weights-number", lambda w: len(own_weights([1], ["a", "b"])), ("2", "1")),
    Case("model-class-weights-value", lambda w: len(own_weights({"a": -1}, ["a"])), ("a", "-1")),
    Case(
        "model-class-weights-loss",
        lambda w: _made(class_weights=[1, 4], loss=SoftDiceLoss),
        ("SoftDiceLoss",),
    ),
    Case("model-frozen-random", lambda w: _made(encoder_lr_factor=0)),
    Case(
        "model-optimizer",
        lambda w: len(_made(optimizer=LBFGS).configure_optimizers()),
        ("LBFGS", "passes"),
    ),
    Case(
        "model-optimizer-sparse",
        lambda w: len(_made(optimizer=SparseAdam).configure_optimizers()),
        ("SparseAdam", "sparse"),
    ),
    Case(
        "model-options-file",
        _option("--model.options", "{checkpoint_path: x}"),
        ("checkpoint_path",),
    ),
    Case("option-of-a-library", _option("--model.optimizer.init_args.lr", "null"), ("lr=None",)),
    Case("trainer-registry", lambda w: w.fit("--trainer.model_registry", "a/b"), ("a/b",)),
    Case("trainer-barebones", lambda w: w.fit("--trainer.barebones", "true")),
    Case("trainer-swa", _option("--trainer.callbacks", SWA)),
    Case("trainer-callback", _option("--trainer.callbacks", FINDER), ("LearningRateFinder",)),
    Case("schedule-short", _option(*_schedule("OneCycleLR", max_lr=1, total_steps=3)), ("3", "4")),
    Case("schedule-warm-up", _option(*WARM_UP), ("1500",)),
    Case(
        "schedule-of-code",
        lambda world: world.fit("--model.lr_scheduler", "SequentialLR"),
        ("SequentialLR",),
    ),
    Case(
        "schedule-argument",
        lambda world: world.fit("--model.lr_scheduler", "CyclicLR"),
        ("base_lr", "max_lr"),
    ),
    Case(
        "schedule-mode",
        # by its short name, which a class of Lightning has too
        _option("--model.lr_scheduler", "ReduceLROnPlateau", "--model.lr_scheduler.mode", "max"),
        ("val/loss",),
    ),
    Case(
        "schedule-monitor",
        _option(*_schedule("ReduceLROnPlateau"), "--model.lr_monitor", "val/los/ce", *CHECKED),
        ("val/los/ce", "val/miou"),
    ),
    Case(
        "schedule-no-score",
        _option(*_schedule("ReduceLROnPlateau"), "--trainer.limit_val_batches", "0"),
    ),
]
