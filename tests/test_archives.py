"""Having a release's files: archives by hand, downloads that fail, members that must not be extracted."""

import hashlib
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from movierec import archives
from movierec.archives import Unreachable, copy_folder, extract, fetch_recbole, fetch_release
from movierec.errors import UserError
from movierec.movielens import RELEASES

FILES = {"ml-1m/users.dat": "1::F::1::1::1\n", "ml-1m/movies.dat": "1::A (2000)::Drama\n", "ml-1m/ratings.dat": "1::1::5::1\n", "ml-1m/README": "x"}
PATTERNS = ("users.dat", "movies.dat", "ratings.dat")


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


@pytest.fixture
def folder(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    return out


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(archives, "reachable", lambda url: "ConnectionError")
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found\n")
    monkeypatch.setattr(archives.subprocess, "run", lambda *args, **kwargs: failed)


def test_an_archive_by_hand_is_used_with_a_warning_that_shows_both_checksums(tmp_path, folder):
    archive = make_zip(tmp_path / "ml-1m.zip", FILES)
    said = []
    assert fetch_release(RELEASES["ml-1m"], tmp_path, folder, said.append) == str(archive)
    assert sorted(p.name for p in folder.iterdir()) == ["movies.dat", "ratings.dat", "users.dat"]
    found = hashlib.md5(archive.read_bytes()).hexdigest()
    assert said == [f"warning: {archive} has md5 {found}, GroupLens' own has c4d9eecfca2ab87c1945afe126590906; using it as it is."]


def test_without_archive_and_network_each_way_that_was_tried_is_named(tmp_path, folder, no_network):
    with pytest.raises(Unreachable) as error:
        fetch_release(RELEASES["ml-1m"], tmp_path, folder, print)
    url = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
    assert str(error.value) == f"MovieLens 1M could not be had (no {tmp_path}/ml-1m.zip; {url}: ConnectionError)."
    with pytest.raises(Unreachable, match="pip download recbole==1.2.1: ERROR: No matching distribution found"):
        fetch_release(RELEASES["ml-100k"], tmp_path, folder, print)


def test_an_address_that_does_not_answer_is_found_out_in_time():
    # Nothing listens on port 9 of this machine, and .invalid is never resolved.
    assert archives.reachable("http://127.0.0.1:9/x.zip") == "ConnectionError"
    assert archives.reachable("http://host.invalid/x.zip") == "ConnectionError"
    assert archives.CONNECT_TIMEOUT_S + archives.READ_TIMEOUT_S <= 20


def test_the_wheel_must_have_its_checksum(monkeypatch, folder):
    def download(command, **kwargs):
        make_zip(Path(command[command.index("--dest") + 1]) / "r.whl", {"a": "b"})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(archives.subprocess, "run", download)
    with pytest.raises(Unreachable, match="the wheel's sha256 is [0-9a-f]{64}, not 9c994820"):
        fetch_recbole(folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["../users.dat", "/etc/users.dat", "a/../../users.dat"])
def test_a_member_that_points_outside_is_refused(tmp_path, folder, name):
    archive = make_zip(tmp_path / "x.zip", {name: "1"})
    with pytest.raises(UserError, match="refusing its member .* which points outside"):
        extract(archive, PATTERNS, folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "x.zip"] and not list(folder.iterdir())


def test_a_link_is_refused(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        link = zipfile.ZipInfo("users.dat")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="points outside"):
        extract(tmp_path / "x.zip", PATTERNS, folder)


def test_a_bomb_is_refused(tmp_path, folder):
    archive = make_zip(tmp_path / "x.zip", {"users.dat": b"0" * 20_000_000})
    with pytest.raises(UserError, match="would unpack to 20,000,000 bytes"):
        extract(archive, PATTERNS, folder)


def test_a_size_that_lies_unpacks_no_more_than_it_says(tmp_path, folder):
    data = bytearray(make_zip(tmp_path / "x.zip", {"users.dat": b"0" * 2_000_000}).read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)  # the uncompressed size in the directory
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UserError, match="is not a whole zip archive"):
        extract(tmp_path / "x.zip", PATTERNS, folder)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_what_is_no_zip_is_named(tmp_path, folder, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match="x.zip is not a whole zip archive .* delete it and fetch it again"):
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
    with pytest.raises(UserError, match="holds two files named users.dat"):
        extract(archive, PATTERNS, folder)


def test_a_folder_of_ones_own_is_copied_without_what_does_not_belong(tmp_path, folder):
    own = tmp_path / "own"
    own.mkdir()
    for name in ("movies.csv", "ratings.csv", "notes.txt"):
        (own / name).write_text("x")
    copy_folder(own, folder)
    assert sorted(p.name for p in folder.iterdir()) == ["movies.csv", "ratings.csv"]
    with pytest.raises(UserError, match="is not a folder; set it in params.yaml"):
        copy_folder(tmp_path / "none", folder)
