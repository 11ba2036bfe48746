"""Tables as Parquet or CSV, arrays as npz, metrics as JSON; nothing is pickled.

A file is written beside its place and renamed, so that it is complete if it exists. The same content gives the same
bytes.
"""

import contextlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from movierec.utils.errors import UserError, cannot_write, check_is_file

T = TypeVar("T")
DAMAGED = (zipfile.BadZipFile, zlib.error, RuntimeError, AttributeError, TypeError, SyntaxError)  # of npz files
CHECKSUMS: dict[str, Any] = {"write_page_checksum": True}  # of the pages of Parquet files
FORMULA = r"^[=+\-@\t\r]"  # how a cell begins that a spreadsheet takes for a formula
PLAIN_NUMBER = r"^[+-]?[0-9.|]+(?:e[+-]?[0-9]+)?$"  # or a row of them
Rankings = dict[str, dict[str, np.ndarray]]  # by model and moment (see `ranking.topk.MOMENTS`): (n_users, depth)


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


class TableWriter:
    """Writes a table batch by batch, in row groups whose size does not depend on the batches."""

    ROW_GROUP = 2**20  # rows; the size that pandas uses

    def __init__(self, path: Path, writer: parquet.ParquetWriter):
        self.path, self.n_rows = path, 0
        self._writer, self._rows = writer, writer.schema.empty_table()

    def append(self, columns: Mapping[str, np.ndarray] | pd.DataFrame) -> None:
        """Add rows, with a column for each field of the schema; a full disk is a UserError."""
        schema = self._writer.schema
        arrays = [pa.array(columns[field.name], type=field.type) for field in schema]
        batch = pa.Table.from_arrays(arrays, schema=schema)
        self.n_rows += len(batch)
        self._rows = pa.concat_tables([self._rows, batch])
        self._write(self.ROW_GROUP)

    def finish(self) -> None:
        """Write what is left."""
        self._write(1 if self.n_rows else 0)

    def _write(self, at_least: int) -> None:
        """Write row groups for as long as there are so many rows."""
        try:  # the error names this table, when several are being written
            while len(self._rows) >= at_least:
                self._writer.write_table(self._rows.slice(0, self.ROW_GROUP).combine_chunks(), self.ROW_GROUP)
                self._rows = self._rows.slice(self.ROW_GROUP)
                at_least = max(at_least, 1)
        except OSError as error:
            raise UserError(cannot_write(self.path, error)) from error


@contextlib.contextmanager
def writing_table(path: Path, types: dict[str, str]) -> Iterator[TableWriter]:
    """Write a table of these columns and pandas types in batches: the bytes of `write_table`, in constant memory."""
    empty = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})
    schema = pa.Schema.from_pandas(empty, preserve_index=False)
    with replacing(path) as partial, parquet.ParquetWriter(partial, schema, **CHECKSUMS) as file:
        writer = TableWriter(path, file)
        yield writer
        writer.finish()


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet."""
    with replacing(path) as partial:
        frame.to_parquet(partial, index=False, **CHECKSUMS)


def write_text(text: str, path: Path) -> None:
    """Write text as UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_csv(frames: pd.DataFrame | Iterable[pd.DataFrame], path: Path, decimals: int = 6) -> None:
    """Write a table, or one or more batches of it, as CSV, with floats rounded.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers, such as an id -1, do not.
    """
    frames = [frames] if isinstance(frames, pd.DataFrame) else frames
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(frames):
            text = frame.select_dtypes(["object", "str"])
            safe = {name: safe_for_spreadsheets(column) for name, column in text.items()}
            frame.assign(**safe).round(decimals).to_csv(file, index=False, header=not number, lineterminator="\n")


def safe_for_spreadsheets(texts: pd.Series) -> pd.Series:
    """Texts of which none is a formula in a spreadsheet."""
    plain = texts.astype("str")
    formula = plain.str.contains(FORMULA, na=False) & ~plain.str.contains(PLAIN_NUMBER, na=False)
    return texts.where(~formula, "'" + plain) if formula.any() else texts


def write_json(data: dict, path: Path, decimals: int = 6) -> None:
    """Write a dictionary as JSON, with floats rounded and keys in their order."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(v) for key, v in value.items()}
        return round(value, decimals) if isinstance(value, float) else value

    write_text(json.dumps(rounded(data), indent=2) + "\n", path)


def write_metrics(table: dict[str, dict[str, float]], path: Path) -> None:
    """Write a file per metric, model to value, so that `dvc metrics show` has metrics as rows and models as columns."""
    with replacing(path) as folder:
        folder.mkdir()
        for name, of_models in table.items():
            write_json(of_models, folder / f"{name}.json", decimals=4)


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


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet table; a UserError if a checksum or the footer shows damage."""

    def load(p: Path) -> pd.DataFrame:
        with opened_table(p):
            return pd.read_parquet(p, page_checksum_verification=True)

    return read(path, load)


def check_table(path: Path) -> None:
    """Check that a Parquet table is neither missing nor damaged, page by page: DuckDB looks at no checksum."""

    def verify(p: Path) -> None:
        with opened_table(p) as table:
            for _ in table.iter_batches(2**18):
                pass

    read(path, verify)


@contextlib.contextmanager
def opened_table(path: Path) -> Iterator[parquet.ParquetFile]:
    """A Parquet table whose footer, which has no checksum, does not contradict itself."""
    with path.open("rb") as opened, parquet.ParquetFile(opened, page_checksum_verification=True) as table:
        about, schema = table.metadata, table.schema_arrow
        if about.num_rows != sum(about.row_group(number).num_rows for number in range(about.num_row_groups)):
            raise ValueError("its numbers of rows contradict each other")
        if schema.pandas_metadata:  # has the names and types once more
            said = {column["field_name"]: column["numpy_type"] for column in schema.pandas_metadata["columns"]}
            types = schema.empty_table().to_pandas().dtypes.astype(str)  # not of the index
            if list(said) != schema.names or any(said[name] != of for name, of in types.items()):
                raise ValueError("its column names or types contradict each other")
        yield table


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV table."""
    return read(path, pd.read_csv)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an npz file as `write_arrays` writes it; never unpickles, nor unpacks what outgrows the memory."""

    def load(p: Path) -> dict[str, np.ndarray]:
        with p.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if packed := [member.filename for member in file.zip.infolist() if member.compress_type]:
                raise ValueError(f"{packed[0]} is compressed")
            return {name: file[name] for name in file.files}

    return read(path, load)


def read_rankings(path: Path) -> Rankings:
    """Read the rankings that a stage has stored as 'model.moment'."""
    rankings: Rankings = {}
    for name, ranked in read_arrays(path).items():
        model, moment = name.rsplit(".", 1)
        rankings.setdefault(model, {})[moment] = ranked
    return rankings
