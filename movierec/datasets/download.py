"""Obtaining a data set's files: from an archive on disk, a download, or a PyPI package."""

import errno
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch
import requests

from movierec.datasets.own_files import file_hash
from movierec.datasets.releases import LAYOUTS, Release
from movierec.utils.errors import UserError, cannot_write, check_is_file

TIMEOUT_S = (8.0, 10.0)  # to connect, and between two reads
MAX_MEMBER_BYTES = 8 * 2**30  # ml-32m's largest file has 0.9 GB
MAX_BYTES = 16 * 2**30  # of all files
MAX_RATIO = 200  # unpacked to packed; MovieLens' files reach about 10
# RecBole's wheel carries MovieLens 100K, and so brings it wherever a package registry can be reached.
RECBOLE = "recbole==1.2.1"
RECBOLE_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
RECBOLE_FOLDER = "recbole/dataset_example/ml-100k"
Say = Callable[[str], Any]


class Unreachable(UserError):
    """A download that failed."""


def reachable(url: str) -> str | None:
    """The reason why a download would fail, or None; it takes at most the sum of `TIMEOUT_S`."""
    limit = sum(TIMEOUT_S)
    answer: list[str | None] = [f"no answer within {limit:.0f} s"]

    def ask() -> None:
        try:
            with requests.get(url, stream=True, timeout=TIMEOUT_S) as response:
                answer[0] = None if response.ok else f"answered {response.status_code} {response.reason}"
        except requests.RequestException as error:
            answer[0] = type(error).__name__

    # In a thread: no timeout of requests covers the DNS lookup.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit)
    return answer[0]


def download(release: Release, folder: Path) -> Path:
    """Download a release's zip, with a progress bar; `Unreachable` if that fails, or its checksum is another one."""
    if reason := reachable(release.url):
        raise Unreachable(f"{release.url}: {reason}")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT_S)
    known_hash = release.md5 and f"md5:{release.md5}"
    try:
        return Path(pooch.retrieve(release.url, known_hash, f"{release.name}.zip", folder, downloader=downloader))
    except (requests.RequestException, ValueError, OSError) as error:
        raise Unreachable(f"{release.url}: {' '.join(str(error).split())}") from None


def extract(archive: Path, patterns: tuple[str, ...], folder: Path) -> None:
    """Extract the members whose file names match one of the patterns into a folder, without their own folders.

    Raises:
        UserError: not a zip, a damaged one, a member of an implausible size, a link, a name twice, or no such member;
            the folder is as it was.
    """
    try:
        with zipfile.ZipFile(archive) as zipped, tempfile.TemporaryDirectory(dir=folder) as scratch:
            known = [
                member
                for member in zipped.infolist()
                if not member.is_dir() and any(Path(member.filename).match(pattern) for pattern in patterns)
            ]
            if not known:
                raise UserError(f"{archive} holds none of the files {', '.join(patterns)}; fetch it again.")
            if (total := sum(member.file_size for member in known)) > MAX_BYTES:
                raise UserError(f"{archive}: would unpack to {total:,} bytes; fetch the archive again.")
            for member in known:
                _extract_member(archive, zipped, member, Path(scratch))
            for path in Path(scratch).iterdir():  # all or nothing
                path.replace(folder / path.name)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{archive} is missing.") from None
    except Exception as error:  # zipfile fails in many ways on bytes that are no archive
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: a seek to an invalid place
            raise UserError(cannot_write(error.filename or folder, error)) from None
        reason = " ".join(str(error).split())
        raise UserError(f"{archive} is not a complete zip archive ({reason}); delete it and fetch it again.") from None


def _extract_member(archive: Path, zipped: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """Extract one member, if it is safe."""
    name, refused = Path(member.filename), f"{archive}: refusing its member {member.filename!r}"
    if name.is_absolute() or ".." in name.parts or stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"{refused}, which points outside; fetch the archive again.")
    if member.file_size > min(MAX_MEMBER_BYTES, MAX_RATIO * max(member.compress_size, 1) + 2**20):
        raise UserError(f"{refused}, which would unpack to {member.file_size:,} bytes; fetch the archive again.")
    target = folder / name.name
    if target.exists():
        raise UserError(f"{archive}: holds two files named {name.name}; leave one in.")
    # zipfile stops at the size that the member states, and checks its CRC at the end.
    with zipped.open(member) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)


def fetch_recbole(folder: Path) -> None:
    """MovieLens 100K as RecBole atomic files, from RecBole's wheel on the package registry; errors as `download`."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run([*pip, "--dest", scratch, RECBOLE], capture_output=True, text=True, timeout=300)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            raise Unreachable(f"pip download {RECBOLE}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
        found = file_hash(wheels[0], "sha256")
        if found != RECBOLE_SHA256:
            raise Unreachable(f"{RECBOLE}: the wheel's sha256 is {found}, not {RECBOLE_SHA256}")
        extract(wheels[0], tuple(f"{RECBOLE_FOLDER}/{pattern}" for pattern in LAYOUTS["recbole"].files), folder)


def fetch_release(release: Release, archives: Path, folder: Path, say: Say) -> str:
    """Put a release's files into an empty folder, from its archive in `archives`, or a download that is kept there.

    Returns:
        Their source; `say` is called with warnings.

    Raises:
        Unreachable: no way worked; the message names each.
        UserError: the archive is damaged.
    """
    patterns = LAYOUTS[release.layout].files
    archive = archives / f"{release.name}.zip"
    check_is_file(archive)
    if archive.exists():
        found = file_hash(archive, "md5")
        if release.md5 and found != release.md5:  # a repacked archive has the same files
            say(f"warning: {archive} has md5 {found}, GroupLens' own has {release.md5}; using it as it is.")
        extract(archive, patterns, folder)
        return str(archive)
    ways: dict[str, Callable] = {release.url: lambda: extract(download(release, archives), patterns, folder)}
    if release.name == "ml-100k":
        ways[f"{RECBOLE} from the package registry"] = lambda: fetch_recbole(folder)
    tried = [f"no {archive}"]
    for source, fetch in ways.items():
        try:
            fetch()
            return source
        except Unreachable as error:
            tried.append(str(error))
    raise Unreachable(f"{release.title} could not be obtained ({'; '.join(tried)}).")
