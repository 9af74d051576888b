"""Commands that look at runs: runs, options and accounts that are not there."""

import shutil
from importlib import import_module

from lit_seg.export import formats, parity
from lit_seg.inference.exported import load_exported
from tests.bad_input.case import Case, World


def _command(name: str, *args: str):
    def provoke(world: World) -> int:
        for variable in ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_PROJECT"):
            world.patch.delenv(variable, raising=False)
        world.patch.setenv("HOME", str(world.tmp))
        shutil.copytree(world.stopped, world.tmp / "run")
        (world.tmp / "empty").mkdir()
        world.patch.chdir(world.tmp)
        code: int = import_module(f"lit_seg.cli.commands.{name}").main(args)
        return code

    return provoke


def _unfinished(world: World) -> int:
    (world.stopped / "summary.json").rename(world.tmp / "summary.json")
    try:
        return _command("report", "run", "--out", "out")(world)
    finally:
        (world.tmp / "summary.json").rename(world.stopped / "summary.json")


def _empty_summary(world: World) -> int:
    (world.stopped / "summary.json").rename(world.tmp / "summary.json")
    (world.stopped / "summary.json").write_text("")
    try:
        return _command("report", "run", "--out", "out")(world)
    finally:
        (world.tmp / "summary.json").rename(world.stopped / "summary.json")


def _damaged(name: str, file: str, content: str = "step\n\x00,"):
    def provoke(world: World) -> int:
        folder = world.copy()
        (folder / file).write_text(content)
        return _command(name, str(folder))(world)

    return provoke


def _export_without_packages(world: World) -> int:
    world.patch.setattr(formats, "find_spec", lambda name: None)
    return _command("export", "run", "--format", "onnx")(world)


def _export_without_pictures(world: World) -> int:
    shutil.rmtree((folder := world.copy()) / "pictures")
    return _command("export", str(folder))(world)


def _export_that_differs(world: World) -> int:
    world.patch.setattr(parity, "TOLERANCE", -1)
    return _command("export", "run", "--format", "smp")(world)


def _load_damaged(world: World) -> int:
    (world.tmp / "model.pt2").write_text("PK")
    load_exported(world.tmp / "model.pt2")
    return 0


def _compare(*args: str, options: str | None = None):
    def provoke(world: World) -> int:
        run = world.tmp / "runs/streets/unet_resnet18/ce/seed0"
        run.mkdir(parents=True)
        if options is not None:
            (run / "compare.json").write_text(options)
        return _command("compare", "--losses", "ce", "--seeds", "0", *args)(world)

    return provoke


CASES = [
    Case("report-nowhere", _command("report", "gone", "--out", "out"), ("gone",)),
    Case("report-no-run", _command("report", "empty", "--out", "out"), ("empty",)),
    Case("report-not-finished", _unfinished),
    Case("report-summary", _empty_summary, ("summary.json",)),
    Case("report-no-out", _command("report", "run")),
    Case(
        "report-baseline",
        _command("report", "run", "--out", "out", "--baseline", "nosuch"),
        ("'nosuch'", "recall"),
    ),
    Case("report-out-empty", _command("report", "run", "--out", ""), ("'--out' ''",)),
    Case("report-out-a-file", _command("report", "run", "--out", "run/config.yaml")),
    Case("diagnose-nowhere", _command("diagnose", "gone"), ("gone",)),
    Case("diagnose-no-run", _command("diagnose", "empty"), ("empty",)),
    Case("diagnose-damaged", _damaged("diagnose", "val_images.csv"), ("val_images.csv",)),
    Case(
        "diagnose-name-long",
        _damaged("diagnose", "classes.csv", f"step,stat,class,value\n0,iou,{'x' * 301},1\n"),
        ("classes.csv",),
    ),
    Case("diagnose-step", _damaged("diagnose", "metrics.csv", "step\n-1\n"), ("metrics.csv",)),
    Case("diagnose-itself", _command("diagnose", "run", "--against", "empty/../run"), ("run",)),
    Case("diagnose-class", _command("diagnose", "run", "--classes", "Road"), ("Road", "road")),
    Case("export-nowhere", _command("export", "gone"), ("gone",)),
    Case("export-no-run", _command("export", "empty"), ("empty",)),
    Case("export-format", _command("export", "run", "--format", "tflite"), ("'tflite'", "onnx")),
    Case("export-packages", _export_without_packages, ("onnx, onnxscript, onnxruntime",)),
    Case("export-no-pictures", _export_without_pictures, ("copy",)),
    Case("export-check", _command("export", "run", "--check", "run/config.yaml"), ("config.yaml",)),
    Case("export-out-taken", _command("export", "run", "--out", "run"), ("run",)),
    Case("export-resize-smp", _command("export", "run", "--format", "smp", "--resize")),
    Case("export-differs", _export_that_differs, ("model.safetensors", "96x128")),
    Case("load-export-damaged", _load_damaged, ("model.pt2",)),
    Case("dashboard-no-key", _command("dashboard", "--entity", "me")),
    Case("dashboard-no-entity", _command("dashboard")),
    Case("dashboard-names", _command("dashboard", "--entity", "me/mine"), ("me/mine",)),
    Case("compare-loss", _compare("--losses", "recal"), ("LOSS=recal", "'recall'")),
    Case("compare-out-a-file", _compare("--out", "run/config.yaml"), ("run/config.yaml",)),
    Case("compare-jobs", _compare("--jobs", "0"), ("0",)),
    Case("compare-seeds", _compare("--seeds", "0", "4294967296"), ("'4294967296'",)),
    Case(
        "compare-options",
        _compare(options='["--seed_everything", "0", "--trainer.max_epochs", "2"]'),
        ("--trainer.max_epochs 2", "loss/ce.yaml"),
    ),
]
