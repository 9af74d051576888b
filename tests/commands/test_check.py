"""`python -m lit_seg data check`: everything that is wrong with a dataset, in one list."""

import re
import shutil

import numpy as np
import pytest
from PIL import ExifTags, Image

from lit_seg.cli.commands.data import main
from lit_seg.cli.commands.data.check import look
from lit_seg.data import DATASETS, CamVid, Cityscapes
from lit_seg.data.splits import FileSplit
from lit_seg.errors import DataError, NotThereError
from tests.data import layout_of_ade20k, layout_of_nyuv2, layouts

OWN = """
data:
  class_path: Folder
  init_args:
    root: {root}
    name: fields
    ids: [soil, weed, crop]
    height: 64
    width: 64
"""


@pytest.fixture
def cityscapes(tmp_path, monkeypatch):
    """Of which no image is both in training and in validation."""
    monkeypatch.setattr(Cityscapes, "native_size", layouts.SIZES["cityscapes"])
    root = tmp_path / "data" / "cityscapes"
    layouts.cityscapes(root)
    for seed, image in enumerate(sorted(root.glob("leftImg8bit/*/*/[!.]*"))):
        save_noise(image, seed)
    return root


@pytest.fixture
def own(tmp_path):
    """A YAML file of a user, and the folder that it describes."""
    root = tmp_path / "fields"
    for seed, stem in enumerate("abcdef"):
        save_noise(root / "images" / f"{stem}.png", seed)
        layouts.save(root / "masks" / f"{stem}.png", (np.indices((16, 32))[0] % 3).astype(np.uint8))
    file = tmp_path / "fields.yaml"
    file.write_text(OWN.format(root=root))
    return file, root


def save_noise(path, seed, size=(16, 32)):
    layouts.save(path, np.random.default_rng(seed).integers(1, 256, (*size, 3), np.uint8))


def check(capsys, *args):
    """Exit code, the lines of the splits, and those of the problems."""
    code = main(["check", *map(str, args)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    *lines, last = out.splitlines()
    seen = [line for line in lines if re.match("(train|val  |test ) ", line)]
    problems = [line for line in lines if line not in seen]
    if problems:
        assert last == f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    else:
        assert last.startswith("nothing wrong with ")
    return code, seen, problems


def run(capsys):
    code = main(["check", "camvid"])
    return code, capsys.readouterr().out


def test_check_of_a_whole_dataset_finds_nothing(capsys, camvid):
    # the layout links a few files many times, and the splits differ
    code, out = run(capsys)
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
    code, out = run(capsys)
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
    code, out = run(capsys)
    assert code == 1
    assert "val_000050 of val is the image train_000001 of train" in out
    assert out.endswith("\n1 problem\n")


def test_check_says_what_it_did_not_look_at(capsys, camvid):
    (camvid / "test.txt").unlink()
    code, out = run(capsys)
    assert code == 0
    assert re.search(r"^test  not looked at: .*test\.txt: not found", out, re.M)
    (camvid / "val.txt").unlink()
    code, out = run(capsys)
    assert code == 1
    assert "val.txt: not found" in out


def test_check_of_data_that_is_not_here(capsys):
    code, out = run(capsys)
    assert code == 1
    assert "train.txt: not found" in out


def test_a_lost_half_of_either_kind_is_named(capsys, cityscapes):
    image = cityscapes / "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png"
    label = cityscapes / "gtFine/val/munster/munster_000000_000019_gtFine_labelIds.png"
    image.unlink()
    label.unlink()
    code, seen, problems = check(capsys, "cityscapes")
    assert code == 1
    assert problems == [f"{image}: no such file", f"{label}: no such file"]
    assert seen[0].startswith("train 6 images (officially 2975), of 16x32")


def test_a_lost_image_of_ade20k_is_named(capsys, tmp_path):
    root = tmp_path / "data" / "ade20k"
    layout_of_ade20k.write(root)
    image = root / "ADEChallengeData2016/images/training/ADE_train_00000003.jpg"
    image.unlink()
    _, _, problems = check(capsys, "ade20k", "--height", "16", "--width", "16")
    assert f"{image}: no such file" in problems


def test_every_bad_line_of_an_own_list_is_told_once(capsys, own):
    file, root = own
    (root / "train.txt").write_text("a\nnowhere\nb\n../c\na\nc\n")
    (root / "val.txt").write_text("d\nnot here\n")
    mask = root / "masks/c.png"
    mask.write_bytes(mask.read_bytes()[:50])
    (root / "masks/d.png").unlink()
    code, seen, problems = check(capsys, file)
    assert code == 1
    assert [line.split(" image")[0] for line in seen[:2]] == ["train 3", "val   1"]
    assert seen[2].startswith("test  not looked at: ")
    starts = [
        f"{root}/train.txt: line 2: there is no image 'nowhere'",
        f"{root}/train.txt: line 4: '../c' leads out of",
        f"{root}/train.txt: line 5: 'a' is the image of line 1 again",
        f"{root}/val.txt: line 2: there is no image 'not here'",
        f"{mask}: cannot be read as an image",
        f"{root}/masks/d.png: no such file",
    ]
    assert len(problems) == len(starts)
    for start, problem in zip(sorted(starts), sorted(problems), strict=True):
        assert problem.startswith(start)


def test_every_odd_file_of_own_folders_is_told(capsys, own):
    file, root = own
    shutil.copy(root / "images/a.png", root / "images/a.bmp")
    shutil.copy(root / "masks/b.png", root / "masks/b.bmp")
    (root / "masks/c.png").rename(root / "masks/c.jpg")
    (root / "images/d.png").unlink()
    (root / "masks/e.png").write_bytes(b"")
    _, _, problems = check(capsys, file)
    said = [
        "images/a.png: would have the mask of a.bmp too",
        "masks/b.png: b.bmp could be the mask of b.png too",
        "masks/c.jpg: JPEG changes the values",
        "masks/d.png: no image belongs to it",
        "masks/e.png: cannot be read as an image (it is empty)",
    ]
    assert len(problems) == len(said)
    for start, problem in zip(said, sorted(problems, key=by_stem), strict=True):
        assert problem.startswith(f"{root}/{start}")


def by_stem(problem):
    return problem.split(": ")[0].rsplit("/")[-1]


def test_an_image_in_two_lists_does_not_hide_the_rest(capsys, own):
    file, root = own
    (root / "train.txt").write_text("a\nb\n")
    (root / "val.txt").write_text("b\nc\n")
    (root / "masks/c.png").write_bytes(b"")
    _, _, problems = check(capsys, file)
    assert any("images/b.png is in train.txt and in val.txt" in problem for problem in problems)
    assert "images/b of val is the image images/b of train" in problems
    assert any(problem.startswith(f"{root}/masks/c.png: ") for problem in problems)


@pytest.mark.parametrize("split", ["", "train"])
def test_a_mask_without_image_is_named(capsys, own, split):
    file, root = own
    if split:
        for kind in ("images", "masks"):
            (root / kind).rename(root / "x")
            (root / kind).mkdir()
            (root / "x").rename(root / kind / split)
    (root / "images" / split / "b.png").unlink()
    code, _, problems = check(capsys, file)
    assert code == 1
    assert problems == [f"{root / 'masks' / split / 'b.png'}: no image belongs to it"]


def test_every_lost_image_of_nyuv2_is_told(capsys, tmp_path):
    root = tmp_path / "data" / "nyuv2"
    layout_of_nyuv2.write(root)
    images = [root / f"nyu_train_rgb/nyu_rgb_{number:04}.png" for number in (4, 7)]
    label = root / "train_labels_13/new_nyu_class13_0007.png"
    for image in images:
        image.unlink()
    label.write_bytes(label.read_bytes()[:50])
    other = root / "test_labels_13/new_nyu_class13_0009.png"
    other.unlink()
    _, _, problems = check(capsys, "nyuv2")
    assert sorted(problem.split(": ")[0] for problem in problems) == sorted(
        map(str, [*images, label, other])
    )


def test_bad_lines_of_nyuv2_are_told_together(capsys, tmp_path):
    root = tmp_path / "data" / "nyuv2"
    layout_of_nyuv2.write(root, "label40")
    with (root / "train.txt").open("a") as listing:
        listing.write("RGB/3.jpg Label/3.png\n../x.jpg\nRGB/1.jpg Label/1.png\n")
    (root / "Label/6.png").write_bytes(b"")
    _, _, problems = check(capsys, "nyuv2")
    text = "\n".join(problems)
    assert len([problem for problem in problems if "train.txt: line 11: lists 3" in problem]) == 1
    assert "train.txt: line 12: '../x.jpg' leads out of" in text
    assert re.search(r"train\.txt: lists 1, as .*test\.txt does \(1 such", text)
    assert "Label/6.png: cannot be read as an image (it is empty)" in text


@pytest.mark.parametrize("content", [None, "short"])
def test_a_broken_test_split_is_a_problem(capsys, camvid, content):
    listing = camvid / "test.txt"
    lines = listing.read_text().splitlines()
    lines[7:8] = ["a b c"] if content is None else []
    listing.write_text("\n".join(lines))
    code, seen, problems = check(capsys, "camvid")
    assert code == 1
    assert len(problems) == 1
    said = "line 8: expected an image and" if content is None else "lists 232 images"
    assert said in problems[0]
    assert seen[2].startswith("test  232 images")


def test_a_test_split_that_cannot_be_made_is_a_problem(capsys, camvid, monkeypatch):
    split = CamVid.split

    def fail(data, name):
        if name == "test":
            raise DataError("test.txt: is broken")
        return split(data, name)

    monkeypatch.setattr(CamVid, "split", fail)
    code, _, problems = check(capsys, "camvid")
    assert (code, problems) == (1, ["test.txt: is broken"])


@pytest.mark.parametrize("name", [name for name, data in DATASETS.items() if data.card.images])
def test_splits_that_are_not_published_are_not_there(name):
    size = {} if DATASETS[name].native_size else {"height": 16, "width": 16}
    if "test" not in DATASETS[name].card.images:
        with pytest.raises(NotThereError, match="score on `val`"):
            DATASETS[name](**size).split("test")


@pytest.mark.parametrize("layout", ["class13", "label40"])
def test_nyuv2_may_lack_its_test_split(capsys, tmp_path, layout):
    root = tmp_path / "data" / "nyuv2"
    layout_of_nyuv2.write(root, layout)
    if layout == "class13":
        shutil.rmtree(root / "test_labels_13")
    else:
        (root / "test.txt").unlink()
    code, seen, problems = check(capsys, "nyuv2")
    assert code == 1
    assert len(problems) == 1  # of val, which is the same
    assert seen[-1].startswith("test  not looked at: ")


def test_a_dataset_without_a_test_split_is_whole(capsys, cityscapes):
    code, seen, problems = check(capsys, "cityscapes")
    assert (code, problems) == (0, [])
    assert seen[2].startswith("test  not looked at: the test labels of Cityscapes are not public")


def test_a_single_image_of_another_size_is_a_problem(capsys, cityscapes):
    stem = "munster_000000_000019"
    save_noise(cityscapes / f"leftImg8bit/val/munster/{stem}_leftImg8bit.png", 99, (10, 20))
    label = cityscapes / f"gtFine/val/munster/{stem}_gtFine_labelIds.png"
    layouts.save(label, np.full((10, 20), 7, np.uint8))
    code, _, problems = check(capsys, "cityscapes")
    assert code == 1
    (problem,) = problems
    assert problem.startswith(f"{stem}_leftImg8bit of val is 10x20 (height x width), most images")
    assert "16x32" in problem


def test_of_as_many_of_either_size_the_official_one_is_right(capsys, cityscapes):
    for seed, image in enumerate(sorted(cityscapes.glob("leftImg8bit/train/*/[!.]*"))):
        save_noise(image, seed, (10, 20))
    for label in cityscapes.glob("gtFine/train/*/[!.]*_labelIds.png"):
        layouts.save(label, np.full((10, 20), 7, np.uint8))
    _, _, problems = check(capsys, "cityscapes", "--alike", "list")
    assert len(problems) == 6
    assert all(" of train is 10x20 (height x width)" in problem for problem in problems)


def test_a_dataset_shrunken_as_a_whole_is_noted(capsys, cityscapes, monkeypatch):
    monkeypatch.setattr(Cityscapes, "native_size", (1024, 2048))
    code, seen, _ = check(capsys, "cityscapes")
    assert code == 0
    assert "of 16x32 (officially 1024x2048)," in seen[0]


def test_own_images_may_differ_in_size(capsys, own):
    file, root = own
    save_noise(root / "images/a.png", 9, (10, 20))
    layouts.save(root / "masks/a.png", np.zeros((10, 20), np.uint8))
    assert check(capsys, file)[0] == 0


def test_a_label_is_decoded_once(tmp_path):
    layouts.save(tmp_path / "image.png", np.full((2, 2, 3), 9, np.uint8))
    read = []

    def read_label(path):
        read.append(path)
        return np.zeros((2, 2), np.uint8)

    split = FileSplit([(tmp_path / "image.png", tmp_path / "label.png")], read_label)
    finding = look(split, 0)
    assert len(read) == 1
    assert finding.pixels[0] == 4
    (tmp_path / "image.png").unlink()
    assert look(split, 0).pixels[0] == 4  # counted alone


def test_both_halves_of_a_pair_may_be_damaged(own, capsys):
    file, root = own
    for kind in ("images", "masks"):
        (root / kind / "a.png").write_bytes(b"")
    _, _, problems = check(capsys, file)
    assert len(problems) == 2


def test_a_bad_mask_of_a_turned_photo_is_told_once(own, capsys):
    file, root = own
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.open(root / "images/a.png").save(root / "images/a.png", exif=exif)
    layouts.save(root / "masks/a.png", np.full((32, 16), 77, np.uint8))
    _, _, problems = check(capsys, file)
    (problem,) = problems
    assert "[77], expected only" in problem
    assert "EXIF orientation (6)" in problem


def test_how_an_own_folder_is_split_is_told_once(capsys, own, monkeypatch):
    told = []
    monkeypatch.setattr("lit_seg.data.datasets.own_folder.division.rank_zero_info", told.append)
    file, root = own
    (root / "train.txt").write_text("nowhere\n")
    check(capsys, file)
    assert len(told) == 1
    assert "splits by train.txt" in told[0]


def test_many_files_with_one_fault_make_one_line(capsys, own):
    file, root = own
    for mask in (root / "masks").iterdir():
        layouts.save(mask, np.full((16, 32), 7, np.uint8))
    (root / "masks/a.png").write_bytes(b"")
    assert main(["check", str(file)]) == 1
    *_, empty, alike, last = capsys.readouterr().out.splitlines()
    assert empty.startswith(f"{root}/masks/a.png: ")
    assert alike.startswith(f"5 files alike (`--alike list` lists them), first {root}/masks/")
    assert "[7], expected only 0-2, 255" in alike
    assert last == "6 problems"
    assert len(check(capsys, file, "--alike", "list")[2]) == 6


def test_255_that_no_class_has_is_a_problem(capsys, own):
    file, root = own
    for mask in (root / "masks").iterdir():
        layouts.save(mask, np.where(np.indices((16, 32))[0] > 7, 255, 0).astype(np.uint8))
    assert main(["check", str(file)]) == 1
    assert "no training pixel is weed, and the masks hold 255" in capsys.readouterr().out
