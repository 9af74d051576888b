"""A trained classifier away from its run: what it says of images, and as one file."""

from pathlib import Path

import numpy as np
import pytest
import torch

import lit_seg
from lit_seg.classification.export_command import main
from lit_seg.classification.heads.ncm import NCMHead
from lit_seg.classification.methods.oltr import OLTR
from lit_seg.classification.methods.second_stage import SecondStage
from lit_seg.classification.use import Classifier
from lit_seg.errors import RunError
from lit_seg.export.formats import save_pt2
from lit_seg.inference.exported import open_export
from lit_seg.losses import CrossEntropyLoss
from tests.classification.small import COUNTS, backbone, batch
from tests.classification.test_classifier import classifier


class Deciding(torch.nn.Module):
    """Labels and scores, as an export gives them."""

    def __init__(self, method: torch.nn.Module) -> None:
        super().__init__()
        self.method = method.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.method(images)
        return scores.argmax(1), scores


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    module = classifier(3, method="sdn").eval()
    plain = ("class_counts", "class_names", "data_format", "network", "method")
    content = {
        "state_dict": module.state_dict(),
        "hyper_parameters": {name: module.hparams[name] for name in plain},
        "pytorch-lightning_version": "2.6.0",
    }
    torch.save(content, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_it_says_what_head_h_does(checkpoint: Path) -> None:
    module = classifier(3, method="sdn").eval()
    loaded = lit_seg.load(checkpoint)
    assert isinstance(loaded, Classifier)
    torch.nn.init.zeros_(loaded.network.method.feature_head.weight)  # g has no part in it
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8)
    found = loaded(image)
    scores = module(torch.from_numpy(image).movedim(-1, 0)[None])[0]
    assert found.label == scores.argmax()
    assert found.name == module.class_names[found.label]
    np.testing.assert_allclose(found.probabilities, scores.softmax(0).detach(), rtol=1e-5)
    assert [one.label for one in loaded([image] * 9)] == [found.label] * 9  # of two batches
    with pytest.raises(RunError, match="without views, tau"):
        lit_seg.load(checkpoint, tau=1.0)


@pytest.mark.parametrize("name", ["pt2", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_file_gives_the_same_scores(name: str, checkpoint: Path, capsys) -> None:
    out = checkpoint.parent / "export"
    asked = [str(checkpoint), "--format", name, "--out", str(out)]
    assert main(asked) == 0
    assert str(out / f"model.{name}") in capsys.readouterr().out
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 1), np.uint8)
    ours, exported = lit_seg.load(checkpoint)(image), lit_seg.load(out / f"model.{name}")(image)
    assert exported.name == ours.name
    np.testing.assert_allclose(exported.probabilities, ours.probabilities, rtol=1e-4)
    assert main(asked) == 2  # nothing is replaced
    assert f"model.{name}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pt2", pytest.param("onnx", marks=pytest.mark.slow)])
@pytest.mark.parametrize("head", ["ncm", "oltr"])
def test_distances_to_classes_can_be_exported(head: str, name: str, tmp_path: Path) -> None:
    first, loss = torch.nn.Linear(5, 3), CrossEntropyLoss(COUNTS)
    makers = {
        "ncm": lambda: SecondStage(backbone(), NCMHead(5, 3), loss),
        "oltr": lambda: OLTR(backbone(), first, loss, (5, 3, 3)),
    }
    method, (images, target) = makers[head]().eval(), batch(0, 12)
    method.prepare(lambda: [(method.features(images), target)], list)
    if name == "onnx":
        (scores,) = torch.onnx.export(method, (images,), dynamo=True)(images)
    else:  # a file is opened only if it can run no code
        network = Deciding(method)
        save_pt2(torch.export.export(network, (images,), strict=False), tmp_path / "a.pt2", "{}")
        scores = open_export(tmp_path / "a.pt2")[0](images)
    torch.testing.assert_close(scores, method(images))


def test_other_files_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "a.ckpt")
    for path in (tmp_path / "a.ckpt", tmp_path / "none"):
        with pytest.raises(RunError, match=path.name):
            Classifier(path)
