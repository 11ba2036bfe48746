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
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
from pyarrow import parquet

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


@contextlib.contextmanager
def scratch_folder(beside: Path):
    """An empty folder beside a file that is to be written, for what is needed on the way; it does not stay."""
    folder = beside.with_name(f".{beside.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    with writing(beside, folder):
        folder.mkdir()
        yield folder


class TableWriter:
    """Writes a table part by part: the same bytes as `write_table` gives for the whole, with the memory of a part."""

    ROWS = 2**20  # of a row group, as in pandas

    def __init__(self, path: Path, file, types: dict[str, str]):
        self.path, self.file = path, file
        self.schema = arrow.Schema.from_pandas(pd.DataFrame({name: pd.Series(dtype=of) for name, of in types.items()}), preserve_index=False)
        self.writer = parquet.ParquetWriter(file, self.schema, compression="snappy")
        self.waiting: list[arrow.Table] = []
        self.n_rows = self.n_waiting = 0
        self.beside = ThreadPoolExecutor(1)  # encodes and writes a row group while the next one is gathered
        self.written: Future | None = None

    def append(self, columns: dict[str, np.ndarray] | pd.DataFrame) -> None:
        """More rows, a column for each of the types.

        Raises:
            UserError: the disk is full.
        """
        part = arrow.Table.from_arrays([arrow.array(columns[field.name], type=field.type) for field in self.schema], schema=self.schema)
        self.waiting.append(part)
        self.n_rows, self.n_waiting = self.n_rows + len(part), self.n_waiting + len(part)
        if self.n_waiting >= self.ROWS:
            waiting = arrow.concat_tables(self.waiting)
            whole = self.n_waiting // self.ROWS * self.ROWS
            for at in range(0, whole, self.ROWS):
                self._write(waiting.slice(at, self.ROWS))
            self.waiting, self.n_waiting = [waiting.slice(whole)], self.n_waiting - whole

    def finish(self) -> None:
        """Write what waits, and the table's end.

        Raises:
            UserError: the disk is full.
        """
        if self.n_waiting or not self.n_rows:
            self._write(arrow.concat_tables([self.schema.empty_table(), *self.waiting]))
        self._last_is_written()
        with self._naming():
            self.writer.close()

    def close(self) -> None:
        """Be done with the file, whole or not."""
        with contextlib.suppress(Exception):  # what went wrong with it is said already
            self.writer.close()
        self.writer.is_open = False

    def _write(self, rows: arrow.Table) -> None:
        self._last_is_written()
        self.written = self.beside.submit(lambda: self.writer.write_table(rows.combine_chunks(), row_group_size=self.ROWS))

    def _last_is_written(self) -> None:
        with self._naming():
            self.written and self.written.result()

    @contextlib.contextmanager
    def _naming(self):
        """Several tables may be written at a time; an error names the one that it is of."""
        try:
            yield
        except OSError as error:
            raise UserError(cannot_write(self.path, error)) from error


@contextlib.contextmanager
def writing_table(path: Path, types: dict[str, str]):
    """The time in which a table is written as Parquet, part by part, by the `TableWriter` that this gives.

    Args:
        path: of the table.
        types: column to its type, as pandas calls it.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    with writing(path, partial):
        with partial.open("wb") as file:
            writer = TableWriter(path, file, types)
            try:
                with writer.beside:
                    yield writer
                    writer.finish()
            finally:
                writer.close()
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


def write_csv_parts(parts: Iterable[pd.DataFrame], path: Path) -> None:
    """A table that comes in parts, one or more, as CSV."""

    def write(partial: Path) -> None:
        with partial.open("w", encoding="utf-8", newline="") as file:
            for number, part in enumerate(parts):
                part.to_csv(file, index=False, header=not number, lineterminator="\n")

    write_whole(path, write)


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


def check_table(path: Path) -> None:
    """
    Raises:
        UserError: a table is missing or broken.
    """

    def look(p: Path) -> None:
        with p.open("rb") as file:
            parquet.ParquetFile(file)

    read(path, look)


def read_csv(path: Path) -> pd.DataFrame:
    """A table, as `write_csv` wrote it."""
    return read(path, pd.read_csv)


def read_json(path: Path) -> dict:
    """A dictionary, as `write_json` wrote it."""
    return read(path, lambda p: json.loads(p.read_text(encoding="utf-8")))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays, as `write_arrays` wrote them; never unpickles."""

    def load(p: Path) -> dict[str, np.ndarray]:
        with p.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    return read(path, load)


def read_rankings(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Rankings, as the stages write them: by model, the moment to (n_users, depth)."""
    rankings = {}
    for name, ranked in read_arrays(path).items():
        model, moment = name.rsplit(".", 1)
        rankings.setdefault(model, {})[moment] = ranked
    return rankings
