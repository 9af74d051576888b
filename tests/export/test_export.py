"""A run as one file: it gives what the network gives, names its classes, and runs by itself."""

import csv
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from PIL import Image

import lit_seg
from lit_seg.cli.commands import predict
from lit_seg.cli.commands.export import main
from lit_seg.errors import RunError
from lit_seg.export import export_run, formats, parity
from lit_seg.export.deployed import DeployedNetwork
from lit_seg.export.model_card import write_card
from lit_seg.inference import predictor
from lit_seg.inference.exported import METADATA, ExportedNetwork, load_exported, metadata_of
from lit_seg.inference.plain_export import read_plain_export
from lit_seg.inference.prior import balanced, write_tau
from lit_seg.inference.trained import load_network
from lit_seg.losses.logit_adjustment import log_prior

SIZES = ((2, 33, 50), (1, 64, 96), (3, 20, 31))


@pytest.fixture(scope="module")
def pt2(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one export by torch that the quick tests make."""
    folder = tmp_path_factory.mktemp("export") / "pt2"
    assert main([str(run), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def onnx(run: Path) -> Path:
    """The one export as ONNX, in the folder that it has by default."""
    assert main([str(run), "--format", "onnx"]) == 0
    return run / "exports" / "onnx"


@pytest.mark.parametrize("name", ["pt2", "onnx"])
def test_the_file_gives_the_logits_and_labels_of_the_network(
    name: str, run: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(name)
    assert {path.name for path in folder.iterdir()} == {"README.md", f"model.{name}"}
    network, exported = load_network(run), load_exported(folder / f"model.{name}")
    for batch, height, width in SIZES:
        image = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)
        torch.testing.assert_close(exported(image), network(image), atol=1e-4, rtol=0)
    assert exported.class_names == network.class_names
    assert exported.class_pixels == network.class_pixels
    assert exported.data_format == network.data_format
    with pytest.raises(RunError, match=r"torch\.float32"):
        exported(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("name", ["pt2", "onnx"])
def test_the_card_shows_how_it_is_used(
    name: str, run: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = request.getfixturevalue(name)
    card = (folder / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(folder.parent)
    pixels = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)
    Image.fromarray(pixels).save("image.png")
    found: dict[str, Any] = {}
    exec(block.replace('"model.', f'"{name}/model.'), found)
    labels, logits = (torch.as_tensor(found[each]) for each in ("labels", "logits"))
    want = load_network(run)(torch.from_numpy(pixels).movedim(-1, 0)[None])
    torch.testing.assert_close(logits, want, atol=1e-4, rtol=0)
    assert torch.equal(labels, logits.argmax(1))
    of_onnx = name == "onnx" and found["model"].get_modelmeta().custom_metadata_map
    metadata = json.loads((of_onnx or found["extra"])[METADATA])
    assert metadata["data_format"]["dataset"] == "streets"
    assert len(metadata["data_format"]["palette"]) == len(metadata["class_names"]) == 12
    assert not of_onnx or found["model"].get_inputs()[0].shape == ["batch", 3, "height", "width"]
    assert "lit_seg.losses.RecallLoss" in card
    assert "MIT" in card  # the licence of the dataset
    assert str(run.parent) not in card


def test_the_scores_of_the_card_are_those_of_its_weights(run: Path, tmp_path: Path) -> None:
    """A slow reading: the row of the log that the validation of these weights wrote."""
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    rows = [row for row in csv.DictReader((run / "metrics.csv").open()) if row["val/miou"]]
    assert len({row["val/iou/road"] for row in rows}) == len(rows) > 1
    network = load_network(run)
    deployed = DeployedNetwork(network, torch.zeros(12), None)

    def card(steps: int, tau: float) -> str:
        torch.save(content | {"global_step": steps}, tmp_path / "best.ckpt")
        metadata = metadata_of(network, tau)
        write_card(tmp_path, run, tmp_path / "best.ckpt", deployed, metadata, {})
        return (tmp_path / "README.md").read_text()

    for row in rows:
        found = card(int(row["step"]) + 1, 0.5)
        assert re.search(rf"\| road \| [\d.]+ \| {100 * float(row['val/iou/road']):.1f} \|", found)
        assert f"mIoU {float(row['val/miou']):.4f}" in found
        assert "without balancing" in found
        assert "not of these weights" not in found
    found = card(1, 0)
    assert f"mIoU {float(rows[-1]['val/miou']):.4f}" in found
    assert "of the last step, not of these weights" in found
    assert "without balancing" not in found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pt2", "onnx"])
def test_it_runs_where_lit_seg_is_not_installed(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(name)
    (block,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    Image.new("RGB", (50, 37)).save(tmp_path / "image.png")
    (tmp_path / f"model.{name}").symlink_to(folder / f"model.{name}")
    missing = ["lit_seg", "segmentation_models_pytorch", "timm", "pytorch_lightning", "cv2"]
    if name == "onnx":
        missing += ["torch", "onnx", "onnxscript"]
    code = f"import sys; sys.modules |= dict.fromkeys({missing})\n{block}\nprint(*labels.shape)"
    command = [sys.executable, "-I", "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1 37 50\n", "")


@pytest.mark.parametrize("name", ["pt2", "onnx"])
def test_it_is_loaded_like_a_run(
    name: str, run: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    file = next(request.getfixturevalue(name).glob(f"model.{name}"))
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)
    exported, loaded = lit_seg.load(file)(image), lit_seg.load(run)(image)
    assert exported.class_names == loaded.class_names
    assert np.abs(exported.probabilities - loaded.probabilities).max() < 1e-5
    if name == "pt2":  # which takes seconds to load once more
        return
    Image.fromarray(image).save(tmp_path / "a.png")
    assert predict.main([str(file), str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]) == 0
    assert (np.asarray(Image.open(tmp_path / "out/labels/a.png")) == exported.labels).all()


def test_a_folder_of_smp_is_one_of_smp(run: Path, tmp_path: Path) -> None:
    assert main([str(run), "--format", "smp", "--out", str(tmp_path / "made" / "smp")]) == 0
    folder = tmp_path / "made" / "smp"
    network, model = load_network(run), smp.from_pretrained(str(folder))
    how = json.loads((folder / METADATA).read_text())["preprocessing"]
    mean, std = (torch.tensor(how[f"pixel_{each}"]).view(1, 3, 1, 1) for each in ("mean", "std"))
    image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    torch.testing.assert_close(model((image - mean) / std), network(image))
    assert "smp.from_pretrained" in (folder / "README.md").read_text()


def test_what_differs_is_not_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "TOLERANCE", -1)
    with pytest.raises(RunError, match=r"model\.safetensors: .* differ .* at 96x128"):
        export_run.export_run(run, "smp", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_fails_at_a_size_is_named() -> None:
    def fails(image: torch.Tensor) -> torch.Tensor:
        if image.shape[2:] == (100, 100):
            raise RuntimeError("no such size")
        return image

    with pytest.raises(RunError, match=r"model\.x: fails at 100x100 \(no such size\)"):
        parity.differences(
            fails, lambda image: image, [np.zeros((9, 9, 3), np.uint8)], Path("model.x")
        )


def test_an_export_has_a_folder_of_its_own(run: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "exports" / "smp"
    assert export_run._new_folder(None, wanted) == wanted
    wanted.mkdir(parents=True)
    assert export_run._new_folder(None, wanted) == wanted.with_name("smp-2")
    assert export_run._new_folder(wanted, wanted) == wanted  # it is empty
    (wanted / "mine").touch()
    with pytest.raises(RunError, match=f"{wanted}: .* --out"):
        export_run._new_folder(wanted, wanted)


def test_an_export_is_not_balanced_twice(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_network(run)
    offset = balanced(torch.zeros(1, 12, 1, 1), log_prior(network.class_pixels), 0.5).float()
    exported = ExportedNetwork(lambda x: network(x) + offset, metadata_of(network, 0.5), None)
    monkeypatch.setattr(predictor, "load_exported", lambda path: exported)
    write_tau(tmp_path, 0.9)  # of a run that an export happens to lie in
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for tau in (None, 0, 0.8):
        found = lit_seg.load(tmp_path / "model.onnx", tau=tau)(image).probabilities
        want = lit_seg.load(run, tau=0.5 if tau is None else tau)(image).probabilities
        assert np.abs(found - want).max() < 1e-5


@pytest.mark.parametrize("size", [(33, 50), (130, 100)])
def test_the_size_of_the_evaluation_can_be_part_of_it(run: Path, size: tuple[int, int]) -> None:
    network = load_network(run)
    form = network.data_format
    offset = torch.linspace(-1, 1, len(network.class_names))
    deployed = DeployedNetwork(network, offset, (form.height, form.width))
    image = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    labels, logits = deployed(image)
    seen = F.interpolate(image.float(), (form.height, form.width), mode="bilinear", antialias=True)
    want = network.network((seen - network.pixel_mean) / network.pixel_std)
    want = F.interpolate(want + offset.view(1, -1, 1, 1), size, mode="bilinear")
    torch.testing.assert_close(logits, want, atol=1e-4, rtol=1e-4)
    assert torch.equal(labels, logits.argmax(1))


def test_the_strength_that_the_run_keeps_is_part_of_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the format of smp it cannot be: that holds the network alone."""
    pixels = torch.tensor(load_network(run).class_pixels).clamp(min=1)
    prior = (pixels / pixels.sum()).log()
    offsets = []

    def stop(trained: object, offset: torch.Tensor, size: object) -> None:
        offsets.append(offset)
        raise KeyboardInterrupt

    monkeypatch.setattr(export_run, "DeployedNetwork", stop)
    kept = write_tau(run, 0.5)
    try:
        for name, tau in (("pt2", None), ("pt2", 0.2), ("smp", None)):
            with pytest.raises(KeyboardInterrupt):
                export_run.export_run(run, name, tmp_path / "new", tau=tau)
    finally:
        kept.unlink()
    for offset, tau in zip(offsets, (0.5, 0.2, 0), strict=True):
        torch.testing.assert_close(offset, -tau * prior)


def test_packages_that_are_not_installed_are_named(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None if "onnx" in name else name)
    assert main([str(run), "--format", "onnx"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: --format onnx needs onnx, onnxscript, onnxruntime;")
    assert "'lit-seg[export]'" in message


def _operation(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"


def _file(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"


def _expression(program: dict[str, Any]) -> None:
    values = program["graph_module"]["graph"]["tensor_values"]
    sizes = next(v["sizes"] for v in values.values() if "as_expr" in str(v["sizes"][:1]))
    sizes[0]["as_expr"]["expr_str"] = "__import__('pathlib').Path('it').touch()"


def _node_name(program: dict[str, Any]) -> None:
    program["graph_module"]["graph"]["nodes"][0]["name"] = "x; __import__('os')"


def _tree(program: dict[str, Any]) -> None:
    signature = program["graph_module"]["module_call_graph"][0]["signature"]
    signature["in_spec"] = signature["in_spec"].replace("builtins.tuple", "os.system")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_operation, r"torch\.os\.system"),
        (_file, "from_file"),
        (_expression, "expr_str"),
        (_node_name, "name is .x; "),
        (_tree, "in_spec"),
    ],
)
def test_what_could_run_code_is_refused(
    change: Callable[[dict[str, Any]], None], named: str, pt2: Path, tmp_path: Path
) -> None:
    def edited(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        program = json.loads(content)
        change(program)
        return json.dumps(program).encode()

    file = rewritten(pt2 / "model.pt2", tmp_path, edited)
    with pytest.raises(RunError, match=named) as error:
        load_exported(file)
    assert str(file) in str(error.value)


def test_pickles_and_libraries_are_refused(pt2: Path, tmp_path: Path) -> None:
    def pickled(name: str, content: bytes) -> bytes:
        return content.replace(b'"use_pickle": false', b'"use_pickle": true')

    with pytest.raises(RunError, match="pickle"):
        load_exported(rewritten(pt2 / "model.pt2", tmp_path, pickled))
    file = rewritten(pt2 / "model.pt2", tmp_path, lambda name, content: content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("model/data/aotinductor/model/lib.so", b"")
    with pytest.raises(RunError, match=r"lib\.so"):
        load_exported(file)


def test_conditions_and_examples_of_the_file_are_not_run(pt2: Path, tmp_path: Path) -> None:
    def edited(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        program = json.loads(content)
        program["guards_code"] = ["__import__('pathlib').Path('it').touch() or True"]
        return json.dumps(program).encode()

    copy = read_plain_export(rewritten(pt2 / "model.pt2", tmp_path, edited))
    with zipfile.ZipFile(copy) as archive:
        (program,) = (name for name in archive.namelist() if name.endswith("models/model.json"))
        assert json.loads(archive.read(program))["guards_code"] == []
        (example,) = (name for name in archive.namelist() if "sample_inputs" in name)
        assert archive.read(example) == b""


@pytest.mark.parametrize("suffix", [".pt2", ".onnx", ".bin"])
def test_what_is_no_export_is_named(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"model{suffix}"
    with pytest.raises(RunError, match="no such file"):
        load_exported(file)
    file.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(RunError) as error:
        load_exported(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def rewritten(file: Path, folder: Path, edit: Callable[[str, bytes], bytes]) -> Path:
    """A copy of a .pt2 file whose parts are edited."""
    copy = folder / "edited.pt2"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        for part in old.infolist():
            new.writestr(part.filename, edit(part.filename, old.read(part)))
    return copy
