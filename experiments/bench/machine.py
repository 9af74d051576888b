"""What a measurement was made on."""

import datetime
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = (
    *("torch", "torchvision", "pytorch-lightning", "torchmetrics"),
    *("segmentation-models-pytorch", "albumentations", "opencv-python-headless"),
)
SEED = 0
"""Of all random numbers of the sections."""


def bf16_flags() -> list[str]:
    """The instructions of this CPU that multiply bfloat16."""
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return [flag for flag in ("amx_bf16", "avx512_bf16") if known.get(flag)]


def huge_pages() -> str:
    """To whom Linux gives pages of 2 MiB: ``always``, ``madvise`` (who asks) or ``never``."""
    switch = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    words = switch.read_text(encoding="utf-8").split() if switch.exists() else []
    return next((word.strip("[]") for word in words if word.startswith("[")), "never")


def facts() -> dict[str, str]:
    """Processor, cores, GPU, versions and seed."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "CPU": models[0] if models else platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "bfloat16 on the CPU": ", ".join(bf16_flags()) or "no",
        "huge pages": huge_pages(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "Python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "seed": str(SEED),
    }


def made() -> dict[str, str]:
    """When, and by which commit."""
    root = Path(__file__).parent
    git = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        commit = subprocess.run(
            git, capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {"date": datetime.date.today().isoformat(), "commit": commit}
