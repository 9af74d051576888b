"""Counts are made once, and found again as long as the labels are what they were."""

import json
import logging
import os
import shutil
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_seg.data.counting import cache as count_cache
from lit_seg.data.counting.cache import cache_folder, cached_counts
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import FileSplit
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID
from tests.data import layouts

CLASSES = 4
SIZE = (6, 8)
IDS = {**{c: c for c in range(CLASSES)}, 9: VOID}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A folder of its own, so that no test writes into the user's."""
    monkeypatch.setenv("LIT_SEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "counts"


@pytest.fixture
def data(tmp_path):
    """A folder of five labels."""
    rng = np.random.default_rng(0)
    for i in range(5):
        ids = rng.choice([*range(CLASSES), 9], SIZE).astype(np.uint8)
        layouts.save(tmp_path / "data" / "labels" / f"{i}.png", ids)
    return tmp_path / "data"


@pytest.fixture
def decoded(monkeypatch):
    """The names of labels that were decoded, in the order in which they were."""
    names, read = [], LabelMap.__call__

    def spy(self, path):
        names.append(path.name)
        return read(self, path)

    monkeypatch.setattr(LabelMap, "__call__", spy)
    return names


@pytest.fixture
def hashed(monkeypatch):
    """The names of files whose bytes were read for their hash."""
    names, read = [], count_cache._bytes

    def spy(path):
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(count_cache, "_bytes", spy)
    return names


def split_of(data, ids=IDS, names=None):
    labels = sorted((data / "labels").iterdir()) if names is None else [data / n for n in names]
    return FileSplit([(data / "images" / p.name, p) for p in labels], LabelMap(ids), data)


def counts_of(data, ids=IDS, meaning="plain", **options):
    return cached_counts(split_of(data, ids, **options), CLASSES, "labels", meaning)


def slowly(data, ids=IDS, **options):
    split, rows = split_of(data, ids, **options), []
    for i in range(len(split)):
        values = split.label(i).ravel().tolist()
        rows.append([values.count(c) for c in (*range(CLASSES), VOID)])
    return rows


def files_of(folder):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def kept_in(cache):
    """But for the empty files that ranks meet at."""
    return sorted(path.suffix for path in cache.iterdir() if path.suffix != ".lock")


def counts_files(cache):
    """The counts under the hash of times, and those under the hash of bytes, which has a lock."""
    by_content = next(cache.glob("*.lock")).with_suffix(".json")
    (by_time,) = set(cache.glob("*.json")) - {by_content}
    return by_time, by_content


def test_they_are_those_of_a_slow_loop_and_found_again(data, decoded, hashed, cache):
    first = counts_of(data)
    assert decoded == hashed == [f"{i}.png" for i in range(5)]
    assert first.tolist() == slowly(data)
    assert first.dtype == np.int64
    decoded.clear()
    hashed.clear()
    second = counts_of(data)
    np.testing.assert_array_equal(first, second)
    assert second.dtype == np.int64
    assert decoded == hashed == []
    assert kept_in(cache) == [".json", ".json"]


def test_nothing_is_written_beside_the_data(data):
    before = files_of(data)
    counts_of(data)
    counts_of(data)
    assert files_of(data) == before


def test_a_read_only_dataset_is_counted(data):
    for path in (data / "labels", data):
        path.chmod(0o555)
    try:
        assert counts_of(data).tolist() == slowly(data)
    finally:
        for path in (data, data / "labels"):
            path.chmod(0o755)


def test_a_changed_label_is_counted_though_its_size_and_time_are_kept(data):
    path = data / "labels" / "2.png"
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(path, compress_level=0)
    before = counts_of(data)
    stat = path.stat()
    Image.fromarray(np.full(SIZE, 1, np.uint8)).save(path, compress_level=0)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert path.stat().st_size == stat.st_size
    after = counts_of(data)
    assert after.tolist() == slowly(data)
    assert after[2].tolist() == [0, 48, 0, 0, 0]
    assert before[2].tolist() == [48, 0, 0, 0, 0]


def test_files_added_removed_and_in_another_order_are_counted(data):
    names = [f"labels/{i}.png" for i in range(5)]
    for chosen in (names, names[:4], names[1:], names[::-1], [*names, names[0]]):
        assert counts_of(data, names=chosen).tolist() == slowly(data, names=chosen)
    layouts.save(data / "labels/7.png", np.zeros(SIZE, np.uint8))
    assert counts_of(data).tolist() == slowly(data)
    (data / "labels/1.png").unlink()
    assert counts_of(data).tolist() == slowly(data)


class OneFile:
    """Some of the labels in one file, as those of NYUv2."""

    meaning = "ids"

    def __init__(self, path, numbers):
        self.path, self.numbers = path, numbers

    def __len__(self):
        return len(self.numbers)

    def name(self, index):
        return f"label {self.numbers[index]}"

    def label(self, index):
        return np.load(self.path)[self.numbers[index]]

    def label_files(self):
        return [self.path]


def test_other_samples_of_the_same_file_are_counted(tmp_path):
    labels = np.repeat(np.arange(3, dtype=np.uint8), 16).reshape(3, 4, 4)
    np.save(tmp_path / "labels.npy", labels)
    for numbers in ([0, 1], [1, 2], [1, 0]):
        counts = cached_counts(OneFile(tmp_path / "labels.npy", numbers), 3, "labels", "plain")
        assert counts.argmax(axis=1).tolist() == numbers


def test_another_meaning_of_the_labels_is_counted(data):
    swapped = {**IDS, 0: 1, 1: 0}
    plain = counts_of(data)
    assert counts_of(data, swapped).tolist() == slowly(data, swapped)  # the split tells
    assert counts_of(data, meaning="other").tolist() == slowly(data)
    np.testing.assert_array_equal(counts_of(data), plain)
    six = cached_counts(split_of(data), 6, "labels", "plain")
    assert six.shape == (5, 7)


def test_a_copy_elsewhere_finds_them_without_decoding_a_label(data, tmp_path, decoded):
    first = counts_of(data)
    shutil.copytree(data, tmp_path / "copy")
    shutil.rmtree(data)
    decoded.clear()
    np.testing.assert_array_equal(counts_of(tmp_path / "copy"), first)
    assert decoded == []


def test_touched_files_are_read_once_but_not_counted(data, decoded, hashed):
    first = counts_of(data)
    for path in (data / "labels").iterdir():
        os.utime(path, (1, 1))
    decoded.clear()
    hashed.clear()
    np.testing.assert_array_equal(counts_of(data), first)
    assert len(hashed) == 5
    np.testing.assert_array_equal(counts_of(data), first)
    assert len(hashed) == 5
    assert decoded == []


DAMAGED = {
    "empty": b"",
    "text": b"counts",
    "truncated": json.dumps(np.zeros((5, 5), int).tolist()).encode()[:-8],
    "ragged": b"[[1, 2], [3]]",
    "nested": b"[" * 9999,
    "no text": b"\xff\xfe",
    "objects": json.dumps([[None] * 5] * 5).encode(),
    "a mapping": b"{}",
    "an image more": json.dumps(np.zeros((6, 5), int).tolist()).encode(),
    "a class less": json.dumps(np.zeros((5, 4), int).tolist()).encode(),
    "floats": json.dumps(np.zeros((5, 5)).tolist()).encode(),
    "flags": json.dumps([[True] * 5] * 5).encode(),
    "flat": json.dumps([0] * 25).encode(),
    "too large": json.dumps([[2**64] * 5] * 5).encode(),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_counts_are_made_again(data, cache, content, hashed, decoded):
    first = counts_of(data)
    by_time, by_content = counts_files(cache)
    whole = by_time.read_bytes()
    by_time.write_bytes(content)
    np.testing.assert_array_equal(counts_of(data), first)
    assert (len(hashed), len(decoded)) == (10, 5)
    for path in (by_time, by_content):
        path.write_bytes(content)
    np.testing.assert_array_equal(counts_of(data), first)
    assert (len(hashed), len(decoded)) == (15, 10)
    assert by_time.read_bytes() == by_content.read_bytes() == whole
    np.testing.assert_array_equal(counts_of(data), first)
    assert (len(hashed), len(decoded)) == (15, 10)


def test_a_folder_in_the_place_of_a_file_costs_a_warning(data, cache):
    first = counts_of(data)
    for kept in counts_files(cache):
        kept.unlink()
        kept.mkdir()
    with pytest.warns(UserWarning, match="counts cannot be kept"):
        np.testing.assert_array_equal(counts_of(data), first)


def warned(call):
    """What a call gives, and what it warns of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = call()
    return result, [str(warning.message) for warning in found]


@pytest.mark.parametrize("how", ["file", "below a file", "no rights", "/proc"])
def test_a_cache_that_cannot_be_written_costs_one_warning(data, tmp_path, monkeypatch, how):
    given = {
        "file": tmp_path / "taken",
        "below a file": tmp_path / "taken" / "cache",
        "no rights": tmp_path / "taken",
        "/proc": Path("/proc/lit_seg"),
    }[how]
    if how == "no rights":
        given.mkdir()
        monkeypatch.setattr(Path, "mkdir", _refuse)  # rights do not stop root
    elif how != "/proc":
        (tmp_path / "taken").write_text("")
    monkeypatch.setenv("LIT_SEG_CACHE", str(given))
    for _ in range(2):
        counts, messages = warned(lambda: counts_of(data))
        assert counts.tolist() == slowly(data)
        assert len(messages) == 1
        assert messages[0].startswith(f"{given}/counts: counts cannot be kept (")
        assert messages[0].endswith("LIT_SEG_CACHE gives another folder")
        assert "None" not in messages[0]


def _refuse(self, *args, **options):
    raise PermissionError(13, "Permission denied", str(self))


def test_it_says_once_that_it_counts(data, cache, caplog):
    with caplog.at_level(logging.INFO):
        counts_of(data)
        counts_of(data)
    assert caplog.messages == [f"counting the classes of labels once; kept in {cache}"]


def count_slowly_and_tell(data, begin, folder, results):
    count = count_cache.count_images

    def told(*args):
        (folder / f"counted_by_{os.getpid()}").touch()
        time.sleep(0.3)
        return count(*args)

    count_cache.count_images = told  # of a fork alone
    begin.wait(60)
    results.put(counts_of(data).tolist())


def test_processes_that_start_together_count_once(data, tmp_path, cache, decoded):
    context = get_context("fork")
    results, begin = context.SimpleQueue(), context.Barrier(3)
    told = tmp_path / "told"
    told.mkdir()
    arguments = (data, begin, told, results)
    processes = [context.Process(target=count_slowly_and_tell, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert len(list(told.iterdir())) == 1
    expected = slowly(data)
    assert [results.get() for _ in processes] == [expected] * 3
    decoded.clear()
    assert counts_of(data).tolist() == expected
    assert decoded == []
    assert kept_in(cache) == [".json", ".json"]  # no draft


def test_each_file_has_a_draft_of_its_own(data, cache, monkeypatch):
    drafts, replace = [], Path.replace

    def spy(draft, path):
        drafts.append(draft)
        return replace(draft, path)

    monkeypatch.setattr(Path, "replace", spy)
    counts_of(data)
    assert len(set(drafts)) == 2
    for draft in drafts:
        assert draft.parent == cache


def test_an_interrupted_write_leaves_nothing_that_looks_whole(data, cache, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stop)
        with pytest.raises(KeyboardInterrupt):
            counts_of(data)
    assert kept_in(cache) == []
    assert counts_of(data).tolist() == slowly(data)


def test_a_label_that_is_gone_or_damaged_is_named(data):
    split = split_of(data)
    (data / "labels/3.png").rename(data / "kept")
    with pytest.raises(DataError, match=r"labels/3.png: No such file"):
        cached_counts(split, CLASSES, "labels", "plain")
    (data / "labels/3.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"labels/3.png: .*it is empty"):
        cached_counts(split, CLASSES, "labels", "plain")
    (data / "kept").rename(data / "labels/3.png")
    assert counts_of(data).tolist() == slowly(data)


def test_a_label_of_a_class_too_many_is_named(data):
    split = FileSplit(split_of(data).pairs, LabelMap(IDS))
    layouts.save(data / "labels/2.png", np.full(SIZE, 3, np.uint8))
    layouts.save(data / "labels/0.png", np.zeros(SIZE, np.uint8))
    layouts.save(data / "labels/1.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(DataError, match=r"^2: its label holds class 3, there are 3 classes, from"):
        cached_counts(split, 3, "labels", "plain")


def test_a_rendered_split_is_counted_each_time(cache, tmp_path, monkeypatch):
    data = layouts.tiny("streets", tmp_path, monkeypatch)()
    assert data.image_counts.shape == (8, 13)
    assert (data.image_counts.sum(axis=1) == 32 * 48).all()
    assert not cache.exists()


def test_a_data_module_counts_once_and_finds_it_again(tmp_path, monkeypatch, cache):
    make = layouts.tiny("cityscapes", tmp_path / "cityscapes", monkeypatch)
    split, calls = make().split("train"), []
    first = make().image_counts
    for i, row in enumerate(first):
        label = split.label(i)
        assert row.tolist() == [*((label == c).sum() for c in range(19)), (label == VOID).sum()]
    monkeypatch.setattr(count_cache, "count_images", lambda *_: calls.append(1))
    np.testing.assert_array_equal(make().image_counts, first)
    assert calls == []
    assert kept_in(cache) == [".json", ".json"]


def test_where_counts_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("LIT_SEG_CACHE", "/given")
    assert cache_folder("counts") == Path("/given/counts")
    for empty in (lambda name: monkeypatch.setenv(name, ""), monkeypatch.delenv):
        empty("LIT_SEG_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
        assert cache_folder("counts") == Path("/xdg/lit_seg/counts")
        empty("XDG_CACHE_HOME")
        assert cache_folder("counts") == tmp_path / ".cache/lit_seg/counts"


def test_without_a_home_counts_are_made_with_one_warning(data, monkeypatch):
    """As in a container whose user has no name."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("LIT_SEG_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    counts, messages = warned(lambda: counts_of(data))
    assert counts.tolist() == slowly(data)
    assert messages == [
        "~/.cache: counts cannot be kept (Could not determine home directory) and will be made "
        "again; LIT_SEG_CACHE gives another folder"
    ]
