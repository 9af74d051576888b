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

from lit_seg.cli.commands.data import main
from lit_seg.data import DATASETS, CamVid
from lit_seg.data.card import Archive, DataCard
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
    assert "list, download, check, cache, count, show" in fails(capsys, "draw")


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


def test_count_prints_what_a_dataset_may_hold(capsys, camvid):
    code, out, _ = run(capsys, "count", "camvid")
    assert code == 0
    assert "367 images, 70,464 pixels, 8.33 % of them void" in out
    assert "differ from the published ones in lit_seg/data" in out
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


def test_a_dataset_of_your_own_class_is_looked_at_if_trusted(capsys, camvid, tmp_path, monkeypatch):
    (tmp_path / "my_data.py").write_text(
        "from lit_seg.data import CamVid\nclass Mine(CamVid):\n    pass\nclass Other:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text("data: {class_path: my_data.Mine}")
    assert "add `--trust my_data`" in fails(capsys, "count", str(file))
    assert run(capsys, "count", str(file), "--trust", "my_data")[0] == 0
    file.write_text("data: {class_path: my_data.Other}")
    assert "my_data.Other is no SegDataModule" in fails(
        capsys, "count", str(file), "--trust", "my_data"
    )
    file.write_text("data: {class_path: lit_seg.data.datasets.camvid.CamVid}")
    assert run(capsys, "count", str(file))[0] == 0


@pytest.mark.parametrize("command", ["count", "show"])
def test_there_are_three_splits(capsys, own, command):
    said = fails(capsys, command, str(own[0]), "--split", "Train")
    assert "--split must be one of train, val, test, got 'Train'" in said


def test_names_of_classes_and_files_are_shown_as_they_are(capsys, own, tmp_path):
    """Not as markup of rich or formulas of matplotlib."""
    file, root = own
    file.write_text(file.read_text().replace("soil", '"soil [/wet]"').replace("weed", '"$x$[b]"'))
    for folder in ("images", "masks"):
        (root / folder / "3.png").rename(root / folder / r"$\frac1$.png")
    out = run(capsys, "count", str(file))[1]
    assert "soil [/wet]" in out
    assert "$x$[b]" in out
    sheet = ("--out", str(tmp_path / "sheet.png"), "--number", "6")
    for split in ("train", "val"):
        assert run(capsys, "show", str(file), "--split", split, *sheet)[0] == 0
    assert "x.foo" in fails(capsys, "show", str(file), "--out", str(tmp_path / "x.foo"))


def test_show_draws_every_class(capsys, own, tmp_path):
    out_file = tmp_path / "sheet.png"
    code, out, _ = run(capsys, "show", str(own[0]), "--out", str(out_file), "--number", "2")
    assert code == 0
    assert str(out_file) in out
    picture = np.asarray(Image.open(out_file).convert("RGB")).reshape(-1, 3)
    for colour in ((90, 60, 30), (0, 200, 0), (200, 200, 0)):  # the bars
        assert (picture == colour).all(axis=1).sum() > 100


def test_show_chooses_the_images_with_rare_classes():
    from lit_seg.cli.commands.data.show import _chosen

    counts = np.zeros((30, 6), np.int64)
    counts[:, 0] = 100
    counts[17, 3] = counts[23, 4] = counts[23, 2] = 1
    counts[:, 5] = 7  # void
    chosen = _chosen(counts, 4)
    assert {17, 23} <= set(chosen)
    assert len(set(chosen)) == 4
    assert _chosen(counts, 64) == list(range(30))


def test_an_own_dataset_has_the_name_of_its_file(capsys, own, tmp_path, monkeypatch):
    """Else the sheet of one set would overwrite that of another."""
    file, _ = own
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moor.yaml").write_text(file.read_text().replace("    name: fields\n", ""))
    assert run(capsys, "show", "moor.yaml", "--number", "1")[1] == "moor_train.png\n"
    assert "train of moor" in run(capsys, "count", "moor.yaml")[1]
    assert "train of fields" in run(capsys, "count", "fields.yaml")[1]
    wrong = fails(capsys, "count", "fields.yaml", "--name", "../x")
    assert "`name` must be a name without slashes, got '../x'" in wrong


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
        (("nowhere.yaml",), "nowhere.yaml: there is no such configuration file"),
    ],
)
def test_mistakes_are_one_line(capsys, args, said):
    assert said in fails(capsys, "check", *args)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: [", "cannot be read as YAML"),
        ("", "holds nothing; a configuration is a mapping"),
        ("model: {}", "has no `data` section with a `class_path`"),
        ("data: {class_path: os.system}", "code of the package os runs only if you ask for it"),
        ("data: {class_path: Nosuch}", "no dataset 'Nosuch'; there are: Streets, CamVid"),
        ("data: {class_path: lit_seg.data.Mine}", "no dataset 'lit_seg.data.Mine'"),
        (
            "data: {class_path: Folder, init_args: 3}",
            "`data.init_args` must be such as `data: {class_path",
        ),
        ("data: {class_path: Folder, init_args: {rot: x}}", "rot"),
        (
            "data: {class_path: Folder, init_args: {crop: 64}}",
            "a list such as [256, 256], got 64",
        ),
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


@pytest.mark.slow
def test_it_is_found_from_the_command_line_without_loading_lightning_cli():
    code = (
        "import sys; sys.argv[1:] = ['data', 'list']\n"
        "from lit_seg.__main__ import main\n"
        "assert main() == 0\n"
        "assert not {'lit_seg.cli.main', 'wandb', 'scipy.io'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=100)
