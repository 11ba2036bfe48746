"""Obtaining a release: archives on disk, downloads that fail, and members that must not be extracted."""

import errno
import hashlib
import struct
import subprocess
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pooch
import pytest
import requests

from movierec.datasets import download
from movierec.datasets.download import Unreachable, extract, fetch_recbole, fetch_release, reachable
from movierec.datasets.releases import RELEASES
from movierec.utils.errors import UserError

ML_1M, ML_100K = RELEASES["ml-1m"], RELEASES["ml-100k"]
FILES = {
    "ml-1m/users.dat": "1::F::1::1::1\n",
    "ml-1m/movies.dat": "1::A (2000)::Drama\n",
    "ml-1m/ratings.dat": "1::1::5::1\n",
    "ml-1m/README": "x",
}
PATTERNS = ("users.dat", "movies.dat", "ratings.dat")


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    return out


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(download, "reachable", lambda url: "ConnectionError")
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: No matching distribution found\n")
    monkeypatch.setattr(download.subprocess, "run", lambda *args, **kwargs: failed)


@pytest.fixture
def wheel(monkeypatch):
    """pip downloads a wheel with these files."""

    def provide(files):
        def run(command, **kwargs):
            make_zip(Path(command[command.index("--dest") + 1]) / "r.whl", files)
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(download.subprocess, "run", run)

    return provide


def test_an_archive_on_disk_is_used_with_a_warning_that_shows_both_checksums(tmp_path, folder, no_network):
    archive = make_zip(tmp_path / "ml-1m.zip", FILES)
    lines = []
    assert fetch_release(ML_1M, tmp_path, folder, lines.append) == str(archive)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        Path(name).name: text for name, text in FILES.items() if name != "ml-1m/README"
    }
    found = hashlib.md5(archive.read_bytes()).hexdigest()
    (line,) = lines
    assert line.startswith("warning: ") and str(archive) in line and found in line and ML_1M.md5 in line


def test_an_archive_with_its_checksum_needs_no_warning(tmp_path, folder, no_network):
    archive = make_zip(tmp_path / "ml-1m.zip", FILES)
    for md5 in (hashlib.md5(archive.read_bytes()).hexdigest(), None):
        out = folder / str(md5)
        out.mkdir()
        assert fetch_release(ML_1M._replace(md5=md5), tmp_path, out, pytest.fail) == str(archive)


def test_without_archive_and_network_each_way_that_was_tried_is_named(tmp_path, folder, no_network):
    with pytest.raises(Unreachable, match=r"^MovieLens 1M could not be obtained") as error:
        fetch_release(ML_1M, tmp_path, folder, pytest.fail)
    assert f"no {tmp_path}/ml-1m.zip; {ML_1M.url}: ConnectionError" in str(error.value)
    with pytest.raises(Unreachable, match=f"no {tmp_path}/ml-100k.zip; {ML_100K.url}: Conn") as error:
        fetch_release(ML_100K, tmp_path, folder, pytest.fail)
    assert "pip download recbole==1.2.1: ERROR: No matching distribution found" in str(error.value)
    assert names_in(folder) == []


def test_a_download_is_checked_and_kept(tmp_path, folder, monkeypatch):
    calls = []

    def retrieve(url, known_hash, fname, path, downloader):
        calls.append((url, known_hash, downloader.kwargs["timeout"]))
        return str(make_zip(Path(path) / fname, FILES))

    monkeypatch.setattr(download, "reachable", lambda url: None)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert fetch_release(ML_1M, tmp_path, folder, pytest.fail) == ML_1M.url
    assert calls == [(ML_1M.url, f"md5:{ML_1M.md5}", download.TIMEOUT_S)]
    assert names_in(folder) == sorted(PATTERNS) and (tmp_path / "ml-1m.zip").exists()


@pytest.mark.parametrize("error", [requests.ConnectionError("cut\noff"), ValueError("another hash"), OSError("x")])
def test_a_download_that_fails_is_named(tmp_path, folder, monkeypatch, error):
    def retrieve(*args, **kwargs):
        raise error

    monkeypatch.setattr(download, "reachable", lambda url: None)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(Unreachable, match=f"{ML_1M.url}: {' '.join(str(error).split())}"):
        fetch_release(ML_1M, tmp_path, folder, pytest.fail)


def test_an_address_that_does_not_answer_is_found_out_in_time():
    # Nothing listens on port 9 of this machine, and .invalid is never resolved.
    assert reachable("http://127.0.0.1:9/x.zip") == "ConnectionError"
    assert reachable("http://host.invalid/x.zip") == "ConnectionError"
    assert sum(download.TIMEOUT_S) <= 20


def test_a_lookup_that_hangs_is_given_up(monkeypatch):
    answered = threading.Event()

    def get(*args, **kwargs):
        answered.wait()
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.setattr(download, "TIMEOUT_S", (0.01, 0.01))
    try:
        assert reachable("http://host.invalid/x.zip").startswith("no answer within")
    finally:
        answered.set()


@pytest.mark.parametrize(("status", "reason"), [(200, None), (404, "answered 404 Not Found")])
def test_an_answer_may_be_an_error(monkeypatch, status, reason):
    response = requests.Response()
    response.status_code, response.reason, response.raw = status, "Not Found", SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(requests, "get", lambda url, **kwargs: response)
    assert reachable("http://host.invalid/x.zip") == reason


def test_the_wheel_brings_movielens_100k(monkeypatch, folder, wheel):
    inside = {f"{download.RECBOLE_FOLDER}/ml-100k.{end}": end for end in ("inter", "item", "user", "link")}
    wheel(inside | {"recbole/dataset_example/other/other.inter": "x"})
    monkeypatch.setattr(download, "file_hash", lambda path, algorithm: download.RECBOLE_SHA256)
    fetch_recbole(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        f"ml-100k.{end}": end for end in ("inter", "item", "user")
    }


def test_the_wheel_must_have_its_checksum(folder, wheel):
    wheel({"a": "b"})
    with pytest.raises(Unreachable, match=r"the wheel's sha256 is [0-9a-f]{64}, not 9c994820"):
        fetch_recbole(folder)
    assert names_in(folder) == []


@pytest.mark.parametrize("name", ["../users.dat", "/etc/users.dat", "a/../../users.dat"])
def test_a_member_that_points_outside_is_refused(tmp_path, folder, name):
    archive = make_zip(tmp_path / "x.zip", {name: "1"})
    with pytest.raises(UserError, match=r"x\.zip: refusing its member .*users\.dat', which points outside"):
        extract(archive, PATTERNS, folder)
    assert names_in(tmp_path) == ["out", "x.zip"] and names_in(folder) == []


def test_a_link_is_refused(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        link = zipfile.ZipInfo("users.dat")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="points outside"):
        extract(tmp_path / "x.zip", PATTERNS, folder)
    assert names_in(folder) == []


def test_a_zip_bomb_is_refused(tmp_path, folder):
    archive = make_zip(tmp_path / "x.zip", {"users.dat": b"0" * 20_000_000})
    with pytest.raises(UserError, match=r"users\.dat', which would unpack to 20,000,000 bytes"):
        extract(archive, PATTERNS, folder)
    assert names_in(folder) == []


def test_a_wrong_size_unpacks_no_more_than_it_states(tmp_path, folder):
    data = bytearray(make_zip(tmp_path / "x.zip", {"users.dat": b"0" * 2_000_000}).read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)  # the uncompressed size in the directory
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"x\.zip is not a complete zip archive"):
        extract(tmp_path / "x.zip", PATTERNS, folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 10


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_zip_is_named(tmp_path, folder, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.zip is not a complete zip archive .* delete it and fetch it again"):
        extract(tmp_path / "x.zip", PATTERNS, folder)


def test_a_damaged_member_is_noticed(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_STORED) as zipped:
        zipped.writestr("users.dat", "1::F::1::1::1\n")
    data = (tmp_path / "x.zip").read_bytes().replace(b"1::F", b"1::M")
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UserError, match="Bad CRC-32"):
        extract(tmp_path / "x.zip", PATTERNS, folder)


def test_two_files_of_one_name_are_refused(tmp_path, folder):
    archive = make_zip(tmp_path / "x.zip", {"a/users.dat": "1", "b/users.dat": "2"})
    with pytest.raises(UserError, match=r"x\.zip: holds two files named users.dat"):
        extract(archive, PATTERNS, folder)


def test_a_missing_archive_is_named(tmp_path, folder):
    with pytest.raises(UserError, match=r"x\.zip is missing"):
        extract(tmp_path / "x.zip", PATTERNS, folder)


def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path, folder, monkeypatch):
    def copyfileobj(source, target):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(download.shutil, "copyfileobj", copyfileobj)
    with pytest.raises(UserError, match=f"^{folder}: No space left on device; free some space"):
        extract(make_zip(tmp_path / "x.zip", FILES), PATTERNS, folder)
