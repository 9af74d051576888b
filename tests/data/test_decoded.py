"""Decoded splits: the same samples bit by bit, made once, whole or not at all."""

import errno
import os
import pickle
import shutil
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lit_seg.__main__ import main
from lit_seg.data import decoded as module
from lit_seg.data.decoded import decoded_split, remove_decoded
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.errors import DataError, WriteError
from lit_seg.images.bands import read_bands
from lit_seg.images.resize import Limit
from tests.data import layouts
from tests.data.pictures import save

SIZES = [(5, 7), (12, 4), (8, 8), (1, 1), (9, 30)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def split(tmp_path):
    """Images of different sizes."""
    rng, pairs = np.random.default_rng(0), []
    for i, size in enumerate(SIZES):
        pairs.append((tmp_path / f"{i}.png", tmp_path / f"{i}_ids.png"))
        save(pairs[i][0], rng.integers(0, 256, (*size, 3)).astype(np.uint8))
        save(pairs[i][1], rng.integers(0, 3, size).astype(np.uint8))
    return FileSplit(pairs, LabelMap({c: c for c in range(3)}))


def decode(split, limit=None, meaning=""):
    return decoded_split(split, "mine", "train", meaning, limit)


def check_equal(found, split):
    assert len(found) == len(split)
    for i in range(len(split)):
        assert found.name(i) == split.name(i)
        for one, other in zip(found.load(i), split.load(i), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
            assert not one.flags.writeable
    np.testing.assert_array_equal(found.label(0), split.label(0))


def test_images_of_any_sizes_come_back_as_they_are_also_after_a_pickle(split, cache):
    found = decode(split)
    check_equal(found, split)
    written = pickle.dumps(found)
    assert len(written) < len(pickle.dumps(split)) + 500  # without the pixels
    check_equal(pickle.loads(written), split)
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".pixels"]


def test_sixteen_bits_and_other_channels(tmp_path):
    image = np.random.default_rng(0).integers(0, 60000, (6, 5)).astype(np.uint16)
    save(tmp_path / "a.png", image)
    save(tmp_path / "a_ids.png", np.zeros((6, 5), np.uint8))
    split = FileSplit(
        [(tmp_path / "a.png", tmp_path / "a_ids.png")],
        LabelMap({0: 0}),
        read_image=lambda path: read_bands(path, 1),
    )
    check_equal(decode(split), split)
    assert decode(split).load(0)[0].dtype == np.uint16


def test_it_is_made_once(split, monkeypatch):
    decode(split)
    monkeypatch.setattr(module, "_write", None)
    check_equal(decode(split), split)


@pytest.mark.parametrize("change", ["time", "bytes", "meaning", "version"])
def test_what_changed_is_decoded_again_in_the_place_of_the_old(split, cache, change, monkeypatch):
    decode(split)
    before = {path.name: path.stat().st_ino for path in cache.glob("*.pixels")}
    if change == "time":
        os.utime(split.pairs[2][1], (1, 1))
    elif change == "bytes":
        save(split.pairs[1][0], np.full((12, 4, 3), 7, np.uint8))
    elif change == "version":
        monkeypatch.setattr(module, "PIL", SimpleNamespace(__version__="99"))
    found = decode(split, meaning="other" if change == "meaning" else "")
    check_equal(found, split)
    after = {path.name: path.stat().st_ino for path in cache.glob("*.pixels")}
    assert not set(after.items()) <= set(before.items())
    assert len(after) == (2 if change == "meaning" else 1)  # another meaning is another split


def test_splits_that_begin_alike_have_files_of_their_own(split, cache):
    for others in ([1, 2], [3, 2], [2, 1]):
        part = FileSplit([split.pairs[i] for i in (0, *others)], LabelMap({c: c for c in range(3)}))
        check_equal(decode(part), part)
    assert len(list(cache.glob("*.pixels"))) == 3


def test_a_process_that_is_no_fork_does_not_read_what_was_made_anew_meanwhile(split):
    """It opens the file when it loads, where its loader handles errors; a fork has the old one."""
    found, sent = decode(split), pickle.dumps(decode(split))
    old = [found.load(i)[0].copy() for i in range(len(split))]
    save(split.pairs[1][0], np.full((12, 4, 3), 7, np.uint8))
    check_equal(decode(split), split)
    for i, image in enumerate(old):
        np.testing.assert_array_equal(found.load(i)[0], image)
    with pytest.raises(DataError, match=r"train-\w+.pixels: was made anew .* start this run again"):
        pickle.loads(sent).load(0)


@pytest.mark.parametrize("damage", ["empty", "cut", "index", "length", "rows"])
def test_a_damaged_file_is_made_again(split, cache, damage):
    found = decode(split)
    written = found.path.read_bytes()
    start = len(written) - 8 - int.from_bytes(written[-8:], "little")
    found.path.write_bytes(
        {
            "empty": b"",
            "cut": written[:-20],
            "index": written[:start] + b"x" * (len(written) - start - 8) + written[-8:],
            "length": written[:-8] + b"\xff" * 8,
            "rows": written[64:],
        }[damage]
    )
    check_equal(decode(split), split)


def test_a_build_that_fails_leaves_nothing(split, cache):
    split.pairs[3][0].write_bytes(b"")
    with pytest.raises(DataError, match=r"3.png: cannot be read as an image \(it is empty\)"):
        decode(split)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


def killed(split):
    """End suddenly while the file is written."""

    def load(self, index):
        if index == 3:
            os._exit(9)
        return FileSplit.__dict__["load"](self, index)

    split.__class__ = type("Killed", (FileSplit,), {"load": load})
    module._refuse_full_disk = lambda *_: None  # of a fork alone
    decode(split)


def test_a_build_that_is_killed_is_made_again_and_its_draft_removed(split, cache):
    process = get_context("fork").Process(target=killed, args=(split,))
    process.start()
    process.join(30)
    assert process.exitcode == 9
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".tmp"]
    check_equal(decode(split), split)
    assert sorted(path.suffix for path in cache.iterdir()) == [".lock", ".pixels"]


def decode_and_count(split, written):
    write = module._write
    module._write = lambda *args, **options: (written.put(1), write(*args, **options))  # of a fork
    decode(split)


def test_of_processes_that_start_together_one_decodes(split, cache):
    context = get_context("fork")
    written = context.Queue()
    processes = [context.Process(target=decode_and_count, args=(split, written)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert written.get(timeout=5) == 1
    assert written.empty()
    check_equal(decode(split), split)


def test_a_full_disk_is_told_before_the_work_and_within_it(split, cache, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", full)
        with pytest.raises(WriteError, match=r"mine-train.*No space left.*LIT_SEG_CACHE"):
            decode(split)
        usage = shutil.disk_usage(cache)._replace(free=10)
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(WriteError, match=r"needs about 0 MB, 0 MB are free.*LIT_SEG_CACHE"):
            decode(split)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]


def test_of_drawn_images_nothing_is_decoded(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"train images of streets are drawn.*leave `cache` out"):
        layouts.tiny("streets", tmp_path, monkeypatch)(cache="full").train_dataloader()


def test_a_limit_shrinks_what_is_larger_and_nothing_else(split):
    limit = Limit((4, 4), "pad", 1.5)
    sizes = [decode(split, limit).load(i)[0].shape[:2] for i in range(len(split))]
    assert sizes == [(5, 6), (6, 2), (6, 6), (1, 1), (2, 6)]  # 3x4, 4x1, 4x4, larger, 1x4


def batches(data):
    return [*data.train_dataloader(), *data.val_dataloader()]


def test_training_and_evaluation_are_the_same_bit_by_bit(tmp_path, monkeypatch, cache):
    make = layouts.tiny("folder", tmp_path / "folder", monkeypatch)
    options = {"height": 8, "width": 10, "crop": (6, 8), "scale": (0.8, 1.2), "seed": 3}
    usual = batches(make(**options))
    for data in (make(**options, cache="full"), make(**options, cache="full", num_workers=2)):
        for one, other in zip(batches(data), usual, strict=True):
            assert torch.equal(one["image"], other["image"])
            assert torch.equal(one["target"], other["target"])
    reduced = make(**options, cache="reduced")
    for one, other in zip(reduced.val_dataloader(), make(**options).val_dataloader(), strict=True):
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["target"], other["target"])
    assert len(batches(reduced)) == len(usual)
    reduced.original_labels = True  # which the file of small labels has not
    own = make(**options)
    own.original_labels = True
    for one, other in zip(reduced.val_dataloader(), own.val_dataloader(), strict=True):
        assert torch.equal(one["target"], other["target"])
    assert len(list(cache.glob("*.pixels"))) == 4


def test_the_command_decodes_finds_and_removes(tmp_path, monkeypatch, cache, capsys):
    layouts.tiny("camvid", tmp_path / "camvid", monkeypatch)
    args = ["data", "cache", "camvid", "--root", str(tmp_path / "camvid")]
    for _ in range(2):
        monkeypatch.setattr("sys.argv", ["lit_seg", *args])
        assert main() == 0
        out = capsys.readouterr().out.splitlines()
        assert out[0].startswith(f"train 367 images, 0.3 MB, {cache}")
        assert [line.split()[0] for line in out] == ["train", "val", "test"]
    assert remove_decoded("camvid-train") == remove_decoded("cam") == []
    monkeypatch.setattr("sys.argv", ["lit_seg", *args, "--remove", "true"])
    assert main() == 0
    assert capsys.readouterr().out == "removed 3 files of camvid\n"
    assert not list(cache.glob("*.pixels"))
