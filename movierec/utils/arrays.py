"""Arrays as npz files, and whole-file writes; nothing is pickled. This file does without pandas, which loads slowly.

A file is written beside its place and renamed, so that it is complete if it exists. The same content gives the same
bytes.
"""

import contextlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from movierec.utils.errors import UserError, cannot_write, check_is_file

T = TypeVar("T")
DAMAGED = (zipfile.BadZipFile, zlib.error, RuntimeError, AttributeError, TypeError, SyntaxError)  # of npz files


def remove(path: Path) -> None:
    """Delete a file or a folder, if it exists."""
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path, keep: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, for a file or a folder that replaces `path` (if `keep`) once the block succeeds.

    Raises:
        UserError: the disk is full or the place is not writable; `path` is unchanged.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(partial)
        yield partial
        if keep:
            if partial.is_dir():
                remove(path)
            os.replace(partial, path)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        remove(partial)


def read(path: Path, how: Callable[[Path], T]) -> T:
    """`how(path)`; a UserError if the file is missing or damaged."""
    check_is_file(path)
    try:
        return how(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro` makes it.") from None
    except (OSError, ValueError, EOFError, KeyError, MemoryError, *DAMAGED) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} cannot be read ({reason}); delete it and run `dvc repro`.") from None


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays, numbers and strings as one npz file."""
    with replacing(path) as partial:
        np.savez(partial, **arrays)


def pack_text(name: str, texts: Iterable[str]) -> dict[str, np.ndarray]:
    """Texts as two arrays, whose size is that of the texts: UTF-8 bytes, and where each text ends."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(of) for of in encoded], dtype=np.int64)
    return {f"{name}.utf8": np.frombuffer(b"".join(encoded), np.uint8), f"{name}.ends": ends}


def unpack_text(name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The reverse of `pack_text`: (n,) object; a ValueError if the arrays are no texts."""
    data, ends = arrays[f"{name}.utf8"].tobytes(), arrays[f"{name}.ends"]
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    if ends.dtype != np.int64 or (ends < starts).any() or (ends[-1:] != len(data)).any():
        raise ValueError(f"{name} is no list of texts")
    found = np.empty(len(ends), object)
    found[:] = [data[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return found


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an npz file as `write_arrays` writes it; never unpickles, nor unpacks what outgrows the memory."""

    def load(p: Path) -> dict[str, np.ndarray]:
        with p.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if packed := [member.filename for member in file.zip.infolist() if member.compress_type]:
                raise ValueError(f"{packed[0]} is compressed")
            return {name: file[name] for name in file.files}

    return read(path, load)
