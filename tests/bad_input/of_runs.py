"""Checkpoints and run folders that cannot be gone on from, scored or written."""

import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch

from lit_seg.data import CamVid
from lit_seg.runs import layout as runs
from tests.bad_input.case import Case, World
from tests.conftest import layers

LAST = "checkpoints/last.ckpt"


class _Payload:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def _last(change: Callable[[Path, World], object], *more: str):
    """Go on from a run whose last checkpoint was changed."""

    def provoke(world: World) -> int:
        folder = world.copy()
        change(folder / LAST, world)
        return world.resume(folder, *more)

    return provoke


def _content(change: Callable[[dict], object], *more: str):
    def rewrite(path: Path, world: World) -> None:
        content = torch.load(path, weights_only=True)
        torch.save(change(content), path)

    return _last(rewrite, *more)


def _folder(change: Callable[[Path], object], *more: str):
    def provoke(world: World) -> int:
        folder = world.copy()
        change(folder)
        return world.resume(folder, *more)

    return provoke


def _resumed(*more: str):
    return _folder(lambda folder: None, *more)


def _half(path: Path, world: World) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _code(write: Callable[[object, Path], object]):
    """A checkpoint with a payload; that it has not run is the point."""

    def provoke(world: World) -> int:
        proof = world.tmp / "it ran"
        folder = world.copy()
        write({"state_dict": _Payload(proof)}, folder / LAST)
        code = world.resume(folder)
        assert not proof.exists()
        return code

    return provoke


def _init(content: object):
    def provoke(world: World) -> int:
        path = world.tmp / "weights.pt"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        return world.fit("--model.init", str(path))

    return provoke


def _foreign(content: dict) -> dict:
    """As another project's Lightning would write it."""
    return {**content, "state_dict": {"net.weight": torch.zeros(2)}, "hyper_parameters": {}}


def _numbers_for_names(content: dict) -> dict:
    content["hyper_parameters"]["class_names"] = [1, 2]
    return content


def _without_position(content: dict) -> dict:
    del content["position"]
    return content


def _other_shape(content: dict) -> dict:
    content["optimizer_states"][0]["state"][0]["exp_avg"] = torch.zeros(2)
    return content


def _itself(content: dict) -> dict:
    content["hyper_parameters"]["me"] = content["hyper_parameters"]
    return content


def _expanded(content: dict) -> dict:
    content["state_dict"]["loss.x"] = torch.zeros(1).expand(2**40)
    return content


def _few_steps(content: dict) -> dict:
    for state in content["optimizer_states"][0]["state"].values():
        state["step"] = torch.tensor(1.0)
    return content


def _half_precision(content: dict) -> dict:
    state = content["optimizer_states"][0]["state"][0]
    state["exp_avg"] = state["exp_avg"].half()
    return content


def _high_score(content: dict) -> dict:
    content["callbacks"]["BestCheckpoint"]["best_score"] = 5.0
    return content


def _sparse(content: dict) -> dict:
    name = "network.segmentation_head.0.weight"
    content["state_dict"][name] = content["state_dict"][name].to_sparse()
    return content


def _folder_for_file(folder: Path) -> None:
    (folder / "summary.json").unlink()
    (folder / "summary.json").mkdir()


def _link(place: Path) -> None:
    """Let a folder of a run lead to one that lies elsewhere."""
    other = place.parents[1] / "other"
    other.mkdir()
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(other)


def _link_of_evaluations(world: World) -> int:
    folder = world.copy()
    _link(folder / "evaluation" / "val")
    return world.main(["validate", str(folder)])


def _in_use(world: World) -> int:
    """Held by another process, for as long as this one asks."""
    folder = world.copy()
    program = (
        "import sys; from pathlib import Path; from lit_seg.runs.layout import hold_run\n"
        "with hold_run(Path(sys.argv[1])): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        return world.resume(folder)


def _file_in_the_way(world: World) -> int:
    (world.tmp / "file").write_text("")
    return world.fit("--run_dir", str(world.tmp / "file" / "seed0"))


def _unwritable(world: World) -> int:
    """Root may write anywhere, so the answer is made up."""
    world.patch.setattr(runs, "os", SimpleNamespace(access=lambda path, mode: False, W_OK=os.W_OK))
    return world.fit()


def _disk_full(world: World) -> int:
    """Files may not grow beyond 100 kB here: not even the first checkpoint can be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        return world.fit(steps="4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _without_configuration(world: World) -> int:
    folder = world.copy()
    (folder / "config.yaml").unlink()
    return world.resume(folder)


def _validate_without(world: World) -> int:
    return world.main(["validate", *layers()])


def _weights_only(world: World) -> int:
    checkpoint = ("--ckpt_path", str(world.stopped / LAST))
    return world.fit(*checkpoint, "--weights_only", "false")


def _damaged_strength(world: World) -> int:
    folder = world.copy()
    (folder / "posthoc.json").write_text('{"schema": 1, "tau": -1}')
    return world.main(["validate", str(folder)])


def _other_data(world: World) -> int:
    """The lists of training and validation change their places."""
    assert world.on_camvid() == 0
    lists = [world.camvid / name for name in ("train.txt", "val.txt")]
    kept = [path.read_text() for path in lists]
    world.patch.setattr(CamVid, "card", replace(CamVid.card, images={}))
    for path, text in zip(lists, reversed(kept), strict=True):
        path.write_text(text)
    try:
        return world.resume(world.tmp / "run", "--trainer.max_steps", "2")
    finally:
        for path, text in zip(lists, kept, strict=True):
            path.write_text(text)


CASES = [
    Case("resume-nothing", lambda w: w.main(["fit", "--resume"])),
    Case(
        "resume-missing", lambda w: w.main(["fit", "--resume", str(w.tmp / "nosuch")]), ("nosuch",)
    ),
    Case("resume-no-run", lambda w: w.main(["fit", "--resume", str(w.tmp)])),
    Case(
        "resume-no-checkpoint",
        _folder(lambda f: shutil.rmtree(f / "checkpoints")),
        ("copy/checkpoints",),
    ),
    Case("resume-no-configuration", _without_configuration, ("copy",)),
    Case(
        "resume-configuration-broken",
        _folder(lambda f: (f / "config.yaml").write_text("a: [")),
        ("copy/config.yaml", "line "),
    ),
    Case(
        "resume-configuration-empty",
        _folder(lambda f: (f / "config.yaml").write_text("")),
        ("copy/config.yaml",),
    ),
    Case(
        "resume-shorter",
        _resumed("--trainer.max_epochs", "0", "--trainer.max_steps", "-1"),
        ("done 1", "is 0"),
    ),
    Case("resume-shorter-steps", _resumed("--trainer.max_steps", "2"), ("done 4", "is 2")),
    Case("resume-no-file", _folder(_folder_for_file), ("copy/summary.json",)),
    Case(
        "resume-csv",
        _folder(lambda f: (f / "metrics.csv").write_text("epoch,step,val/miou\nx,0,1\n")),
        ("copy/metrics.csv", "'x'"),
    ),
    Case("resume-elsewhere", _resumed("--run_dir", "other"), ("--run_dir other", "copy")),
    Case(
        "resume-lock",
        _folder(lambda f: (f / ".fit.lock").symlink_to("nowhere")),
        ("copy/.fit.lock",),
    ),
    Case("resume-link", _folder(lambda f: _link(f / "wandb")), ("copy/wandb",)),
    Case("validate-link", _link_of_evaluations, ("copy/evaluation/val",)),
    Case("resume-in-use", _in_use, ("copy", "process ")),
    Case(
        "resume-other-optimizer", _resumed("--model.optimizer", "torch.optim.SGD"), ("AdamW", "SGD")
    ),
    Case(
        "resume-encoder-lr-factor",
        _resumed("--model.encoder_lr_factor", "0.1"),
        ("was 1.0", "now 0.1"),
    ),
    Case("checkpoint-damaged", _content(lambda c: {**c, "loops": {}}), ("last.ckpt", "fit_loop")),
    Case("checkpoint-field", _content(lambda c: {**c, "global_step": -1}), ("last.ckpt", "-1")),
    Case("checkpoint-names", _content(_numbers_for_names), ("last.ckpt", "[1, 2]")),
    Case("checkpoint-tensor", _content(_sparse), ("network.", "(12, 8, 3, 3)")),
    Case("checkpoint-schedule", _content(lambda c: {**c, "lr_schedulers": [{}]})),
    Case(
        "checkpoint-counts-differ",
        _content(lambda c: {**c, "global_step": 3}),
        ("last.ckpt", "is 3", "counter 4"),
    ),
    Case("checkpoint-itself", _content(_itself), ("last.ckpt",)),
    Case("checkpoint-expanded", _content(_expanded), ("last.ckpt", "loss.x")),
    Case("checkpoint-steps", _content(_few_steps), ("last.ckpt", "1 of 4")),
    Case("checkpoint-half", _content(_half_precision), ("last.ckpt",)),
    Case("checkpoint-best-score", _content(_high_score, "--trainer.max_epochs", "2"), ("5.0",)),
    Case("checkpoint-no-position", _content(_without_position), ("last.ckpt",)),
    Case("checkpoint-no-optimizer", _content(lambda c: {**c, "optimizer_states": []}), ("0", "1")),
    Case(
        "checkpoint-optimizer",
        _content(_other_shape, "--trainer.max_epochs", "2"),
        ("exp_avg",),
    ),
    Case("checkpoint-truncated", _last(_half), ("last.ckpt", "best.ckpt")),
    Case(
        "checkpoint-empty", _last(lambda path, w: path.write_bytes(b"")), ("last.ckpt", "best.ckpt")
    ),
    Case(
        "checkpoint-no-checkpoint",
        _last(lambda path, w: path.write_bytes(b"hello")),
        ("last.ckpt", "best.ckpt"),
    ),
    Case("checkpoint-code", _code(torch.save), ("last.ckpt", "mkdir")),
    Case(
        "checkpoint-pickle",
        _code(lambda c, path: path.write_bytes(pickle.dumps(c))),
        ("last.ckpt",),
    ),
    Case("checkpoint-no-dict", _content(lambda c: [1]), ("last.ckpt",)),
    Case(
        "checkpoint-weights-alone",
        _content(lambda c: {"state_dict": c["state_dict"]}),
        ("last.ckpt", "optimizer_states"),
    ),
    Case("checkpoint-foreign", _content(_foreign)),
    Case(
        "checkpoint-other-classes",
        _resumed("--data.init_args.void", "train"),
        ("traffic_light, void",),
    ),
    Case(
        "checkpoint-other-network",
        _resumed("--model.options", "{decoder_channels: [4,4,4,4,4]}"),
        ("network.decoder",),
    ),
    Case("checkpoint-other-loss", _resumed(*layers("ce")[-2:]), ("loss.state.value",)),
    Case(
        "checkpoint-url",
        lambda w: w.fit("--ckpt_path", "https://example.com/x.ckpt"),
        ("example.com/x.ckpt",),
    ),
    Case("checkpoint-unsafe", _weights_only),
    Case("validate-nothing", lambda w: w.main(["validate"])),
    Case("validate-no-checkpoint", _validate_without),
    Case("validate-tau", lambda w: w.main(["validate", str(w.stopped), "--tau=-1"]), ("-1",)),
    Case(
        "validate-stride",
        lambda w: w.main(["validate", str(w.stopped), "--views.stride", "[8,8]"]),
    ),
    Case(
        "validate-no-image",
        lambda w: w.main(["validate", str(w.stopped), "--trainer.limit_val_batches", "0"]),
    ),
    Case("validate-posthoc", _damaged_strength, ("copy/posthoc.json", "tau is -1")),
    Case("test-chooses-tau", lambda w: w.main(["test", str(w.stopped), "--tau_sweep", "true"])),
    Case("resume-changed-data", _other_data, ("train and val", "camvid")),
    Case("init-missing", lambda w: w.fit("--model.init", "nosuch.pt"), ("nosuch.pt",)),
    Case("init-no-weights", _init(b"hello"), ("weights.pt",)),
    Case("init-fits-nowhere", _init({"a.b": torch.zeros(3)}), ("weights.pt",)),
    Case(
        "init-not-finite",
        _init({"encoder.model.stem.conv.weight": torch.full((24, 3, 3, 3), torch.nan)}),
        ("encoder.model.stem.conv.weight", "weights.pt", "1 tensors"),
    ),
    Case("folder-empty", lambda w: w.fit("--run_dir", "")),
    Case("folder-address", lambda w: w.fit("--run_dir", "s3://b/x"), ("s3://b/x",)),
    Case("folder-below-file", _file_in_the_way, ("file/seed0",)),
    Case("disk-full", _disk_full, ("checkpoints/",)),
    Case("folder-unwritable", _unwritable, ("run", "cannot be written")),
    Case("folder-cannot-be-made", lambda w: w.fit("--run_dir", str(w.tmp / ("a" * 300))), ("aaa",)),
    Case("folder-name", lambda w: w.fit("--run_dir", os.fsdecode(b"caf\xe9")), ("caf",)),
]
