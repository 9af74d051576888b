"""Archives arrive whole and unpacked, whatever server, network, disk or impatience do."""

import errno
import fcntl
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from lit_seg.cli.commands.data import main as data_command
from lit_seg.data import DATASETS, NYUv2, OxfordPet
from lit_seg.data.card import Archive
from lit_seg.data.download import fetch as module
from lit_seg.data.download import unpack as unpacking
from lit_seg.data.download.fetch import download
from lit_seg.errors import DataError
from tests.data import layout_of_nyuv2, layout_of_oxford_pet
from tests.data.server import Server, checksum

FILES = {"images/1.png": b"one", "images/deep/2.png": b"two" * 500, "list.txt": b"1\n2\n"}
OWN = {".downloaded.json", ".download.lock"}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    """The pauses that were asked for; none is made."""
    made: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=made.append))
    return made


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


def packed(name: str = "a.zip", files: dict[str, bytes] = FILES) -> bytes:
    buffer = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in files.items():
                archive.writestr(path, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz" if "gz" in name else "w") as archive:
            for path, content in files.items():
                archive.addfile(member(path, size=len(content)), io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tar_of(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info in members:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    return buffer.getvalue()


def found(root: Path) -> dict[str, bytes]:
    """Every file below a folder but the marker and the lock."""
    files = {f"{path.relative_to(root)}": path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in OWN}


def fails(archive: Archive, root: Path, match: str, **options: float) -> str:
    """The one line that a download ends with."""
    with pytest.raises(DataError, match=match) as error:
        download([archive], root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def part_of(archive: Archive, root: Path) -> Path:
    return root / f"{archive.name}.{archive.checksum.rpartition(':')[2][:8]}.part"


def half_done(server: Server, root: Path, archive: Archive, at: int = 100) -> Path:
    """Download the first bytes only; nothing is asked of the server so far, then."""
    server.cuts = [at] + [0] * len(module._PAUSES)
    fails(archive, root, "so far")
    server.requests.clear()
    part = part_of(archive, root)
    assert part.stat().st_size == at
    return part


def after(n: int, function: Callable[..., object], error: BaseException) -> Callable[..., object]:
    """The function, but the call after the n-th raises."""
    calls: list[object] = []

    def counting(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) > n:
            raise error
        return function(*args, **kwargs)

    return counting


@pytest.mark.parametrize("into", ["", "train/all"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "A.ZIP"])
def test_an_archive_is_unpacked_and_deleted(server, tmp_path, monkeypatch, name, into):
    monkeypatch.setattr(shutil, "copytree", None)  # to move is enough
    archive = server.offer(packed(name.lower()), name, into=into)
    root = tmp_path / "new" / "root"
    download([archive], root)
    assert found(root / into) == FILES
    assert {path.name for path in root.iterdir()} - OWN == (
        {"train"} if into else {"images", "list.txt"}
    )
    assert server.requests[0].headers["User-Agent"] == "lit_seg"


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_a_file_that_is_no_archive_is_kept_as_it_is(server, tmp_path, capsys, algorithm):
    server.data = b"matrix"
    digits = checksum(b"matrix", algorithm)
    upper = f"{algorithm}:{digits.partition(':')[2].upper()}"
    archives = [Archive(f"{server.url}/m.mat", it, "to", unpack=False) for it in (digits, upper)]
    download(archives[:1], tmp_path)
    assert found(tmp_path) == {"to/m.mat": b"matrix"}
    capsys.readouterr()
    download(archives, tmp_path)
    assert len(server.requests) == 1
    assert capsys.readouterr().out.count("m.mat: is there already; remove") == 2


def test_what_was_unpacked_is_not_done_again(server, tmp_path, capsys, monkeypatch):
    archive = server.offer(packed())
    download([archive], tmp_path)
    monkeypatch.setattr(module, "locked", None)  # in a root that may only be read
    (tmp_path / "list.txt").write_text("mine")
    capsys.readouterr()
    upper = "md5:" + archive.checksum.removeprefix("md5:").upper()
    download([archive, Archive(archive.url, upper)], tmp_path)
    assert capsys.readouterr().out.splitlines()[0].startswith("a.zip: is there already; remove")
    assert (tmp_path / "list.txt").read_text() == "mine"
    assert len(server.requests) == 1


@pytest.mark.parametrize("damage", ["{", "[]", "{}"])
def test_without_a_marker_of_its_own_an_archive_is_downloaded(server, tmp_path, damage):
    (tmp_path / ".downloaded.json").write_text(damage)
    archive = server.offer(packed())
    download([archive], tmp_path)
    other = server.offer(packed(files={"more": b"1"}), "b.zip")
    download([archive, other], tmp_path)
    assert set(json.loads((tmp_path / ".downloaded.json").read_text())) == {
        archive.checksum,
        other.checksum,
    }
    assert found(tmp_path) == {**FILES, "more": b"1"}
    assert len(server.requests) == 2


@pytest.mark.parametrize("chunked", [False, True])
def test_dropped_connections_are_gone_on_with(server, tmp_path, pauses, chunked):
    """More often than there are pauses: each of them brings something."""
    archive = server.offer(packed())
    server.chunked = chunked
    server.cuts = [10] * 9
    download([archive], tmp_path)
    assert server.asked == [None, *(f"bytes={10 * i}-" for i in range(1, 10))]
    assert pauses == [module._PAUSES[0]] * 9
    assert found(tmp_path) == FILES


def test_after_drops_without_progress_it_gives_up(server, tmp_path, pauses):
    archive = server.offer(packed())
    server.cuts = [100, 0, 0, 50] + [0] * 9
    line = fails(archive, tmp_path, rf"^{archive.url}: .*\(150 bytes so far\); run the same comm")
    assert f"put it as {tmp_path / 'a.zip'}" in line
    assert pauses == [1, 2, 4, *(1, 2, 4, 8, 15)]
    assert not (tmp_path / "a.zip").exists()
    server.cuts.clear()
    server.requests.clear()
    download([archive], tmp_path)
    assert server.asked == ["bytes=150-"]
    assert found(tmp_path) == FILES


def test_a_server_without_ranges_that_always_drops_is_given_up(server, tmp_path, pauses):
    archive = server.offer(packed())
    server.ranges = False
    server.cuts = [100] * 99
    fails(archive, tmp_path, "100 bytes so far")
    assert len(pauses) == 5


def test_a_kill_loses_nothing_and_two_at_once_are_refused(server, tmp_path):
    archive = server.offer(packed())
    server.stalls, server.cuts = True, [100]
    child = multiprocessing.get_context("fork").Process(target=download, args=([archive], tmp_path))
    child.start()
    part = part_of(archive, tmp_path)
    until = time.monotonic() + 5
    while not part.exists() or part.stat().st_size < 100:
        assert time.monotonic() < until
        time.sleep(0.01)
    fails(archive, tmp_path, f"^{tmp_path}: another process is downloading into it; wait")
    assert len(server.requests) == 1
    child.kill()
    child.join()
    assert child.exitcode == -9
    server.stalls = False
    download([archive], tmp_path)
    assert server.asked == [None, "bytes=100-"]
    assert found(tmp_path) == FILES


def test_a_file_system_without_locks_will_do(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", after(0, print, OSError(errno.ENOLCK, "no locks")))
    download([server.offer(packed())], tmp_path)
    assert found(tmp_path) == FILES


def test_a_server_without_ranges_starts_over(server, tmp_path):
    archive = server.offer(packed())
    half_done(server, tmp_path, archive)
    server.ranges, server.cuts = False, []
    download([archive], tmp_path)
    assert server.asked == ["bytes=100-"]
    assert found(tmp_path) == FILES


def test_a_complete_part_is_taken(server, tmp_path):
    archive = server.offer(packed())
    half_done(server, tmp_path, archive).write_bytes(server.data)
    download([archive], tmp_path)
    assert server.asked == [f"bytes={len(server.data)}-"]
    assert found(tmp_path) == FILES


def test_a_part_longer_than_the_file_starts_over(server, tmp_path):
    archive = server.offer(packed())
    part = half_done(server, tmp_path, archive)
    server.cuts = []
    part.write_bytes(server.data + b"x")
    download([archive], tmp_path)
    assert server.asked == [f"bytes={len(server.data) + 1}-", None]
    assert found(tmp_path) == FILES


@pytest.mark.parametrize("shift", [-1, 1, -10])
def test_another_range_than_asked_is_not_appended(server, tmp_path, shift):
    archive = server.offer(packed())
    half_done(server, tmp_path, archive)
    server.cuts, server.shift = [], shift
    download([archive], tmp_path)
    assert server.asked == ["bytes=100-", None]
    assert found(tmp_path) == FILES


def test_the_part_of_another_version_is_not_gone_on_with(server, tmp_path):
    part = half_done(server, tmp_path, server.offer(packed(files={"list.txt": os.urandom(300)})))
    server.cuts = []
    download([server.offer(packed())], tmp_path)
    assert server.asked == [None]
    part.unlink()
    assert found(tmp_path) == FILES


def test_a_file_that_changed_meanwhile_is_refused_once(server, tmp_path):
    archive = server.offer(packed())
    server.data = os.urandom(300)
    half_done(server, tmp_path, archive)
    server.data, server.cuts = packed(), []
    fails(archive, tmp_path, "its md5 is .*; run the same command again to start over")
    download([archive], tmp_path)
    assert server.asked == ["bytes=100-", None]
    assert found(tmp_path) == FILES


def test_another_content_is_refused_and_deleted(server, tmp_path):
    archive = server.offer(packed())
    server.data = b"<html>please log in</html>"
    line = fails(archive, tmp_path, f"^{archive.url}: its md5 is .*; run the same command again")
    expected = archive.checksum.removeprefix("md5:")
    assert f"is {hashlib.md5(server.data).hexdigest()}, expected {expected}" in line
    assert found(tmp_path) == {}


def test_a_short_answer_of_unknown_length_is_refused(server, tmp_path):
    archive = server.offer(packed())
    server.tells_length, server.cuts = False, [100]
    fails(archive, tmp_path, "its md5 is")
    assert found(tmp_path) == {}
    download([archive], tmp_path)
    assert found(tmp_path) == FILES


@pytest.mark.parametrize("lacks", ["tells_length", "tells_total"])
def test_the_end_of_a_range_is_known_by_length_or_total(server, tmp_path, lacks):
    archive = server.offer(packed())
    half_done(server, tmp_path, archive)
    setattr(server, lacks, False)
    server.cuts = [50]
    download([archive], tmp_path)
    assert server.asked == ["bytes=100-", "bytes=150-"]
    assert found(tmp_path) == FILES


@pytest.mark.parametrize("unpack", [True, False])
def test_a_file_put_there_by_hand_needs_no_network(server, tmp_path, unpack):
    archive = server.offer(packed(), into="to", unpack=unpack)
    place = tmp_path / ("" if unpack else "to") / "a.zip"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"other")
    line = fails(archive, tmp_path, f"^{place}: its md5 is .*; move it away, then .*{archive.url}")
    assert archive.checksum.removeprefix("md5:") in line
    assert place.read_bytes() == b"other"
    place.write_bytes(server.data)
    download([archive], tmp_path)
    assert found(tmp_path / "to") == (FILES if unpack else {"a.zip": server.data})
    assert not server.requests


@pytest.mark.parametrize("status", [403, 404, 500, 204])
def test_what_the_server_refuses_is_told_at_once(server, tmp_path, status, pauses):
    server.status = status
    archive = server.offer(packed())
    line = fails(archive, tmp_path, rf"^{archive.url}: HTTP {status} [A-Z]\w+ .*by hand and put")
    assert f"put it as {tmp_path / 'a.zip'}" in line
    assert not pauses


def test_troubles_of_the_network_are_told(server, tmp_path, monkeypatch):
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    secure = Archive(f"https://127.0.0.1:{server.server_port}/a.zip", checksum(b""))
    fails(secure, tmp_path, f"^{secure.url}: .*SSL.* by hand and put it as {tmp_path}/a.zip")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = Archive(f"http://127.0.0.1:{nobody.getsockname()[1]}/a.zip", checksum(b""))
        fails(closed, tmp_path, f"^{closed.url}: .*refused")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    fails(server.offer(b""), tmp_path, "Name or service not known.*by hand")


@pytest.mark.parametrize("sent", [0, 100])
def test_a_silent_server_is_not_waited_for_without_end(server, tmp_path, monkeypatch, sent):
    monkeypatch.setattr(module, "_PAUSES", ())
    server.stalls, server.cuts = True, [sent]
    fails(server.offer(packed()), tmp_path, rf"timed out \({sent} bytes so far\)", timeout=0.1)


def test_a_proxy_of_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    server.data = packed()
    download([Archive("http://data.invalid/a.zip", checksum(server.data))], tmp_path)
    assert server.requests[0].path == "http://data.invalid/a.zip"
    assert found(tmp_path) == FILES


def test_a_redirection_is_followed_but_not_to_a_file(server, tmp_path):
    archive = server.offer(packed(), "old/a.zip")
    server.moved = "/a.zip"
    half_done(server, tmp_path, archive)
    server.moved = f"file://{__file__}"
    fails(archive, tmp_path, "^http.*HTTP 302 .*not allowed.*100 bytes so far")
    server.moved, server.cuts = "/a.zip", []
    download([archive], tmp_path)
    assert server.asked[-1] == "bytes=100-"
    assert found(tmp_path) == FILES


def test_names_are_taken_and_shown_as_they_are(server, tmp_path, capsys):
    archive = server.offer(packed(), "x/two%20[red]x.zip?download=1")
    assert archive.name == "two [red]x.zip"
    download([archive], tmp_path)
    shown = capsys.readouterr().out
    assert "downloading two [red]x.zip" in shown
    assert "unpacking two [red]x.zip" in shown
    assert "verifying" not in shown


def test_the_bars_move(server, tmp_path, monkeypatch):
    shown: dict[str, list[int]] = {}

    @contextmanager
    def bar(what, total, shown_at_all=True):
        if shown_at_all:
            shown[what] = []
            yield lambda done, total=None: shown[what].append(done)
            assert shown[what][-1] == (total or size)
        else:
            yield lambda done: None

    for place in (module, unpacking):
        monkeypatch.setattr(place, "bytes_bar", bar)
    archive = server.offer(packed())
    size = len(server.data)
    download([archive], tmp_path)
    assert list(shown) == ["downloading a.zip", "unpacking a.zip"]
    assert sorted(set(shown["unpacking a.zip"])) == shown["unpacking a.zip"]
    assert len(shown["unpacking a.zip"]) == len(FILES) + 1
    monkeypatch.setattr(module, "_LONG", size)
    download([server.offer(server.data, unpack=False)], tmp_path / "large")
    assert [re.sub("[0-9a-f]{8}", "*", what) for what in list(shown)[2:]] == [
        "verifying a.zip.*.part"
    ]


@pytest.mark.parametrize("unpack", [True, False])
def test_free_space_is_checked_before(server, tmp_path, monkeypatch, unpack):
    """Twice the size to unpack; less what is there."""
    data = packed()
    archive = server.offer(data, size=len(data), unpack=unpack)
    free = len(data) * (2 if unpack else 1) - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, free))
    line = fails(archive, tmp_path, f"^{tmp_path}: has 0.0 GB left, {archive.url} needs 0.0 GB; ")
    assert "make room or give another folder" in line
    assert not server.requests
    half_done(server, tmp_path, server.offer(data, unpack=unpack), at=1)
    server.cuts = []
    download([archive], tmp_path)
    assert found(tmp_path) == (FILES if unpack else {"a.zip": data})


def test_a_full_disk_is_told_and_what_came_is_kept(server, tmp_path, monkeypatch):
    archive = server.offer(packed())
    part = half_done(server, tmp_path, archive)
    server.cuts = []
    open_path = Path.open

    def on_full_disk(path, mode="r", **options):
        return open_path(Path("/dev/full") if mode == "ab" else path, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", on_full_disk)
        fails(archive, tmp_path, rf"^{tmp_path}: .*No space left on device\); make room")
    assert part.stat().st_size == 100
    with monkeypatch.context() as patch:
        patch.setattr(
            zipfile.ZipFile,
            "extract",
            after(1, zipfile.ZipFile.extract, OSError(28, "No space left on device")),
        )
        fails(archive, tmp_path, rf"^{tmp_path}: .*No space left on device\); make room")
    assert found(tmp_path) == {"a.zip": server.data}


@pytest.mark.parametrize("at", ["file", "file/below", "/proc/lit_seg"])
def test_a_root_that_cannot_be_written_is_named(server, tmp_path, at):
    (tmp_path / "file").write_text("")
    root = tmp_path / at
    fails(server.offer(packed()), root, rf"^{root}: cannot be used \(.*\); .* that you may write")
    assert not server.requests


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
@pytest.mark.parametrize("of_user", [False, True], ids=["killed", "interrupted"])
def test_an_interrupted_unpacking_leaves_nothing(server, tmp_path, monkeypatch, name, of_user):
    archive = server.offer(packed(name), name)
    kind = zipfile.ZipFile if name == "a.zip" else tarfile.TarFile
    with monkeypatch.context() as patch:
        patch.setattr(kind, "extract", after(2, kind.extract, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            download([archive], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {name, ".download.lock"}
    if not of_user:
        (tmp_path / ".unpacking").mkdir()
        (tmp_path / ".unpacking" / "old").write_text("")
    download([archive], tmp_path)
    assert len(server.requests) == 1
    assert found(tmp_path) == FILES
    assert not (tmp_path / ".unpacking").exists()


@pytest.mark.parametrize("disk", ["same", "other"])
def test_folders_are_merged_and_files_replaced(server, tmp_path, monkeypatch, disk):
    if disk == "other":
        monkeypatch.setattr(os, "rename", after(0, print, OSError(errno.EXDEV, "other disk")))
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "images").symlink_to(tmp_path / "elsewhere")
    (root / "images" / "1.png").write_text("old")
    (root / "images" / "0.png").write_text("kept")
    download([server.offer(packed())], root)
    assert (root / "images" / "1.png").read_bytes() == b"one"
    assert (tmp_path / "elsewhere" / "0.png").read_text() == "kept"
    assert (tmp_path / "elsewhere" / "deep" / "2.png").exists()


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_is_never_replaced_by_a_file_or_link(server, tmp_path, link):
    (tmp_path / "list.txt").mkdir()
    data = tar_of(member("list.txt", type=tarfile.SYMTYPE, linkname="."))
    archive = server.offer(data, "a.tar") if link else server.offer(packed())
    fails(archive, tmp_path, f"^{tmp_path}/list.txt: .*folder is where a file")
    assert not (tmp_path / "list.txt").is_symlink()
    assert (tmp_path / "list.txt").is_dir()
    assert not (tmp_path / ".downloaded.json").exists()


def test_links_within_an_archive_are_kept_also_the_second_time(server, tmp_path):
    link = member("all", type=tarfile.SYMTYPE, linkname="images")
    folder, file = member("images", type=tarfile.DIRTYPE, mode=0o555), member("images/1", size=1)
    archive = server.offer(tar_of(folder, file, link), "a.tar")
    for _ in range(2):
        download([archive], tmp_path)
        (tmp_path / ".downloaded.json").unlink()
        assert (tmp_path / "all").readlink() == Path("images")
        assert (tmp_path / "all" / "1").read_bytes() == b"\0"


LEAVING = ["../x", "a/../../x", "/tmp/x"]


@pytest.mark.parametrize("inside", LEAVING)
def test_members_of_a_zip_do_not_lead_out(server, tmp_path, inside):
    root = tmp_path / "root"
    download([server.offer(packed("a.zip", {"ok": b"", inside: b"evil"}))], root)
    (evil,) = (name for name, content in found(tmp_path).items() if content == b"evil")
    assert evil.startswith("root/")


@pytest.mark.parametrize("inside", LEAVING[:2])
def test_members_of_a_tar_that_lead_out_are_refused(server, tmp_path, inside):
    root = tmp_path / "root"
    archive = server.offer(packed("a.tar", {"ok": b"", inside: b"evil"}), "a.tar")
    fails(archive, root, f"^{root}/a.tar: cannot be unpacked .* by hand what you trust")
    assert found(tmp_path) == {"root/a.tar": server.data, "root/.download.lock": b""}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("to", ["../../x", "/etc/passwd"])
def test_links_that_lead_out_are_refused(server, tmp_path, kind, to):
    archive = server.offer(tar_of(member("link", type=kind, linkname=to)), "a.tar")
    fails(archive, tmp_path, "a.tar: cannot be unpacked .*link")
    assert set(found(tmp_path)) == {"a.tar"}


def test_links_in_a_zip_become_files(server, tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    download([server.offer(packed(files={info: b"/etc/passwd"}))], tmp_path)
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"/etc/passwd"


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz"])
def test_a_damaged_archive_is_one_error(server, tmp_path, name):
    whole = packed(name, {f"{i}.png": os.urandom(700) for i in range(4)})
    for cut in (0, 1, 30, 300, 900, len(whole) // 2):
        archive = server.offer(whole[:cut], name)
        (tmp_path / name).write_bytes(server.data)
        fails(archive, tmp_path, f"^{tmp_path}/{name}: cannot be unpacked .*another release")
        assert set(found(tmp_path)) == {name}


@pytest.mark.parametrize(
    ("local", "central", "value", "match"),
    [(6, 8, 1, "encrypted"), (8, 10, 99, "not supported"), (31, None, 0xFF, "invalid block type")],
)
def test_a_zip_that_cannot_be_read_is_one_error(server, tmp_path, local, central, value, match):
    """The offsets are those of flags and method, and of the first byte of the content."""
    data = bytearray(packed(files={"1": b"content" * 9}))
    data[local] = value
    if central:
        data[data.index(b"PK\1\2") + central] = value
    fails(server.offer(bytes(data)), tmp_path, f"cannot be unpacked .*{match}")


@pytest.mark.parametrize("cls", DATASETS.values())
def test_every_archive_has_a_name_and_a_checksum(cls):
    for archive in cls.card.downloads:
        assert re.fullmatch(r"https?://[!-~]+", archive.url)
        assert re.fullmatch(r"[\w.-]+(\.mat|\.zip|\.tar|\.tar\.gz)", archive.name)
        assert re.fullmatch("md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", archive.checksum)


def test_what_is_fetched_of_nyuv2_is_all_that_its_layout_needs(tmp_path):
    layout_of_nyuv2.mat(tmp_path)
    fetched = {archive.place(tmp_path) for archive in NYUv2.card.downloads}
    assert not any(archive.unpack for archive in NYUv2.card.downloads)
    for path in set(tmp_path.iterdir()) - fetched:
        path.unlink()
    for classes in (13, 40):
        data = NYUv2(root=str(tmp_path), classes=classes)
        for name in ("train", "val", "test"):
            data.split(name).load(0)


def test_the_mapping_of_nyuv2_is_that_of_a_fixed_commit():
    mapping = NYUv2.card.downloads[-1]
    assert re.search(r"/nyuv2-meta-data/[0-9a-f]{40}/classMapping40\.mat$", mapping.url)
    sample = Path(os.environ.get("DATA_ROOT", "data")) / "nyuv2" / mapping.name
    if not sample.is_file():
        pytest.skip("no nyuv2 in $DATA_ROOT")
    assert checksum(sample.read_bytes(), "sha256") == mapping.checksum


def test_the_command_that_fetches_nyuv2_is_told_once(tmp_path):
    """How to get it by hand stands beside it."""
    with pytest.raises(DataError) as error:
        NYUv2(root=str(tmp_path)).split("train")
    assert str(error.value).count("data download") == 1
    assert "data download" not in NYUv2.card.how_to_get


@pytest.fixture
def offered(server, tmp_path, monkeypatch) -> Path:
    """Oxford-IIIT Pet as if one archive of this machine were all of it; where it belongs."""
    layout_of_oxford_pet.write(tmp_path / "made")
    server.data = Path(shutil.make_archive(f"{tmp_path}/x", "zip", tmp_path / "made")).read_bytes()
    archive = Archive(f"{server.url}/x.zip", checksum(server.data, "md5"))
    monkeypatch.setattr(OxfordPet, "card", replace(OxfordPet.card, downloads=(archive,)))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    return tmp_path / "oxford_pet"


def test_data_that_came_by_hand_is_not_fetched_over(server, offered, capsys):
    layout_of_oxford_pet.write(offered)
    photo = next((offered / "images").glob("*.jpg"))
    mine = photo.read_bytes() + b"mine"
    photo.write_bytes(mine)
    assert data_command(["download", "oxford_pet"]) == 0
    said = f"oxford_pet is in {offered} already; `--again true` fetches it all the same"
    assert capsys.readouterr().out.startswith(said)
    assert not server.requests
    assert data_command(["download", "oxford_pet", "--again", "true"]) == 0
    assert len(server.requests) == 1
    assert photo.read_bytes() != mine


@pytest.mark.parametrize(
    "lost", ["images", "annotations/test.txt", f"images/{layout_of_oxford_pet.TEST[0]}.jpg"]
)
def test_data_that_is_there_in_part_is_fetched(server, offered, lost):
    layout_of_oxford_pet.write(offered)
    path = offered / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert data_command(["download", "oxford_pet"]) == 0
    assert len(server.requests) == 1
    assert path.exists()
    assert data_command(["download", "oxford_pet"]) == 0
    assert len(server.requests) == 1


def test_labels_without_images_are_not_the_data(tmp_path, monkeypatch):
    asked: list[Path] = []
    monkeypatch.setattr(
        "lit_seg.cli.commands.data.download.download", lambda _, to: asked.append(to)
    )
    layout_of_nyuv2.class13(tmp_path)
    assert data_command(["download", "nyuv2", "--root", str(tmp_path)]) == 0
    assert not asked
    for image in tmp_path.rglob("nyu_rgb_*"):
        image.unlink()
    assert data_command(["download", "nyuv2", "--root", str(tmp_path)]) == 0
    assert asked == [tmp_path]
