"""Every YAML block of docs/own_data.md loads a folder that is as it says, and one trains."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from jsonargparse import ArgumentParser
from PIL import Image

from lit_seg.cli.main import main
from lit_seg.data import Folder, SegDataModule
from lit_seg.metrics.labels import VOID
from tests.conftest import TINY, layers
from tests.data.layout_of_folder import write_folder, write_pair
from tests.data.layouts import save

DOC = (Path(__file__).parent.parent / "docs" / "own_data.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
(LINES,) = re.findall(r"```text\n(.*?)```", DOC, re.DOTALL)
ROWS = re.findall(r"^\| (.*?) \| `` (.*) `` \| .* \|$", DOC, re.MULTILINE)
BLACK_AND_WHITE = {"background": 0, "crack": 255}
STEMS = [f"{place}{i}" for place in ("", "town/") for i in range(10)]


def complete(block: str, root: Path) -> dict[str, Any]:
    """A block as a whole configuration, at a root that is there and small enough to test."""
    given = yaml.safe_load(block)
    options = given["data"]["init_args"] if "data" in given else given
    small = {"root": str(root), "num_workers": 0, "batch_size": 2}
    options = {"height": 64, "width": 96, **options, **small}
    return {"data": {"class_path": "Folder", "init_args": options}}


def values(options: dict[str, Any]) -> list[Any]:
    """What the masks hold: every id or colour, void too."""
    if "ids" in options:
        ids = options["ids"]
        if "threshold" in options:
            return [0, options["threshold"] - 1, options["threshold"], 255]
        found = list(range(len(ids))) if isinstance(ids, list) else flat(ids.values(), int)
        return [*found, *options.get("ignore", ()), *([] if VOID in found else [VOID])]
    found = [*flat(options["colours"].values(), list), *options.get("ignore", ())]
    channels = max(map(len, found))
    return [[*colour, 255][:channels] for colour in found]


def flat(given: Any, kind: type) -> list[Any]:
    given = [int(v.partition("-")[0]) if isinstance(v, str) else v for v in given]  # of a range
    single = [isinstance(value if kind is int else value[0], int) for value in given]
    pairs = zip(given, single, strict=True)
    return [v for value, one in pairs for v in ([value] if one else value)]


def write(options: dict[str, Any], root: Path) -> None:
    """The folder that the options describe."""
    ends = options.get("image_suffix", ".jpg"), options.get("mask_suffix", ".png")
    places = [options.get("images", "images"), options.get("masks", "masks")]
    splits = options.get("splits", {})
    folders = list(splits.values()) if "{split}" in places[0] else [""]
    for folder in folders:
        image, mask = (place.replace("{split}", folder) for place in places)
        for seed, stem in enumerate(STEMS):
            size = [(40, 60), (60, 40), (64, 96)][seed % 3]
            files = f"{image}/{stem}{ends[0]}", f"{mask}/{stem}{ends[1]}"
            write_pair(root, *files, size, seed, values(options), np.uint8)
            if channels := options.get("channels"):
                save(root / files[0], np.zeros((*size, channels), np.uint8))
            if ends[0] == "_rgb.png":
                save(root / f"{image}/{stem}_depth.png", np.zeros(size, np.uint16))
    lists = [v for v in splits.values() if isinstance(v, str)] if folders == [""] else []
    for i, name in enumerate(lists):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("\n".join(STEMS[i :: len(lists)]))


def load(config: dict[str, Any], tmp_path: Path) -> Folder:
    parser = ArgumentParser()
    parser.add_subclass_arguments(SegDataModule, "data")
    parser.add_argument("--config", action="config")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    args = parser.parse_args(["--config", str(tmp_path / "mine.yaml")])
    data = parser.instantiate_classes(args).data
    assert isinstance(data, Folder)
    return data


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_block_loads(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    config = complete(block, tmp_path / "mine")
    options = config["data"]["init_args"]
    write(options, tmp_path / "mine")
    data = load(config, tmp_path)
    names = list(options.get("ids", options.get("colours")))
    assert data.class_names == [*names, *(["void"] if "void" in options else [])]
    assert min(data.class_counts.pixels) > 0
    sizes = [len(data.split(name)) for name in ("train", "val")]
    assert sizes[0] >= sizes[1] > 0
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape[2:] == (data.crop or (data.height, data.width))
    (whole,) = {tuple(batch["image"].shape[2:]) for batch in data.val_dataloader()}
    assert whole == (data.height, data.width)
    has_255 = options.get("ids") == BLACK_AND_WHITE or "threshold" in options
    void = "ignore" in options or ("ids" in options and not has_255)
    found = np.unique(data.split("train").label(0)).tolist()
    assert found == [*range(len(names)), *([VOID] if void else [])]


def test_the_first_block_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    config = complete(BLOCKS[0], tmp_path / "mine")
    write(config["data"]["init_args"], tmp_path / "mine")
    config["data"]["init_args"] |= {"height": 64, "width": 96}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    args = layers("recall")
    args[3] = str(tmp_path / "mine.yaml")
    steps = ["--trainer.max_epochs", "-1", "--trainer.max_steps", "2"]
    tiny = TINY[TINY.index("--trainer.precision") :]  # sizes are in the file
    assert main(["fit", *args, *tiny, *steps, "--run_dir", str(tmp_path / "run")]) == 0
    assert "road" in (tmp_path / "run" / "val_table.md").read_text()
    assert main(["test", "--ckpt_path", str(tmp_path / "run")]) == 0
    assert "road" in (tmp_path / "run" / "evaluation/test/table.md").read_text()


def test_the_lines_of_a_list(tmp_path: Path) -> None:
    for image, mask in (("town/a", "town/a"), ("town/b 2", "town/b 2"), ("town/c", "other name")):
        write_pair(tmp_path, f"images/{image}.jpg", f"masks/{mask}.png")
    (tmp_path / "train.txt").write_text(LINES)
    splits: dict[str, float | str] = {"train": "train.txt"}
    data = Folder(root=str(tmp_path), ids=["a", "b", "c"], height=8, width=8, splits=splits)
    found = [(image.stem, mask.stem) for image, mask in data.split("train").pairs]
    assert found == [("a", "a"), ("b 2", "b 2"), ("c", "other name")]


def test_splits_without_a_word(tmp_path: Path) -> None:
    """What the document says happens without options."""
    write_folder(tmp_path / "all", [str(i) for i in range(20)])
    data = Folder(root=str(tmp_path / "all"), ids=["a", "b", "c"], height=8, width=8)
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [16, 2, 2]


def damage(row: str, root: Path, options: dict[str, Any]) -> None:
    """Do to a folder what a row of the table says."""
    image, mask = root / "images/a.png", root / "masks/a.png"
    if row == "a folder of another name":
        (root / "images").rename(root / "pictures")
    elif row == "an image without a mask":
        mask.unlink()
    elif row == "a value that is no class":
        save(mask, np.full((12, 16), 200, np.uint8))
    elif row == "colours where ids are expected":
        save(mask, np.full((12, 16, 3), (9, 0, 200), np.uint8))
    elif row == "white that no class has":
        for path in mask.parent.iterdir():
            save(path, np.array([0, 1, 255], np.uint8)[np.indices((12, 16))[1] % 3])
    elif row == "smooth edges in a colour mask":
        del options["ids"]
        options["colours"] = {"a": [255, 0, 0], "b": [0, 255, 0], "c": [0, 0, 255]}
        save(mask, np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8))
    elif row == "masks saved as JPEG":
        mask.rename(mask.with_suffix(".jpg"))
    elif row == "image and mask of different size":
        save(mask, np.zeros((13, 16), np.uint8))
    elif row == "a photo that lies on its side":
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.open(image).save(image, exif=exif)
        save(mask, np.zeros((16, 12), np.uint8))
    elif row == "a damaged file":
        image.write_bytes(image.read_bytes()[:100])
    elif row == "images of 16 bits":
        save(image, np.full((12, 16), 999, np.uint16))
    elif row == "an image in two lists":
        (root / "val.txt").write_text("a\nb")
    elif row == "two files for one name":
        image.with_suffix(".jpg").write_bytes(image.read_bytes())
        (root / "train.txt").unlink()
    elif row == "no `height` and `width`":
        del options["height"], options["width"]
    else:
        pytest.fail(f"nothing is known of {row!r}")


def load_all(root: Path, options: dict[str, Any]) -> None:
    data = Folder(root=str(root), **options)
    data.prepare_data()
    for name in ("train", "val"):
        split = data.split(name)
        for index in range(len(split)):
            split.load(index)


@pytest.mark.parametrize(("row", "message"), ROWS, ids=[row for row, _ in ROWS])
def test_the_table_says_what_is_said(row: str, message: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, "abc")
    (root / "train.txt").write_text("a\nc")
    options: dict[str, Any] = {"ids": ["x", "y", "z"], "height": 12, "width": 16}
    if row in ("a folder of another name", "an image without a mask", "masks saved as JPEG"):
        (root / "train.txt").unlink()
    damage(row, root, options)
    with pytest.raises(ValueError, match=r"\S") as error:
        load_all(root, options)
    pattern = ".*".join(map(re.escape, message.split("…")))
    assert re.fullmatch(pattern, str(error.value)), error.value


def test_the_table_is_read() -> None:
    assert len(ROWS) == DOC.split("## Errors")[1].count("\n| ") - 1  # its head
    assert len(BLOCKS) == DOC.count("```yaml") > 10
