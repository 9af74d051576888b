"""What the machine is, and how fast it copies and multiplies: the limits of all else."""

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from experiments.gpu.section import Section
from experiments.gpu.timing import copy_bandwidth, milliseconds

TITLE = "The machine"
SECONDS = 15
PACKAGES = (
    *("torch", "triton", "torchvision", "pytorch-lightning", "torchmetrics"),
    *("segmentation-models-pytorch", "timm", "albumentations", "numpy", "opencv-python-headless"),
)


def run(section: Section) -> None:
    """Name hardware and versions; measure copy bandwidth and matrix products."""
    cuda = section.device.type == "cuda"
    facts = {"date": datetime.date.today().isoformat(), "Python": platform.python_version()}
    if cuda:
        facts["GPU"] = torch.cuda.get_device_name()
        facts["GPU memory, GiB"] = f"{torch.cuda.get_device_properties(0).total_memory / 2**30:.1f}"
        facts["CUDA"] = str(torch.version.cuda)
        facts["cuDNN"] = str(torch.backends.cudnn.version())
    facts["CPU cores"] = str(len(os.sched_getaffinity(0)))
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not there"
    for thing, value in facts.items():
        section.row("versions", thing=thing, value=value)
    bandwidth = copy_bandwidth(section.device, section.smoke)
    section.row("limits", quantity="copy, GB/s read and written", value=bandwidth / 1e9)
    size = 256 if section.smoke else 8192
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(size, size, device=section.device, dtype=dtype) for _ in range(2))
        ms = milliseconds(lambda a=a, b=b: a @ b, section.device)
        quantity = f"matrix product, {str(dtype)[6:]}, TFLOP/s"
        section.row("limits", quantity=quantity, value=2e-9 * size**3 / ms)
