"""How things lie on disk: tables as Parquet, arrays as npz, numbers as JSON. No pickle anywhere.

Every file is written beside its place and renamed: one that is there is whole. The same content gives
the same bytes.
"""

import contextlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from movierec.errors import UserError, cannot_write


@contextlib.contextmanager
def writing(path: Path, partial: Path):
    """The time in which `partial` is written, to be put in the place of `path`; whatever happens, it is not left behind.

    Raises:
        UserError: the disk is full, or the place must not be written to; `path` is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file beside `path`, then put it there."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    with writing(path, partial):
        write(partial)
        os.replace(partial, path)


def write_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder beside `path`, then put it there, in place of the one that was."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with writing(path, partial):
        partial.mkdir()
        write(partial)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)


def write_text(text: str, path: Path) -> None:
    """A text as UTF-8."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """A table as Parquet."""
    write_whole(path, lambda partial: frame.to_parquet(partial, index=False))


def write_csv(frame: pd.DataFrame, path: Path, decimals: int = 6) -> None:
    """A table as CSV, with floats rounded."""
    write_whole(path, lambda partial: frame.round(decimals).to_csv(partial, index=False, lineterminator="\n"))


def write_json(data: dict, path: Path, decimals: int = 6) -> None:
    """A dictionary as JSON, floats rounded, in the order of its keys."""

    def rounded(value):
        if isinstance(value, dict):
            return {key: rounded(v) for key, v in value.items()}
        return round(value, decimals) if isinstance(value, float) else value

    write_text(json.dumps(rounded(data), indent=2) + "\n", path)


def write_metrics(table: dict[str, dict[str, float]], path: Path) -> None:
    """A folder with a file for each metric, model to value, so that `dvc metrics show` has metrics as rows and models as columns."""
    write_folder(path, lambda folder: [write_json(of, folder / f"{name}.json", decimals=4) for name, of in table.items()])


def write_arrays(path: Path, **arrays) -> None:
    """Arrays, numbers and texts as one npz."""
    write_whole(path, lambda partial: np.savez(partial, **arrays))


def read(path: Path, how: Callable[[Path], object]):
    """`how(path)`, with one clear error where the file is missing or broken."""
    try:
        return how(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro` makes it.") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}); delete it and run `dvc repro`.") from None


def read_table(path: Path) -> pd.DataFrame:
    """A table, as `write_table` wrote it."""
    return read(path, pd.read_parquet)


def read_csv(path: Path) -> pd.DataFrame:
    """A table, as `write_csv` wrote it."""
    return read(path, pd.read_csv)


def read_json(path: Path) -> dict:
    """A dictionary, as `write_json` wrote it."""
    return read(path, lambda p: json.loads(p.read_text(encoding="utf-8")))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays, as `write_arrays` wrote them; never unpickles."""

    def load(p: Path) -> dict[str, np.ndarray]:
        with np.load(p, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    return read(path, load)


def read_rankings(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Rankings, as the stages write them: by model, the moment to (n_users, depth)."""
    rankings = {}
    for name, ranked in read_arrays(path).items():
        model, moment = name.rsplit(".", 1)
        rankings.setdefault(model, {})[moment] = ranked
    return rankings
