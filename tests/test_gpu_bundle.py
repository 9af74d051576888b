"""`make gpu-bundle`: small pictures, the same labels, pinned wheels; the order of the evidence."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.gpu import bundle, evidence
from lit_seg.data import CamVid
from lit_seg.errors import DataError, RunError
from tests.data import layouts

ROOT = Path(__file__).parent.parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    layouts.camvid(tmp_path / "data/camvid", ("train", "val"))
    return tmp_path / "data/camvid"


def test_labels_stay_and_what_changes_in_images_is_told(root: Path, tmp_path: Path) -> None:
    found = bundle.encode(tmp_path / "out", quality=90)
    assert json.loads((tmp_path / "out/data.json").read_text()) == found
    new = CamVid(root=str(tmp_path / "out/camvid"))
    differences = []
    for name in ("train", "val"):
        before, after = CamVid(root=str(root)).split(name), new.split(name)
        assert [after.name(i) for i in range(len(after))] == [
            before.name(i) for i in range(len(before))
        ]
        for i in range(len(before)):
            (image, label), (new_image, new_label) = before.load(i), after.load(i)
            np.testing.assert_array_equal(new_label, label)
            differences.append(new_image.astype(int) - image)
        with Image.open(after.pairs[0][0]) as picture:
            assert picture.format == "JPEG"
    assert found["mean_difference"] == pytest.approx(np.abs(differences).mean())
    assert found["largest_difference"] == np.abs(differences).max() > 0
    square = np.square(differences).mean()
    assert found["psnr_db"] == pytest.approx(10 * np.log10(255**2 / square))


def test_a_missing_dataset_is_named_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere.camvid.train\.txt.*DATA_ROOT"):
        bundle.encode(tmp_path / "out", 95)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_carried_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundle, "fetch_wheels", lambda *_: None)
    monkeypatch.setattr(bundle, "MOST", 1e3)
    monkeypatch.setattr(bundle, "_tree", lambda: ["README.md"])
    out = tmp_path / "out"
    assert bundle.main(["--out", str(out), "--quality", "80"]) == 2
    said = capsys.readouterr()
    assert f"error: {out}: " in said.err
    assert "lower --quality than 80" in said.err
    assert "PSNR" in said.out


def test_wheels_that_cannot_be_fetched_leave_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        said = "WARNING: slow\nERROR: No matching distribution found for simsimd"
        if len(commands) > 1:
            (Path(command[command.index("--dest") + 1]) / "new.whl").touch()
        return subprocess.CompletedProcess(command, int(len(commands) == 1), "", said)

    monkeypatch.setattr(subprocess, "run", run)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "old.whl").touch()
    with pytest.raises(RunError, match=r"wheels: .*3\.13 \(No matching distribution .*--python"):
        bundle.fetch_wheels(wheels, "3.13")
    assert [path.name for path in wheels.iterdir()] == ["old.whl"]
    bundle.fetch_wheels(wheels, "3.13")
    assert [path.name for path in tmp_path.rglob("*.whl")] == ["new.whl"]
    versions = bundle.pinned((ROOT / "constraints.txt").read_text())
    assert f"albumentations=={versions['albumentations']}" in commands[0]
    assert f"segmentation_models_pytorch=={versions['segmentation-models-pytorch']}" in commands[0]


def test_an_early_end_leaves_whole_seeds(tmp_path: Path) -> None:
    runs = [run.folder.relative_to(tmp_path).as_posix() for run in evidence.all_runs(tmp_path)]
    unet = [run for run in runs if run.split("/")[1:3] == ["camvid-strong_camvid", "unet_resnet18"]]
    assert runs[: len(unet)] == unet
    assert [run.split("/")[0] + " " + " ".join(run.split("/")[3:]) for run in unet] == [
        *(f"x1 {loss} seed{k}" for k in range(3) for loss in evidence.LOSSES),
        *(f"x3 {loss} seed{k}" for k in range(3) for loss in ("ce", "recall")),
    ]
    assert {run.split("/")[1] for run in runs[-66:]} == {"streets"}
    focal = next(run for run in evidence.all_runs(tmp_path) if run.loss == "focal")
    assert focal.layers[-1].parts[-2:] == ("of_recall_paper", "focal.yaml")
