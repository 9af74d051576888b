"""A trained network is loaded from its checkpoint alone, and gives the logits of the task."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from lit_seg.errors import RunError
from lit_seg.inference.trained import load_network
from lit_seg.tasks import LitSegmenter


def test_the_logits_are_those_of_the_task(run: Path) -> None:
    network = load_network(run)
    task = LitSegmenter.load_from_checkpoint(run / "checkpoints" / "best.ckpt").eval()
    image = torch.randint(0, 256, (1, 3, 37, 50), dtype=torch.uint8)
    assert torch.equal(network(image), task(image))
    assert network.class_names == task.class_names
    assert network.class_pixels == task.class_pixels
    assert network.data_format.dataset == "streets"
    assert len(network.data_format.palette) == len(task.class_names)
    assert not network.training


@pytest.mark.slow  # tests/test_rooms.py reads the imports
def test_neither_lightning_nor_albumentations_is_needed(tmp_path: Path) -> None:
    """Also not to warn of a picture; Lightning's own warnings fail where it was not imported."""
    heavy = "{'pytorch_lightning', 'albumentations', 'jsonargparse'}"
    Image.new("RGBA", (4, 4), (9, 9, 9, 9)).save(tmp_path / "a.png")
    code = f"""
import sys, lit_seg.inference.trained
from lit_seg.images.decode import read_image
read_image(__import__('pathlib').Path(sys.argv[1]))
print({heavy} & sys.modules.keys())"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "set()\n")
    assert "4 bands" in done.stderr


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c["hyper_parameters"].pop("data_format"), "RESUME"),
        (lambda c: c["hyper_parameters"].update(architecture="unett"), "unett"),
        (lambda c: c["state_dict"].popitem() and c["state_dict"].clear(), "state_dict"),
        (lambda c: c.clear(), "no checkpoint of a run"),
    ],
)
def test_what_cannot_be_loaded_is_named(
    run: Path, tmp_path: Path, change: object, named: str
) -> None:
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    change(content)  # type: ignore[operator]
    file = tmp_path / "best.ckpt"
    torch.save(content, file)
    with pytest.raises(RunError, match=named) as error:
        load_network(file)
    assert str(file) in str(error.value)


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no checkpoint"):
        load_network(tmp_path)
    with pytest.raises(RunError, match="no such run"):
        load_network(tmp_path / "nowhere")
