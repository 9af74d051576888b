"""Many runs by one command: what is missing is trained, whatever stopped it before.

A stand-in takes the place of the training: it counts to five, writes a checkpoint after every
second count, and goes on from there. What it leaves depends on loss, seed and counts alone.
"""

import contextlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from lit_seg.cli.commands.compare import Display, _differing, arguments, planned
from lit_seg.cli.commands.train import fit_arguments
from lit_seg.cli.trainings import Trainings, _gpus
from lit_seg.errors import RunError
from tests.conftest import EXPERIMENTS, TINY

ROOT = Path(__file__).parent.parent
SUMMARY = json.dumps(
    {"schema": 1, "status": "finished", "steps": 5, "epochs": 1, "scores": None}
    | {"options": {}, "cost": {}, "versions": {}}
)
TRAINING = (
    f"SUMMARY = {SUMMARY!r}"
    + """
import json, os, signal, sys, time
from pathlib import Path

command, *args = sys.argv[1:]
log = Path("log.txt")
if command == "report":
    out = Path(args[args.index("--out") + 1])
    out.mkdir(parents=True, exist_ok=True)
    runs = args[:args.index("--out")]
    lines = [f"{run}: {Path(run, 'metrics.csv').read_text()}" for run in runs]
    (out / "report.html").write_text("".join(lines))
    sys.exit()
resumed = "--resume" in args
folder = Path(args[args.index("--resume" if resumed else "--run_dir") + 1])
loss, seed = folder.parent.name, folder.name
with log.open("a") as file:
    print("resumed" if resumed else "new", loss, seed, os.environ["OMP_NUM_THREADS"],
          os.environ.get("CUDA_VISIBLE_DEVICES"), *args[-2:], file=file)
if loss == os.environ.get("FAILING"):
    print("error: data/train: holds no images")
    sys.exit(2)
metrics, checkpoint = folder / "metrics.csv", folder / "checkpoints/last.ckpt"
assert resumed == checkpoint.exists()
assert resumed or not metrics.exists()  # else a real run would take another folder
counts = json.loads(checkpoint.read_text()) if resumed else []
checkpoint.parent.mkdir(exist_ok=True)

def save():
    draft = checkpoint.with_suffix(".draft")
    draft.write_text(json.dumps(counts))
    draft.rename(checkpoint)

def stop(*_):
    save()
    os._exit(143)

signal.signal(signal.SIGTERM, stop)
for count in range(len(counts), 5):
    time.sleep(float(os.environ.get("SECONDS_EACH", 0)))
    counts.append(f"{loss} {seed} {count}")
    metrics.write_text("\\n".join(counts))
    if count % 2:
        save()
save()
(folder / "summary.json").write_text(SUMMARY)
"""
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "lit_seg").mkdir()
    (tmp_path / "lit_seg/__init__.py").touch()
    (tmp_path / "lit_seg/__main__.py").write_text(TRAINING)
    return tmp_path


def start(place: Path, *args: str, **env: str) -> subprocess.Popen[str]:
    # -P: the stand-in takes the place of the trainings alone
    command = [sys.executable, "-P", "-m", "lit_seg", "compare", *args]
    clean = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    return subprocess.Popen(
        command,
        cwd=place,
        env={**clean, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def compare(place: Path, *args: str, **env: str) -> tuple[int, str]:
    with start(place, *args, **env) as process:
        output, _ = process.communicate()
        return process.returncode, output


def kill_all(place: Path) -> None:
    """Kill the trainings that were started in a folder."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            here = (folder / "cwd").resolve() == place
            if here and b"fit" in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)


def log(place: Path) -> list[str]:
    path = place / "log.txt"
    return path.read_text().splitlines() if path.exists() else []


def report(place: Path) -> str:
    return (place / "runs/streets/unet_resnet18/report/report.html").read_text()


def test_all_runs_are_trained_one_seed_after_the_other(place: Path) -> None:
    code, output = compare(place, "--losses", "ce", "pat", "--seeds", "0", "1", "--", "--x", "7")
    assert code == 0, output
    started = [line.split()[:3] for line in log(place)]
    assert started == [["new", loss, f"seed{k}"] for k in (0, 1) for loss in ("ce", "pat")]
    words = json.loads((place / "runs/streets/unet_resnet18/pat/seed1/compare.json").read_text())
    layers = ["base.yaml", "data/streets.yaml", "model/unet_resnet18.yaml", "loss/pat.yaml"]
    assert words == [*layers, "--seed_everything", "1", "--x", "7"]
    assert report(place).count("runs/streets/unet_resnet18/") == 4


def test_what_is_finished_is_left_alone(place: Path) -> None:
    args = ("--losses", "ce", "recall", "--seeds", "0")
    compare(place, *args)
    before, lines = report(place), log(place)
    assert compare(place, *args)[0] == 0
    assert (log(place), report(place)) == (lines, before)
    code, _ = compare(place, "--losses", "ce", "recall", "--seeds", "0", "3")
    assert code == 0
    assert [line.split()[2] for line in log(place)[2:]] == ["seed3", "seed3"]


@pytest.mark.parametrize("content", ["", SUMMARY.replace("finished", "failed")])
def test_a_run_whose_summary_is_damaged_goes_on(place: Path, content: str) -> None:
    compare(place, "--losses", "ce", "--seeds", "0")
    before, lines = report(place), log(place)
    summary = place / "runs/streets/unet_resnet18/ce/seed0/summary.json"
    summary.write_text(content)
    assert compare(place, "--losses", "ce", "--seeds", "0")[0] == 0
    assert len(log(place)) == len(lines) + 1
    assert report(place) == before


def test_a_run_that_fails_does_not_stop_the_rest(place: Path) -> None:
    args = ("--losses", "ce", "ohem", "pat", "--seeds", "0")
    code, output = compare(place, *args, FAILING="ohem")
    assert code == 1
    assert "runs/streets/unet_resnet18/ohem/seed0: failed, see runs/" in output
    assert "error: data/train: holds no images" in output
    assert "the same command goes on with what is not finished" in output
    assert "ohem" not in report(place)
    code, output = compare(place, *args)
    assert code == 0, output
    assert report(place).count("seed0:") == 3


def test_killed_anywhere_it_ends_with_the_same_report(place: Path, tmp_path: Path) -> None:
    args = ("--losses", "ce", "recall", "--seeds", "0", "1", "--jobs", "2")
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    (undisturbed / "lit_seg").symlink_to(place / "lit_seg")
    assert compare(undisturbed, *args)[0] == 0
    chance = random.Random(0)
    for _ in range(5):
        lines = len(log(place))
        process = start(place, *args, SECONDS_EACH="0.1")
        while len(log(place)) == lines and process.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.45))  # of the 0.5 that a run takes
        process.kill()
        process.wait()
        if chance.random() < 0.7:  # and all that it started; else that goes on by itself
            kill_all(place)
    code, output = compare(place, *args)
    assert code == 0, output
    assert any(line.startswith("resumed") for line in log(place))
    assert report(place) == report(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_runs_write_their_checkpoint(place: Path, number: int) -> None:
    process = start(place, "--losses", "ce", "recall", "--seeds", "0", SECONDS_EACH="0.4")
    while not log(place):
        time.sleep(0.05)
    time.sleep(0.6)  # one count is done, the first checkpoint is not due
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "stopping: the runs write their checkpoints" in output
    kept = json.loads(
        (place / "runs/streets/unet_resnet18/ce/seed0/checkpoints/last.ckpt").read_text()
    )
    assert len(kept) >= 1
    assert len(log(place)) == 1  # the second was not started
    assert compare(place, "--losses", "ce", "recall", "--seeds", "0")[0] == 0
    assert [line.split()[:2] for line in log(place)[1:]] == [["resumed", "ce"], ["new", "recall"]]


def test_an_option_that_differs_is_told_though_another_has_its_value() -> None:
    before = ["ce.yaml", "--a", "2", "--b", "1", "--c", "1"]
    assert _differing(before, ["ce.yaml", "--a", "1"]) == "--a 2 --b 1 --c 1"
    assert _differing(["ce.yaml", "--a", "1"], before) == "--a 1"
    assert _differing(["ce.yaml"], before) == "no more than that"


def test_other_options_are_refused(place: Path) -> None:
    compare(place, "--losses", "ce", "--seeds", "0", "--", "--trainer.max_epochs", "2")
    code, output = compare(
        place, "--losses", "ce", "--seeds", "0", "--", "--trainer.max_epochs", "6"
    )
    assert code == 2
    assert "was started with --trainer.max_epochs 2, now it is --trainer.max_epochs 6" in output
    assert "RUNS=<folder>" in output
    code, _ = compare(place, "--losses", "ce", "--seeds", "0", "--runs", "longer", "--", "--x")
    assert code == 0
    assert (place / "longer/streets/unet_resnet18/ce/seed0/summary.json").exists()


def test_what_was_killed_before_its_first_checkpoint_starts_anew(place: Path) -> None:
    run = place / "runs/streets/unet_resnet18/ce/seed0"
    args = ("--losses", "ce", "--seeds", "0")
    compare(place, *args)
    (run / "summary.json").unlink()
    (run / "checkpoints/last.ckpt").unlink()
    (run / "compare.json").write_text("")  # and torn besides
    code, output = compare(place, *args)
    assert code == 0, output
    assert [line.split()[0] for line in log(place)] == ["new", "new"]


def test_a_run_of_somebody_elses_is_left_alone(place: Path) -> None:
    run = place / "runs/streets/unet_resnet18/ce/seed0"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text("theirs")
    code, output = compare(place, "--losses", "ce", "pat", "--seeds", "0")
    assert code == 1
    assert "ce/seed0: holds a run without a checkpoint that was not started here" in output
    assert (run / "metrics.csv").read_text() == "theirs"
    assert [line.split()[1] for line in log(place)] == ["pat"]
    (run / "summary.json").write_text(SUMMARY)
    code, output = compare(place, "--losses", "ce", "pat", "--seeds", "0")
    assert code == 0
    assert "was not started by a comparison and keeps its own options" in " ".join(output.split())


def test_a_report_that_fails_is_a_failure(place: Path) -> None:
    folder = place / "runs/streets/unet_resnet18"
    folder.mkdir(parents=True)
    (folder / "report").write_text("a file where the report is written by default")
    code, _ = compare(place, "--losses", "ce", "--seeds", "0")
    assert code == 1


def test_waiting_for_another_process_can_be_stopped(place: Path) -> None:
    args = ("--losses", "ce", "--seeds", "0")
    first = start(place, *args, SECONDS_EACH="2")
    while not log(place):
        time.sleep(0.05)
    second = start(place, *args)
    assert second.stdout is not None
    while "another process trains it; waiting" not in second.stdout.readline():
        pass
    second.terminate()
    second.communicate(timeout=20)
    assert second.returncode == 128 + signal.SIGTERM
    first.terminate()
    first.communicate(timeout=20)


def test_jobs_share_threads_and_gpus(place: Path) -> None:
    code, output = compare(
        place, "--losses", "ce", "recall", "pat", "--seeds", "0", "--jobs", "2",
        CUDA_VISIBLE_DEVICES="4,6", SECONDS_EACH="0.1",
    )  # fmt: skip
    assert code == 0, output
    threads = str(max(1, (os.cpu_count() or 1) // 2))
    assert {line.split()[3] for line in log(place)} == {threads}
    assert {line.split()[4] for line in log(place)} == {"4", "6"}


def test_a_gpu_in_parts_is_one_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "GPU 0: NVIDIA H100 (UUID: GPU-1)\n  MIG 3g.40gb Device 0: (UUID: MIG-2)\n"
    listed += "GPU 1: NVIDIA H100 (UUID: GPU-3)\n"
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<END\n{listed}END\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert _gpus() == ["0", "1"]


def test_one_of_the_runs_for_an_array_of_jobs(place: Path) -> None:
    args = ("--losses", "ce", "pat", "--seeds", "0", "1")
    assert compare(place, *args, "--only", "2")[0] == 0
    assert [line.split()[1:3] for line in log(place)] == [["ce", "seed1"]]
    assert not (place / "runs/streets/unet_resnet18/report").exists()
    code, output = compare(place, *args, "--only", "4")
    assert (code, "there are the runs 0 to 3" in output) == (2, True)


@pytest.mark.parametrize(("number", "requeued"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_a_task_of_an_array_is_warned_and_goes_on(place: Path, number: int, requeued: bool) -> None:
    (place / "bin").mkdir()
    (place / "bin/scontrol").write_text('#!/bin/bash\necho "$@" >>requests\n')
    (place / "bin/scontrol").chmod(0o755)
    # -P, as in `start`
    (place / "bin/python").write_text(f'#!/bin/bash\nexec {sys.executable} -P "$@"\n')
    (place / "bin/python").chmod(0o755)
    python = str(place / "bin/python")
    task = {"SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": "1", "PYTHON": python}
    env = {**os.environ, **task, "PATH": f"{place}/bin:{os.environ['PATH']}", "LOSSES": "ce pat"}
    script = ["bash", str(ROOT / "experiments/slurm/compare.sbatch")]
    with subprocess.Popen(script, cwd=place, env={**env, "SECONDS_EACH": "0.4"}) as job:
        while not log(place):
            assert job.poll() is None
            time.sleep(0.05)
        time.sleep(0.6)
        job.send_signal(number)
    assert job.returncode == 128 + signal.SIGTERM
    assert [line.split()[1:3] for line in log(place)] == [["pat", "seed0"]]
    assert (place / "requests").exists() == requeued
    if requeued:
        assert (place / "requests").read_text() == "requeue 9_1\n"
    assert subprocess.run(script, cwd=place, env=env, check=False).returncode == 0
    assert log(place)[1].startswith("resumed pat seed0")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--losses", "ce", "sharp"), "unknown LOSS=sharp; there are: balanced_softmax, blv"),
        (("--losses", "ce", "recal"), "unknown LOSS=recal; did you mean 'recall'?"),
        (("--data", "nowhere"), "unknown DATA=nowhere; there are: ade20k, camvid"),
        (("--data", "mine.yaml"), "DATA=mine.yaml: there is no such file"),
        (("--data", str(EXPERIMENTS / "loss/ce.yaml")), "ce.yaml: has no `data` section, such as"),
        (("--model", "vit"), "unknown MODEL=vit; there are: deeplabv3_resnet101"),
        (("--recipe", "pat_nyuv2"), "RECIPE=pat_nyuv2 is of another dataset than DATA=streets"),
        (("--jobs", "0"), "--jobs must be at least 1, got 0"),
    ],
)
def test_what_is_unknown_is_named(args: tuple[str, ...], message: str) -> None:
    with pytest.raises(RunError, match=re.escape(message)):
        planned(arguments(args))


def test_lists_may_have_commas(tmp_path: Path) -> None:
    given = arguments(["--losses", "ce,recall", "pat", "ce", "--seeds", "3,4"])
    assert (given.losses, given.seeds) == (["ce", "recall", "pat"], [3, 4])
    assert arguments(["--seeds", "1", "01"]).seeds == [1]
    for seeds, wrong in (("0,x", "x"), ("-1", "-1"), ("0,", ""), ("4294967296", "4294967296")):
        with pytest.raises(RunError, match=f"--seeds must be whole numbers .*, got '{wrong}'"):
            arguments(["--seeds", seeds])


def test_an_option_of_compare_is_not_taken_by_train() -> None:
    """What `train` does not know goes to `fit`, which would name other ones."""
    for option, meant in (("--losses", "--loss"), ("--seeds", "--seed"), ("--models", "--model")):
        with pytest.raises(RunError, match=f"{option}; did you mean '{meant}'"):
            fit_arguments([option, "1"])
    assert fit_arguments(["--run_dir", "x", "--rank_timeout", "9"])[-2:] == ["--rank_timeout", "9"]


def test_steps_and_time_left_are_shown(tmp_path: Path) -> None:
    runs = planned(arguments(["--losses", "ce", "pat", "--seeds", "0", "--runs", str(tmp_path)]))
    trainings, out = Trainings(1), io.StringIO()
    display = Display(runs, trainings, Console(file=out, width=80))
    display.show(0)
    run = runs[0]
    run.folder.mkdir(parents=True)
    run.output.write_text("step 7 of 8, of an earlier start\n")
    trainings._output[run.folder] = run.output.stat().st_size
    for step, left in ((1, ""), (250, ", at least 1 day, 2:00:00 left")):
        with run.output.open("a") as file:
            file.write(
                f"step {step} of 1000, loss 0.5{left}, miou 0.250\nvalidation: batch 1 of 2\n"
            )
        display.next_line = 0.0
        display.show(0)
    assert "ce/seed0: step 1 of 1000\n0 of 2 runs\n" in out.getvalue()
    assert (
        "ce/seed0: step 250 of 1000, at least 1 day, 2:00:00 left\n0 of 2 runs, 0:00:0"
        in out.getvalue()
    )


@pytest.mark.slow
def test_real_runs_that_were_killed_make_the_same_report(tmp_path: Path) -> None:
    options = [*TINY, "--trainer.max_epochs", "2"]
    sizes = ["--trainer.limit_train_batches", "6", "--trainer.limit_val_batches", "3"]
    args = ("--losses", "ce", "recall", "--seeds", "0", "1", "--", *options, *sizes)
    once, killed = tmp_path / "once", tmp_path / "killed"
    for place in (once, killed):
        place.mkdir()
    code, output = compare(once, *args, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    assert code == 0, output
    chance = random.Random(1)
    for _ in range(12):
        process = start(killed, *args, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=chance.uniform(15, 40))
            break
        process.kill()  # what it started goes on, or is killed as well
        process.wait()
        if chance.random() < 0.7:
            kill_all(killed)
    code, output = compare(killed, *args, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
    assert code == 0, output
    folder = "runs/streets/unet_resnet18/report"
    texts = [(place / folder / "report.md").read_text() for place in (once, killed)]
    parts = [re.split(r"\n## ", text) for text in texts]
    same = [a == b for a, b in zip(*parts, strict=True)]
    titles = [part.splitlines()[0] for part, equal in zip(parts[0], same, strict=True) if not equal]
    assert titles in ([], ["What it costs"])  # times are measured
    for picture in sorted((once / folder).glob("*.png")):
        if "cost" not in picture.name:
            assert picture.read_bytes() == (killed / folder / picture.name).read_bytes()
