"""Your own folder, the other datasets, sampling, and the commands that look at data."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import yaml
from PIL import Image
from pytorch_lightning.trainer.states import TrainerFn

from lit_seg.cli.commands.data import main as data_command
from lit_seg.data import ADE20K, Folder, NYUv2, OxfordPet, Synthia, VirtualKITTI2
from lit_seg.data.base import SegDataModule
from lit_seg.data.label_maps import read_ids
from lit_seg.images import bands
from lit_seg.images.decode import read_image
from tests.bad_input.case import Case, World, read
from tests.data import layout_of_ade20k, layout_of_nyuv2, layout_of_synthia, layout_of_vkitti2
from tests.data.layout_of_folder import write_folder
from tests.data.layouts import save

OWN = {"ids": ["sky", "road", "car"], "height": 64, "width": 96, "num_workers": 0, "batch_size": 2}


def _own(spoil: Callable[[Path], object], options: str = ""):
    """A folder of ten images, spoiled, and more options of the dataset."""

    def provoke(world: World) -> int:
        root = write_folder(world.tmp / "own")
        spoil(root)
        return read(Folder(**{**OWN, "root": str(root), **yaml.safe_load(f"{{{options}}}")}))

    return provoke


def _permuted(world: World) -> int:
    """What a resumed run does with the same masks and other ids."""
    root = str(write_folder(world.tmp / "own"))
    other = Folder(**{**OWN, "root": root, "ids": {"sky": 1, "road": 0, "car": 2}})
    other.trainer = SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING))
    other.load_state_dict(Folder(**{**OWN, "root": root}).state_dict())
    return 0


def _nothing(root: Path) -> None:
    pass


def _listed(name: str, text: str):
    def spoil(root: Path) -> None:
        (root / "train.txt").write_text("a\nb\n")
        (root / "val.txt").write_text("c\n")
        (root / name).write_text(text)

    return spoil


def _jpeg_masks(root: Path) -> None:
    for mask in (root / "masks").iterdir():
        mask.rename(mask.with_suffix(".jpg"))


def _loads(
    data: type[SegDataModule], write: Callable[[Path], object], spoil: Callable[[Path], object]
):
    """The first training sample of a dataset that was written and spoiled."""

    def provoke(world: World) -> int:
        root = world.tmp / "data"
        write(root)
        spoil(root)
        size = {"height": 16, "width": 16} if data.native_size is None else {}
        data(root=str(root), **size).split("train").load(0)
        return 0

    return provoke


def _colour_ade(root: Path) -> None:
    label = root / "ADEChallengeData2016/annotations/training/ADE_train_00000001.png"
    save(label, np.zeros((*layout_of_ade20k.SIZE, 3), np.uint8))


def _narrow_synthia(root: Path) -> None:
    for label in (root / "SYNTHIA-SEQS-05-SUMMER/GT/LABELS").rglob("0*.png"):
        save(label, np.ones((*layout_of_synthia.SIZE, 3), np.uint8))


def _older_vkitti(root: Path) -> None:
    for label in root.rglob("classgt_*.png"):
        save(label, np.full((*layout_of_vkitti2.SIZE, 3), (255, 100, 255), np.uint8))


def _damaged_mat(root: Path) -> None:
    (root / "nyu_depth_v2_labeled.mat").write_bytes(b"MATLAB 5.0 MAT-file")


def _without_tifffile(world: World) -> None:
    world.patch.setattr(bands, "find_spec", lambda name: None)
    bands.read_bands(Path("x.tif"), 1)


def _deep_image(world: World) -> int:
    read_image(save(world.tmp / "deep.png", np.full((4, 4), 999, np.uint16)))
    return 0


def _jpeg_inside(world: World) -> int:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(world.tmp / "mask.png", "JPEG")
    read_ids(world.tmp / "mask.png")
    return 0


def _pages(world: World) -> int:
    page = Image.fromarray(np.zeros((8, 8), np.uint8))
    page.save(world.tmp / "pages.tif", save_all=True, append_images=[page])
    read_image(world.tmp / "pages.tif")
    return 0


def _command(*args: str):
    return lambda world: data_command(args)


def _counts_own(options: str):
    """Own data whose root is not there: what is wrong is told before it is looked at."""
    return _count(f"data: {{class_path: Folder, init_args: {{{options}}}}}")


def _black_and_white(root: Path) -> None:
    write_folder(root, values=(0, 255))


def _black(root: Path) -> None:
    write_folder(root, values=(0,))


def _grey_edges(root: Path) -> None:
    write_folder(root, values=(0, 90, 255))


def _unread(root: Path) -> None:
    for image in sorted((root / "images").iterdir())[2:]:
        image.rename(image.with_suffix(".heic"))


def _count(text: str):
    return lambda world: data_command(["count", world.config(text)])


CASES = [
    Case("resume-changed-classes", _permuted, ("/own", " own ")),
    Case("own-classes-missing", _own(_nothing, "ids: null"), ()),
    Case(
        "own-ids-twice",
        lambda w: w.main(["fit", "--data=Folder", "--data.ids={sky: 1, road: [0, 1]}"]),
        ("'sky'", "'road'"),
    ),
    Case("own-size-missing", _own(_nothing, "height: 0"), ("`height`", "got 0")),
    Case("own-root-missing", _own(shutil.rmtree), ("own",)),
    Case(
        "own-root-home",
        lambda world: len(Folder(root="~nosuch_user/x", ids=["a", "b"], height=8, width=8).names),
        ("~nosuch_user/x",),
    ),
    Case("own-no-image", _own(lambda root: shutil.rmtree(root / "images")), ("own/images",)),
    Case("own-mask-missing", _own(lambda r: (r / "masks/c.png").unlink()), ("c.png", "1 of 10")),
    Case("own-mask-jpeg", _own(_jpeg_masks), ("masks/a.jpg",)),
    Case("own-list-missing", _own(_nothing, "splits: {train: no.txt, val: 0.1}"), ("no.txt",)),
    Case("own-list-line", _own(_listed("train.txt", "a\nnosuch\n")), ("line 2", "nosuch")),
    Case("own-list-twice", _own(_listed("train.txt", "a\nb\na\n")), ("line 3", "line 1")),
    Case("own-leak", _own(_listed("val.txt", "b\n")), ("b.png", "train.txt", "val.txt")),
    Case("own-shape", _counts_own("ids: background"), ("'background'",)),
    Case("own-level", _count("data: {class_path: Folder, ids: [a, b]}"), ("mine.yaml",)),
    Case("own-key-misspelt", _counts_own("idz: [a, b]"), ("mine.yaml",)),
    Case("own-key-twice", _counts_own("ids: {a: 0,\n b: 1,\n a: 2}"), ("'a'", "lines 1 and 3")),
    Case("own-name-no-text", _counts_own("ids: [no, yes]"), ()),
    Case("own-name-long", _counts_own(f"ids: [a, {'x' * 301}]"), ("301", "xxx")),
    Case("own-one-class", _counts_own("ids: {crack: 255}"), ("'crack'", "crack: 255")),
    Case("own-many-classes", _counts_own(f"ids: {[f'c{i}' for i in range(255)]}"), ("255",)),
    Case("own-255-is-void", _own(_black_and_white, "ids: [soil, crack]"), ("own", "crack")),
    Case(
        "own-grey-edges",
        _own(_grey_edges, "ids: {crack: 255, soil: 0}"),
        ("[90]", "`ids: [soil, crack]`"),
    ),
    Case("own-nothing-to-learn", _own(_black, "ids: [soil, crack]"), ("soil", "crack")),
    Case("own-skipped", _own(_unread), ("files left out: 8", "8 .heic", "8 have a mask", "c.heic")),
    Case("own-splits-above-one", _own(_nothing, "splits: {train: 0.9, val: 0.2}"), ("0.9", "0.2")),
    Case("own-colours", _own(_nothing, "ids: null, colours: {a: [1, 1, 1], b: [2, 2, 2]}"), ()),
    Case("own-channels", _own(_nothing, "channels: 4"), ("own/images/",)),
    Case("own-statistics", _own(_nothing, "mean: [1.0]"), ("[1.0]",)),
    Case("own-tifffile-missing", _without_tifffile, ("x.tif",)),
    Case("image-16-bit", _deep_image, ("deep.png",)),
    Case("ade20k-full", _loads(ADE20K, layout_of_ade20k.write, _colour_ade), ("00000001.png",)),
    Case("synthia-8-bit", _loads(Synthia, layout_of_synthia.write, _narrow_synthia), ("8-bit",)),
    Case("vkitti1", _loads(VirtualKITTI2, layout_of_vkitti2.write, _older_vkitti), ("classgt_",)),
    Case(
        "nyuv2-damaged",
        _loads(NYUv2, lambda root: layout_of_nyuv2.write(root, "mat"), _damaged_mat),
        ("nyu_depth_v2_labeled.mat",),
    ),
    Case("pet-void-twice", lambda w: len(OxfordPet(height=16, width=16, void="train").names)),
    Case(
        "sampling-threshold",
        lambda w: w.fit(
            *("--data.init_args.sampling", "RepeatFactor"),
            *("--data.init_args.sampling.threshold", "2"),
        ),
        ("got 2",),
    ),
    Case("sampling-unknown", lambda w: w.fit("--data.init_args.sampling", "Nosuch"), ("Nosuch",)),
    Case("data-command-unknown", _command("chek"), ("'chek'", "'check'")),
    Case("data-command-name", _command("count", "camvidd"), ("'camvidd'", "'camvid'")),
    Case("data-command-option", _command("count", "streets", "--rot", "x"), ("--rot",)),
    Case("data-file-no-data", _count("model: {}"), ("mine.yaml",)),
    Case("data-file-class", _count("data: {class_path: Nosuch}"), ("'Nosuch'",)),
    Case("data-file-foreign-code", _count("data: {class_path: os.system}"), ("os.system",)),
    Case("mask-holds-jpeg", _jpeg_inside, ("mask.png",)),
    Case("tiff-of-pages", _pages, ("pages.tif", "2 pages")),
]
