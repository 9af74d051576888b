"""Predictions as files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from lit_seg.callbacks.prediction_writer import PredictionWriter


def test_names_keep_their_subfolders_and_fillers_have_none(tmp_path: Path) -> None:
    trainer: Any = SimpleNamespace(
        datamodule=SimpleNamespace(palette=[(255, 0, 0), (0, 255, 0)]), default_root_dir=tmp_path
    )
    labels = torch.tensor([[[0, 1]], [[1, 1]], [[0, 0]]])
    batch = {"name": ["north/01", "02", ""], "image": torch.zeros(3, 3, 1, 2, dtype=torch.uint8)}
    module: Any = None
    PredictionWriter().on_predict_batch_end(trainer, module, labels, batch, 0)
    written = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png"))
    names = ["02", "02_overlay", "north/01", "north/01_overlay"]
    assert written == [f"predictions/{name}.png" for name in names]
    label = np.array(Image.open(tmp_path / "predictions/north/01.png"))
    assert label.tolist() == [[0, 1]]
