"""Scores equal those of the official Cityscapes evaluation, on predictions in the official ids.

The package cityscapesScripts needs no compiler, but asks for old packages that shadow nothing and
help nobody here: `pip install --no-deps cityscapesScripts==2.3.0 pyquaternion` is enough.
"""

import importlib
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lit_seg.data import Cityscapes
from lit_seg.metrics import ClassScores, ConfusionMatrix, confusion_scores
from lit_seg.metrics.labels import VOID
from tests.data import layouts
from tests.data.test_cityscapes import OFFICIAL

REAL = Path(os.environ.get("DATA_ROOT", "data")) / "cityscapes"
Pairs = list[tuple[Path, Path]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames whose labels hold all ids, also those that are ignored."""
    root = tmp_path_factory.mktemp("cityscapes")
    layouts.cityscapes(root)
    random = np.random.default_rng(0)
    for path in (root / "gtFine" / "val").rglob("[!.]*_labelIds.png"):
        with Image.open(path) as label:
            height, width = label.height, label.width
        ids = random.integers(0, 34, (height // 4 + 1, width // 4 + 1)).repeat(4, 0).repeat(4, 1)
        ids[ids == 27] = 26  # no truck: it is predicted
        layouts.save(path, ids[:height, :width].astype(np.uint8))
    return root


@pytest.fixture(params=["drawn", "real"])
def data(request: pytest.FixtureRequest) -> Cityscapes:
    if request.param == "real" and not (REAL / "gtFine").is_dir():
        pytest.skip(f"{REAL} does not hold cityscapes")
    root = REAL if request.param == "real" else request.getfixturevalue("drawn")
    return Cityscapes(root=str(root))


def score(data: Cityscapes, folder: Path) -> tuple[ClassScores, Pairs]:
    """Score predictions that are partly right as we do, and write them in the official ids."""
    random, metric, pairs = np.random.default_rng(1), ConfusionMatrix(19), []
    split = data.split("val")
    for i in range(len(split)):
        target = split.load(i)[1]
        preds = np.roll(target, (3, 7), (0, 1))
        # within ignored pixels anything may be predicted; bicycles never are
        preds = np.where(preds == VOID, random.integers(0, 18, preds.shape), np.minimum(preds, 17))
        metric.update(*(torch.from_numpy(part.astype(np.int64))[None] for part in (preds, target)))
        ids = data.data_format.in_ids(preds.astype(np.uint8))
        assert ids.dtype == np.uint8
        path = folder / f"{i}.png"
        Image.fromarray(ids).save(path)
        (truth,) = (data.root / "gtFine" / "val").rglob(f"{split.name(i)[:-12]}*_labelIds.png")
        pairs.append((path, truth))
    return confusion_scores(metric.compute()), pairs


def plain_iou(pairs: Pairs) -> list[float]:
    """The definition, read from the official code: class by class, image by image."""
    parts = [(np.asarray(Image.open(p)), np.asarray(Image.open(t))) for p, t in pairs]
    found = []
    for c in OFFICIAL:
        tp = sum(((p == c) & (t == c)).sum() for p, t in parts)
        fn = sum(((p != c) & (t == c)).sum() for p, t in parts)
        others = [other for other in OFFICIAL if other != c]  # ignored pixels are no mistake
        fp = sum(((p == c) & np.isin(t, others)).sum() for p, t in parts)
        found.append(float(tp / (tp + fp + fn)) if tp + fp + fn else math.nan)
    return found


def test_iou_is_that_of_the_definition(data: Cityscapes, tmp_path: Path) -> None:
    scores, pairs = score(data, tmp_path)
    assert scores.iou.tolist() == pytest.approx(plain_iou(pairs), nan_ok=True, abs=1e-12)


def test_iou_is_that_of_the_official_program(data: Cityscapes, tmp_path: Path) -> None:
    module = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    pytest.importorskip("cityscapesscripts.helpers.csHelpers")
    official = importlib.import_module(module)
    scores, pairs = score(data, tmp_path)
    args = official.args
    # of instances it calls a function that numpy 2.4 has no more
    args.evalInstLevelScore = args.JSONOutput = False
    args.quiet = True
    preds, truths = zip(*((str(p), str(t)) for p, t in pairs), strict=True)
    found = official.evaluateImgLists(preds, truths, args)
    classes = [found["classScores"][name] for _, name, _ in OFFICIAL.values()]
    assert scores.iou.tolist() == pytest.approx(classes, nan_ok=True, abs=1e-12)
    assert scores.miou.item() == pytest.approx(found["averageScoreClasses"], abs=1e-12)
