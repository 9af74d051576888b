"""The SLURM script, with stand-ins for SLURM's programs: started, warned, requeued, finished."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.test_cli import rows_of
from tests.test_lost_ranks import processes

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "experiments/slurm/train.sbatch"
JOB = str(os.getpid())  # the port follows from it: two test runs at a time need two
STAND_INS = {
    # the tasks of one node; a signal to `srun` is one to the task
    "srun": 'while [[ $1 == --* ]]; do shift; done\nSLURM_NODEID=0 exec "$@"\n',
    "scontrol": 'if [ "$1" = show ]; then echo 127.0.0.1; else echo "$@" >>"$REQUESTS"; fi\n',
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a job on one node."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}")
        (programs / name).chmod(0o755)
    yield {
        **os.environ,
        **{"PATH": f"{programs}:{os.environ['PATH']}", "REQUESTS": str(tmp_path / "requests")},
        # as SLURM sets them; Lightning looks at some, too
        **{"SLURM_JOB_ID": JOB, "SLURM_JOB_NAME": "lit_seg", "SLURM_JOB_NODELIST": "here"},
        **{"SLURM_JOB_NUM_NODES": "1", "SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1"},
        **{"SLURM_LOCALID": "0", "SLURM_PROCID": "0", "SLURM_NODEID": "0", "SLURM_NNODES": "1"},
        **{"PYTHON": sys.executable, "RUN": str(tmp_path / "run"), "WANDB_MODE": "disabled"},
        "GLOBAL_BATCH": "4",
    }
    for pid in processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


def submit(cluster: dict[str, str], max_steps: int, **more: str) -> subprocess.Popen[str]:
    options = [arg for arg in TINY if "{" not in arg and arg != "--model.options"]
    steps = f"--trainer.max_epochs -1 --trainer.max_steps {max_steps}"
    args = " ".join([*options, "--trainer.accelerator cpu", steps])
    args += " --last_checkpoint.every_n_train_steps 1 --trainer.limit_val_batches 1"
    args = args.replace("--data.init_args.batch_size 4", "")  # the script's own
    return subprocess.Popen(
        ["bash", str(SCRIPT)],
        cwd=ROOT,
        env={**cluster, "ARGS": args, **more},
        stderr=subprocess.PIPE,
        text=True,
    )


def warn(job: subprocess.Popen[str]) -> None:
    """As `--signal=B:USR1@300` does: the script alone."""
    job.send_signal(signal.SIGUSR1)


def preempt(job: subprocess.Popen[str]) -> None:
    """The tasks, and the script as well."""
    tasks = subprocess.run(["pgrep", "-P", str(job.pid)], capture_output=True, check=True).stdout
    for pid in (*map(int, tasks.split()), job.pid):
        os.kill(pid, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interrupt", "requests"),
    [(warn, f"requeue {JOB}\n"), (preempt, "")],  # SLURM itself requeues what it preempts
    ids=["warn", "preempt"],
)
def test_an_interrupted_job_goes_on_with_more_ranks(
    interrupt: Callable[[subprocess.Popen[str]], None],
    requests: str,
    cluster: dict[str, str],
    tmp_path: Path,
) -> None:
    run, requested = tmp_path / "run", Path(cluster["REQUESTS"])
    requested.touch()
    job = submit(cluster, max_steps=100000, DEVICES="1")
    deadline = time.monotonic() + 300
    while not (run / "checkpoints/last.ckpt").exists():
        assert job.poll() is None, job.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    interrupt(job)
    errors = job.communicate(timeout=120)[1]
    assert job.returncode != 0
    assert requested.read_text() == requests
    done = len(steps_of(run))
    assert done > 0
    assert f"stopped after {done} steps" in errors

    # the job comes back with two ranks, and the same batch of four
    job = submit(cluster, max_steps=done + 3, DEVICES="2")
    errors = job.communicate(timeout=300)[1]
    assert job.returncode == 0, errors
    assert "slurm" not in errors.lower()  # torchrun's environment, not Lightning's for SLURM
    assert steps_of(run) == list(range(done + 3))
    assert requested.read_text() == requests
    assert not (tmp_path / "run-2").exists()


def steps_of(run: Path) -> list[int]:
    return [int(row["step"]) for row in rows_of(run / "metrics.csv") if row["train/loss"]]


def test_a_batch_that_ranks_cannot_share_is_refused(cluster: dict[str, str]) -> None:
    job = submit(cluster, max_steps=1, DEVICES="3")
    assert "GLOBAL_BATCH=4 cannot be shared by 3 ranks" in job.communicate(timeout=60)[1]
    assert job.returncode == 2


def test_the_script_is_sound_shell() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
