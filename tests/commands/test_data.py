"""`python -m lit_seg data ...`: what it shows, what it finds, and what it says of mistakes."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_seg.commands.data import main
from lit_seg.data import DATASETS, CamVid
from lit_seg.data.card import DataCard
from lit_seg.data.download.archive import Archive
from tests.data import layouts
from tests.data.server import Server

OWN = """
data:
  class_path: Folder
  init_args:
    root: {root}
    name: fields
    colours: {{soil: [90, 60, 30], weed: [0, 200, 0], crop: [200, 200, 0]}}
    splits: {{train: 0.5, val: 0.5}}
    height: 64
    width: 64
    sampling: {{class_path: RepeatFactor}}
trainer: {{max_epochs: 1}}
"""


@pytest.fixture(autouse=True)
def _private(tmp_path, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    monkeypatch.setattr(CamVid, "native_size", layouts.SIZES["camvid"])
    root = tmp_path / "data" / "camvid"
    layouts.camvid(root)
    return root


@pytest.fixture
def own(tmp_path):
    """A YAML file of a user, and the folder that it describes."""
    root = tmp_path / "my fields"
    colours = np.array([[90, 60, 30], [0, 200, 0], [200, 200, 0]], np.uint8)
    rng = np.random.default_rng(0)
    for i in range(6):
        size = (20 + i, 30)
        layouts.save(root / "images" / f"{i}.png", rng.integers(1, 256, (*size, 3), np.uint8))
        label = np.zeros(size, int)
        label[:5, : 5 + i] = 1
        label[10:12, :10] = 2 if i % 2 else 0
        layouts.save(root / "masks" / f"{i}.png", colours[label])
    file = tmp_path / "fields.yaml"
    file.write_text(OWN.format(root=root))
    return file, root


def run(capsys, *args):
    code = main(args)
    out, err = capsys.readouterr()
    return code, out, err


def fails(capsys, *args):
    code, _, err = run(capsys, *args)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_without_a_command_it_says_what_there_is(capsys):
    for args, code in (((), 2), (("--help",), 0)):
        assert main(args) == code
        shown = capsys.readouterr().out
        assert all(name in shown for name in ("list", "download", "check", "count", "show"))
    assert "list, download, check, count, show" in fails(capsys, "draw")


def test_list_shows_every_dataset_and_what_is_here(capsys, camvid):
    code, out, _ = run(capsys, "list")
    assert code == 0
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if "│" in line}
    assert set(rows) >= set(DATASETS)
    assert "367 / 101 / 233" in rows["camvid"]
    assert rows["camvid"].split("│")[-2].strip() == "yes"
    assert rows["cityscapes"].split("│")[-2].strip() == ""


@pytest.mark.parametrize("name", DATASETS)
def test_list_tells_all_about_one(name, capsys):
    code, out, _ = run(capsys, "list", name)
    assert code == 0
    card = DATASETS[name].card
    assert card.licence in out
    assert card.citation in out
    assert card.how_to_get in out
    assert all(archive.url in out for archive in card.downloads)


def test_list_knows_no_others(capsys):
    assert "camvid" in fails(capsys, "list", "nosuch")


def test_check_of_a_whole_dataset_finds_nothing(capsys, camvid):
    # the layout links a few files many times, and the splits differ
    code, out, _ = run(capsys, "check", "camvid")
    assert code == 0
    assert "train 367 images, of 12x16, 8.33 % void, all 11 classes" in out
    assert out.endswith("nothing wrong with camvid\n")


def test_check_lists_all_that_is_wrong_at_once(capsys, camvid):
    damage = {
        "train/train_000005.png": b"",
        "train/train_000007.png": (camvid / "train/train_000007.png").read_bytes()[:90],
        "trainannot/train_000009.png": np.full((12, 16), 200, np.uint8),
        "trainannot/train_000011.png": np.zeros((13, 16), np.uint8),
        "trainannot/train_000013.png": np.zeros((12, 16, 3), np.uint8),
        "trainannot/train_000015.png": np.full((12, 16), 300, np.uint16),
        "val/val_000003.png": None,
        "valannot/val_000004.png": b"<html>",
    }
    for name, content in damage.items():
        path = camvid / name
        path.unlink()
        if isinstance(content, np.ndarray):
            layouts.save(path, content)
        elif content is not None:
            path.write_bytes(content)
    code, out, _ = run(capsys, "check", "camvid")
    assert code == 1
    problems = [line for line in out.splitlines() if line.startswith(str(camvid))]
    assert {line.split(": ")[0] for line in problems} == {str(camvid / name) for name in damage}
    assert len(problems) == len(damage)
    assert out.endswith(f"{len(damage)} problems\n")
    assert f"{camvid / 'val/val_000003.png'}: no such file" in out
    assert "[200], expected only 0-11" in out
    assert "is 13x16 (height x width), its image" in out


def test_check_tells_of_images_that_are_trained_and_scored(capsys, camvid):
    shutil.copy(camvid / "train/train_000001.png", camvid / "new.png")
    (camvid / "new.png").replace(camvid / "val/val_000050.png")
    code, out, _ = run(capsys, "check", "camvid")
    assert code == 1
    assert "val_000050 of val is the image train_000001 of train" in out
    assert out.endswith("\n1 problem\n")


def test_check_says_what_it_did_not_look_at(capsys, camvid):
    (camvid / "test.txt").unlink()
    code, out, _ = run(capsys, "check", "camvid")
    assert code == 0
    assert re.search(r"^test  not looked at: .*test\.txt: not found", out, re.M)
    (camvid / "val.txt").unlink()
    code, out, _ = run(capsys, "check", "camvid")
    assert code == 1
    assert "val.txt: not found" in out


def test_check_of_data_that_is_not_here(capsys):
    code, out, _ = run(capsys, "check", "camvid")
    assert code == 1
    assert "train.txt: not found" in out


def test_count_prints_what_a_dataset_may_hold(capsys, camvid):
    code, out, _ = run(capsys, "count", "camvid")
    assert code == 0
    assert "367 images, 70,464 pixels, 8.33 % of them void" in out
    assert "differ from the constant of lit_seg/data" in out
    printed = out.splitlines()[-1]
    assert printed.startswith("ClassCounts(pixels=(5872, ")
    assert "images=(367, 367, " in printed


def test_count_of_another_split_and_of_own_data(capsys, own):
    file, root = own
    for split in ("train", "val"):
        code, out, _ = run(capsys, "count", str(file), "--split", split)
        assert code == 0
        assert "3 images" in out
        assert f"{split} of fields" in out
    both = [int(n) for n in re.findall(r"pixels=\((\d+),", "".join(out))]
    labels = [np.asarray(Image.open(path)) for path in sorted((root / "masks").glob("*"))]
    assert both[0] < sum(int((label == (90, 60, 30)).all(-1).sum()) for label in labels)


def test_options_of_the_dataset_win_over_the_file(capsys, own, tmp_path):
    file, root = own
    root.rename(tmp_path / "moved")
    assert "there is no such folder" in fails(capsys, "count", str(file))
    assert run(capsys, "count", str(file), "--root", str(tmp_path / "moved"))[0] == 0


def test_show_draws_every_class(capsys, own, tmp_path):
    out_file = tmp_path / "sheet.png"
    code, out, _ = run(capsys, "show", str(own[0]), "--out", str(out_file), "--number", "2")
    assert code == 0
    assert str(out_file) in out
    picture = np.asarray(Image.open(out_file).convert("RGB")).reshape(-1, 3)
    for colour in ((90, 60, 30), (0, 200, 0), (200, 200, 0)):  # the bars
        assert (picture == colour).all(axis=1).sum() > 100


def test_show_chooses_the_images_with_rare_classes():
    from lit_seg.commands.data.show import _chosen

    counts = np.zeros((30, 6), np.int64)
    counts[:, 0] = 100
    counts[17, 3] = counts[23, 4] = counts[23, 2] = 1
    counts[:, 5] = 7  # void
    chosen = _chosen(counts, 4)
    assert {17, 23} <= set(chosen)
    assert len(set(chosen)) == 4
    assert _chosen(counts, 64) == list(range(30))


def test_show_names_what_cannot_be_written(capsys, own, tmp_path):
    assert "nowhere" in fails(capsys, "show", str(own[0]), "--out", str(tmp_path / "nowhere/x.png"))
    assert "--number must be 1 to 64, got 0" in fails(capsys, "show", str(own[0]), "--number", "0")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "check of what? Give one of streets, camvid"),
        (("nosuch",), "no dataset 'nosuch'; there are: streets, camvid"),
        (("camvid", "--rot", "x"), "--rot"),
        (("camvid", "--void", "maybe"), "void"),
        (("nowhere.yaml",), "nowhere.yaml: there is no such file"),
    ],
)
def test_mistakes_are_one_line(capsys, args, said):
    assert said in fails(capsys, "check", *args)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: [", "is no YAML file"),
        ("model: {}", "has no `data` section with a `class_path`"),
        ("data: {class_path: os.system}", "no dataset 'os.system'; there are: Streets, CamVid"),
        ("data: {class_path: Folder, init_args: 3}", "must be names and values, got 3"),
        ("data: {class_path: Folder, init_args: {rot: x}}", "rot"),
        ("data: {class_path: Folder}", "`ids` or `colours` must name the classes"),
    ],
)
def test_files_that_describe_no_data(capsys, tmp_path, text, said):
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    error = fails(capsys, "check", str(file))
    assert said in error
    assert str(file) in error


@pytest.fixture
def fetchable(tmp_path, monkeypatch):
    """CamVid, as if it were offered by a server on this machine."""
    layouts.camvid(tmp_path / "made")
    archive = Path(shutil.make_archive(str(tmp_path / "made"), "zip", tmp_path / "made"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    from threading import Thread

    with Server() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.data = archive.read_bytes()
        offer = Archive(f"{server.url}/x.zip", f"md5:{hashlib.md5(server.data).hexdigest()}")
        card = CamVid.card
        new = DataCard(
            card.what, card.images, card.licence, card.citation, card.how_to_get, (offer,)
        )
        monkeypatch.setattr(CamVid, "card", new)
        monkeypatch.setattr(CamVid, "native_size", layouts.SIZES["camvid"])
        yield server
        server.shutdown()
        thread.join()


def test_download_brings_what_check_then_accepts(capsys, fetchable, tmp_path):
    code, out, _ = run(capsys, "download", "camvid")
    assert code == 0
    assert CamVid.card.licence in out
    assert "next: python -m lit_seg data check camvid" in out
    assert run(capsys, "check", "camvid")[0] == 0
    assert len(fetchable.requests) == 1
    assert run(capsys, "download", "camvid")[0] == 0
    assert len(fetchable.requests) == 1


def test_download_says_what_must_be_done_by_hand(capsys):
    code, out, _ = run(capsys, "download", "cityscapes")
    assert code == 1
    assert "account" in out
    assert run(capsys, "download", "streets")[0] == 0


def test_it_is_found_from_the_command_line_without_loading_lightning_cli(tmp_path):
    code = (
        "import sys; sys.argv[1:] = ['data', 'list']\n"
        "from lit_seg.__main__ import main\n"
        "assert main() == 0\n"
        "assert 'lit_seg.cli' not in sys.modules and 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=100)
