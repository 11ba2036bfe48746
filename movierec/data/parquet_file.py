"""Parquet files, read in blocks of rows as columns of text."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from movierec.data.text_file import BLOCK, UNENCODED, Rows
from movierec.utils.errors import UserError

ROW_BYTES = 32  # of a row, to make blocks about as large as those of text


class RowBlock(NamedTuple):
    """Consecutive rows of a file."""

    first: int  # number of the first row, from 1
    columns: dict[str, pa.Array]

    @property
    def n_lines(self) -> int:
        """One or more."""
        return len(next(iter(self.columns.values())))


class ParquetFile(NamedTuple):
    """A Parquet file, which may be larger than memory."""

    path: Path
    columns: dict[str, str]  # our columns to the file's
    first: int = 1

    @property
    def names(self) -> list[str]:
        """Our columns."""
        return list(self.columns)

    def blocks(self, size: int = BLOCK) -> Iterator[RowBlock]:
        """The file's rows, as text; a UserError if it is damaged, or a column is neither text, numbers nor times."""
        at = self.first
        with self.path.open("rb") as opened, reading(self.path), parquet.ParquetFile(opened) as file:
            for batch in file.iter_batches(max(size // ROW_BYTES, 1), columns=list(self.columns.values())):
                yield RowBlock(at, {ours: as_text(batch[theirs]) for ours, theirs in self.columns.items()})
                at += len(batch)

    def parse(self, block: RowBlock) -> Rows:
        """The fields of a block."""
        columns = {name: of if name in UNENCODED else of.dictionary_encode() for name, of in block.columns.items()}
        return Rows(np.arange(block.first, block.first + block.n_lines), columns, broken=[])


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn Arrow's errors while reading a Parquet file into a UserError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"{path} is not a readable Parquet file ({reason}); write it again.") from None


def as_text(column: pa.Array) -> pa.Array:
    """A column of numbers, times or text as text; missing values become ""."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        column = pc.cast(pc.cast(column, pa.timestamp("s"), safe=False), pa.int64())
    return pc.fill_null(pc.cast(column, pa.string()), "")


def column_names(path: Path) -> list[str]:
    """The columns of a Parquet file; a UserError if it is none, or has no rows."""
    with path.open("rb") as file, reading(path):
        opened = parquet.ParquetFile(file)
        names, n_rows = opened.schema_arrow.names, opened.metadata.num_rows
    if not n_rows:
        raise UserError(f"{path} has no rows.")
    return names
