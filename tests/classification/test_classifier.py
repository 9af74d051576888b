"""A classifier by itself: what it decides by, what it scores, and thousands of classes."""

import math
import time
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from pytorch_lightning.loggers.utilities import _log_hyperparams
from sklearn.metrics import balanced_accuracy_score, recall_score
from torch import Tensor

from lit_seg.classification.classifier import SHOWN, LitClassifier
from lit_seg.classification.image_evaluation import scored
from lit_seg.classification.run_files import ClassTrajectories, image_table, show_accuracies
from lit_seg.metrics.shot_groups import shot_groups

GREY = {"dataset": "", "height": 8, "width": 8, "resize": 8, "channels": 1, "mean": [4], "std": [2]}


def classifier(classes: int, **options: object) -> LitClassifier:
    counts = [max(1, 300 - c) for c in range(classes)]
    torch.manual_seed(0)
    return LitClassifier(counts, data_format=GREY, network="digits", **options)


def test_h_alone_decides_and_images_are_normalised() -> None:
    module = classifier(3, method="sdn").eval()
    image = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    expected = module.method.head(module.method.backbone((image - 4.0) / 2))
    assert torch.equal(module(image), expected)
    torch.nn.init.zeros_(module.method.feature_head.weight)
    assert torch.equal(module(image), expected)


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true, taken = rng.integers(5, size=(2, 400))
    images = [(str(i), int(a), int(b)) for i, (a, b) in enumerate(zip(true, taken, strict=True))]
    groups = shot_groups([200, 101, 100, 20, 19])
    scores = scored(images, 5, groups)
    recall = recall_score(true, taken, average=None)
    np.testing.assert_allclose(scores.per_class[1], recall)
    assert scores.values["macc"] == pytest.approx(balanced_accuracy_score(true, taken))
    assert scores.values["pixel_acc"] == pytest.approx((true == taken).mean())
    for name, ids in (("many", [0, 1]), ("medium", [2, 3]), ("few", [4])):
        assert scores.values[name] == pytest.approx(recall[ids].mean()), name
    assert math.isnan(scored(images, 5, {"few": []}).values["few"])


def test_an_image_is_a_pixel_for_the_readers_of_runs() -> None:
    scores = scored([("a", 0, 0), ("b", 1, 0)], 2, {})
    lines = image_table(scores, ["x", "y"]).splitlines()[1:]
    assert lines == ["a,x,1,1,1", "b,y,1,0,0", "b,x,0,1,0"]


def test_thousands_of_classes_stay_readable_and_cheap(tmp_path, capsys) -> None:
    classes = 8142
    module = classifier(classes, watched=["class_4000"])
    images = [(str(i), i % classes, (i // 3) % classes) for i in range(3 * classes)]
    begin = time.process_time()
    scores = scored(images, classes, module.groups)
    show_accuracies(module, scores, "val", tmp_path / "table.md")
    assert time.process_time() - begin < 5  # a matrix of all pairs would take 530 MB
    shown = (tmp_path / "table.md").read_text()
    assert len(shown.splitlines()) < SHOWN
    assert "class_4000" in shown
    values = torch.arange(float(classes))
    lines = ClassTrajectories().lines(module, values)
    assert set(lines) == {
        *(f"class_{c}" for c in (*range(5), *range(classes - 5, classes), 4000)),
        *("(many)", "(medium)", "(few)"),
    }
    assert lines["(many)"] == pytest.approx(99.5)  # classes 0 to 199 have more than 100 images
    assert lines["class_4000"] == 4000


def test_loggers_get_no_name_and_number_of_thousands_of_classes() -> None:
    """They were 342 kB of W&B's configuration."""
    for classes, logged in ((SHOWN, True), (SHOWN + 1, False)):
        logger, module = Mock(), classifier(classes)
        _log_hyperparams(Mock(loggers=[logger], lightning_module=module, datamodule=None))
        given = logger.log_hyperparams.call_args
        assert ("class_names" in str(given)) == logged
        assert len(module.hparams["class_names"]) == classes  # as a checkpoint has them


def test_clipping_by_norm_keeps_h_from_the_backbone() -> None:
    """One norm over both heads would let h shrink the step of the backbone."""
    module = classifier(3, method="sdn")
    optimizer = torch.optim.SGD(module.parameters())
    for name, parameter in module.method.named_parameters():
        parameter.grad = torch.full_like(parameter, 100.0 if name.startswith("head.") else 1e-3)
    module.configure_gradient_clipping(optimizer, 1.0, "norm")
    assert torch.equal(
        module.method.feature_head.weight.grad,
        torch.full_like(module.method.feature_head.weight, 1e-3),
    )
    of_h = torch.cat([each.grad.flatten() for each in module.method.head.parameters()])
    assert float(of_h.norm()) == pytest.approx(1.0, rel=1e-4)


def test_few_classes_are_all_logged() -> None:
    lines = ClassTrajectories().lines(classifier(3), torch.tensor([0.5, math.nan, 1.0]))
    assert list(lines) == ["class_0", "class_1", "class_2"]


def test_statistics_of_both_losses_are_logged() -> None:
    module = classifier(3, method="sdn")
    stats = ClassTrajectories().loss_stats(module)
    assert isinstance(stats["weight"], Tensor)
    assert torch.equal(stats["weight"], module.method.head_loss.class_stats()["weight"])


def test_two_orders_are_needed_where_there_are_two_branches() -> None:
    module = classifier(3, method="bbn")
    image, target = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 3
    batch = {"image": image, "target": target, "name": list("abcd")}
    with pytest.raises(ValueError, match="BBN needs a second order"):
        module.training_step(batch, 0)


@pytest.mark.parametrize(
    ("frozen", "trained"), [("trunk", {"last_block", "head"}), ("all", {"head"})]
)
def test_what_is_frozen_does_not_train(frozen: str, trained: set[str]) -> None:
    module = classifier(3, frozen=frozen).train()
    names = {
        name.split(".")[2 if "backbone" in name else 1]
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }
    assert names == trained
    assert not module.method.backbone.trunk[1].training
    assert len(list(module.parameter_groups())) == sum(p.requires_grad for p in module.parameters())
