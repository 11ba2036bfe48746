"""Have a release's files: from an archive on disk, a download, or a package that carries them."""

import errno
import hashlib
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pooch
import requests

from movierec.errors import UserError, cannot_write
from movierec.movielens import LAYOUTS, Release, find_layout

CONNECT_TIMEOUT_S = 8.0
READ_TIMEOUT_S = 10.0
MAX_MEMBER_BYTES = 8 * 2**30  # ml-32m's largest file has 0.9 GB
MAX_RATIO = 200  # unpacked to packed; MovieLens' files reach about 10

# RecBole's wheel carries MovieLens 100K, and so brings it wherever a package registry is reached.
RECBOLE = "recbole==1.2.1"
RECBOLE_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
RECBOLE_FOLDER = "recbole/dataset_example/ml-100k"

Say = Callable[[str], None]


class Unreachable(UserError):
    """A download that could not be had."""


def file_hash(path: Path, algorithm: str) -> str:
    """The file's hash, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def check_archive(path: Path, release: Release, say: Say) -> None:
    """Say so where an archive that somebody put there is not the official one, byte for byte.

    It is used all the same: a repacked archive holds the same files.
    """
    found = file_hash(path, "md5")
    if release.md5 and found != release.md5:
        say(f"warning: {path} has md5 {found}, GroupLens' own has {release.md5}; using it as it is.")


def reachable(url: str) -> str | None:
    """Why a download cannot be had, or None if it can; known after `CONNECT_TIMEOUT_S` + `READ_TIMEOUT_S` at most."""
    answer: list[str | None] = [f"no answer within {CONNECT_TIMEOUT_S + READ_TIMEOUT_S:.0f} s"]

    def ask() -> None:
        try:
            with requests.get(url, stream=True, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)) as response:
                answer[0] = None if response.ok else f"answered {response.status_code} {response.reason}"
        except requests.RequestException as error:
            answer[0] = type(error).__name__

    # A thread of its own: no timeout of requests covers the look-up of a name.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_TIMEOUT_S + READ_TIMEOUT_S)
    return answer[0]


def download(release: Release, folder: Path) -> Path:
    """Download a release's zip, with a progress bar and its checksum checked.

    Raises:
        Unreachable: no route, refused, timed out, broken off, or another checksum.
    """
    reason = reachable(release.url)
    if reason:
        raise Unreachable(f"{release.url}: {reason}")
    bar = sys.stderr.isatty()
    try:
        return Path(
            pooch.retrieve(
                release.url,
                known_hash=release.md5 and f"md5:{release.md5}",
                path=folder,
                fname=f"{release.name}.zip",
                downloader=pooch.HTTPDownloader(progressbar=bar, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S)),
            )
        )
    except (requests.RequestException, ValueError, OSError) as error:
        raise Unreachable(f"{release.url}: {' '.join(str(error).split())}") from None


def extract(archive: Path, patterns: tuple[str, ...], folder: Path) -> None:
    """Extract the members whose file names fit one of the patterns, flat, into a folder.

    Members' own folders are dropped, so that nothing can land outside; sizes are checked before and
    while they are unpacked.

    Raises:
        UserError: not a zip, a broken one, a member of an absurd size, a link, or a name twice.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                name = Path(member.filename)
                if member.is_dir() or not any(name.match(pattern) for pattern in patterns):
                    continue
                if name.is_absolute() or ".." in name.parts or stat.S_ISLNK(member.external_attr >> 16):
                    raise UserError(f"{archive}: refusing its member {member.filename!r}, which points outside; fetch the archive again.")
                if member.file_size > MAX_MEMBER_BYTES or member.file_size > MAX_RATIO * max(member.compress_size, 1) + 2**20:
                    raise UserError(f"{archive}: refusing its member {member.filename!r}, which would unpack to {member.file_size:,} bytes; fetch the archive again.")
                target = folder / name.name
                if target.exists():
                    raise UserError(f"{archive}: holds two files named {name.name}; leave one in.")
                # zipfile stops at the size that the member states, and checks its CRC at the end.
                with zipped.open(member) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{archive} is missing.") from None
    except Exception as error:  # zipfile fails in many ways on bytes that are no archive
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # that one is a seek to a place that no archive has
            raise UserError(cannot_write(error.filename or folder, error)) from None
        raise UserError(f"{archive} is not a whole zip archive ({' '.join(str(error).split())}); delete it and fetch it again.") from None


def fetch_recbole(folder: Path) -> None:
    """MovieLens 100K as RecBole atomic files, out of RecBole's wheel on the package registry.

    Raises:
        Unreachable: the registry could not be reached, or the wheel has another checksum.
    """
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", scratch, RECBOLE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            raise Unreachable(f"pip download {RECBOLE}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
        found = file_hash(wheels[0], "sha256")
        if found != RECBOLE_SHA256:
            raise Unreachable(f"{RECBOLE}: the wheel's sha256 is {found}, not {RECBOLE_SHA256}")
        extract(wheels[0], tuple(f"{RECBOLE_FOLDER}/{pattern}" for pattern in LAYOUTS["recbole"].files), folder)


def fetch_release(release: Release, archives: Path, folder: Path, say: Say) -> str:
    """Put a release's files into an empty folder.

    Args:
        release: which.
        archives: where an archive may already lie; a download is kept there.
        folder: where the files go.
        say: told what a person should know.

    Returns:
        Where they came from.

    Raises:
        Unreachable: it can be had nowhere; the message names each way that was tried.
        UserError: the archive is there, and broken.
    """
    patterns = LAYOUTS[release.layout].files
    archive = archives / f"{release.name}.zip"
    if archive.exists():
        check_archive(archive, release, say)
        extract(archive, patterns, folder)
        return str(archive)
    tried = [f"no {archive}"]
    try:
        extract(download(release, archives), patterns, folder)
        return release.url
    except Unreachable as error:
        tried.append(str(error))
    if release.name == "ml-100k":
        try:
            fetch_recbole(folder)
            return f"{RECBOLE} from the package registry"
        except Unreachable as error:
            tried.append(str(error))
    raise Unreachable(f"{release.title} could not be had ({'; '.join(tried)}).")


def copy_folder(source: Path, folder: Path) -> None:
    """Copy the data set of a person's own folder into an empty one.

    Raises:
        UserError: it is missing, or has no known layout.
    """
    if not source.is_dir():
        raise UserError(f"data_path '{source}' is not a folder; set it in params.yaml to the folder that holds your data.")
    for pattern in find_layout(source).files:
        for path in sorted(source.glob(pattern)):
            shutil.copyfile(path, folder / path.name)
