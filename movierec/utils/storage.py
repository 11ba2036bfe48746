"""Tables as Parquet or CSV, and metrics as JSON; see `arrays` for npz files and for how a file is written."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from movierec.utils.arrays import read, read_arrays, replacing
from movierec.utils.errors import FORMULA, UserError, cannot_write

CHECKSUMS: dict[str, Any] = {"write_page_checksum": True}  # of the pages of Parquet files
PLAIN_NUMBER = r"^[+-]?[0-9.|]+(?:e[+-]?[0-9]+)?$"  # or a row of them
Rankings = dict[str, dict[str, np.ndarray]]  # by model and moment (see `ranking.topk.MOMENTS`): (n_users, depth)


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


def read_rankings(path: Path) -> Rankings:
    """Read the rankings that a stage has stored as 'model.moment'."""
    rankings: Rankings = {}
    for name, ranked in read_arrays(path).items():
        model, moment = name.rsplit(".", 1)
        rankings.setdefault(model, {})[moment] = ranked
    return rankings
