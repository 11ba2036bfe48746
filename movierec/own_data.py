"""A table of interactions of one's own, CSV or Parquet: ids are whole numbers or any text; ratings, weights and times may be missing.

    interactions.csv or .parquet  user, item, rating or weight, timestamp; further columns are left alone
    items.csv or .parquet         item, title, genres separated by '|'; may be missing, then an item's title is its id

Columns may also be called as in MovieLens: userId, user_id, UserID, movieId, and so on. The line of a row of Parquet is its number, from 1.
"""

import contextlib
import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from movierec.blocks import BLOCK, TEXTS, Block, LinesFile, lines_file, parse_numbers
from movierec.delimited import BROKEN_COLUMNS, Form, Table, parse_delimited, parse_lines, read_text, texts
from movierec.errors import UserError

ROW_BYTES = 32  # of a row of Parquet, to make blocks as large as those of text
# Our columns, and what they may be called, without regard to case and underscores.
INTERACTIONS = {
    "UserID": ("user", "userid"), "MovieID": ("item", "itemid", "movie", "movieid"), "Rating": ("rating",), "Weight": ("weight",), "Timestamp": ("timestamp",),
}  # fmt: skip
ITEMS = {"MovieID": INTERACTIONS["MovieID"], "Title": ("title",), "Genres": ("genres", "genre")}
TYPES = {"UserID": TEXTS, "MovieID": TEXTS, "Rating": TEXTS, "Weight": TEXTS, "Timestamp": pa.int64()}


class Rows(NamedTuple):
    """A block of a table."""

    first: int  # number of the first row, from 1
    columns: dict[str, pa.Array]  # text

    @property
    def n_lines(self) -> int:
        return len(self.columns["UserID"])


class ParquetRows(NamedTuple):
    """The interactions of a Parquet file."""

    path: Path
    names: dict[str, str]  # our columns to the file's
    first: int = 1

    def blocks(self, size: int = BLOCK) -> Iterator[Rows]:
        """Its rows, as text."""
        at = self.first
        with self.path.open("rb") as opened, unreadable(self.path), parquet.ParquetFile(opened) as file:
            for batch in file.iter_batches(max(size // ROW_BYTES, 1), columns=list(self.names.values())):
                yield Rows(at, {ours: as_text(batch[theirs]) for ours, theirs in self.names.items()})
                at += len(batch)

    def columns(self, block: Rows) -> tuple[np.ndarray, dict[str, pa.Array], pd.DataFrame]:
        columns = {name: column if name == "Timestamp" else column.dictionary_encode() for name, column in block.columns.items()}
        return np.arange(block.first, block.first + block.n_lines), columns, pd.DataFrame(columns=BROKEN_COLUMNS)

    def rows(self, block: Rows, lines: Iterable[int]) -> list[str]:
        at = np.asarray(lines) - block.first
        return ["|".join(fields) for fields in zip(*(column.take(at).to_pylist() for column in block.columns.values()))]


class CsvRows(NamedTuple):
    """The interactions of a CSV file."""

    file: LinesFile

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def first(self) -> int:
        return self.file.first

    @property
    def form(self) -> Form:
        return self.file.form

    @property
    def names(self) -> dict[str, int]:
        return {ours: place for place, ours in self.file.form.names.items()}

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        return self.file.blocks(size)

    def columns(self, block: Block) -> tuple[np.ndarray, dict[str, pa.Array], pd.DataFrame]:
        table = parse_numbers(block, self.file.form, TYPES)
        if table is not None:
            return np.arange(block.first, block.first + len(table)), {name: table[name].chunk(0) for name in table.column_names}, pd.DataFrame(columns=BROKEN_COLUMNS)
        rows, broken = parse_lines(self.file.text(block), self.file.form, block.first)
        columns = {name: texts(rows[name]) for name in self.names}
        return rows["line"].to_numpy(), {name: text if name == "Timestamp" else text.dictionary_encode() for name, text in columns.items()}, broken

    def rows(self, block: Block, lines: Iterable[int]) -> list[str]:
        return self.file.rows(block, lines)


@contextlib.contextmanager
def unreadable(path: Path):
    """
    Raises:
        UserError: what is read meanwhile is no Parquet file, a broken one, or has columns that are no text, numbers or times.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no Parquet file that can be read ({' '.join(str(error).split())[:100]}); write it again.") from None


def as_text(column: pa.Array) -> pa.Array:
    """A column of numbers, times or text as text; what is missing is ""."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):
        column = pc.cast(pc.cast(column, pa.timestamp("s"), safe=False), pa.int64())
    return pc.fill_null(pc.cast(column, pa.string()), "")


def named(path: Path, fields: list[str], known: dict[str, tuple[str, ...]], needed: tuple[str, ...]) -> dict[str, str]:
    """Our columns to the file's, for those that it has.

    Raises:
        UserError: one of the `needed` is missing, or two columns may be the same one.
    """
    found: dict[str, str] = {}
    for ours, names in known.items():
        of = [field for field in fields if field.strip().lower().replace("_", "") in names]
        if len(of) > 1:
            raise UserError(f"{path}: its columns {' and '.join(of)} mean the same; leave one in.")
        if not of and ours in needed:
            raise UserError(f"{path}: no column is called '{names[0]}'; it has {', '.join(fields)[:80]!r}.")
        found |= {ours: of[0]} if of else {}
    return found


def read_interactions(path: Path) -> ParquetRows | CsvRows:
    """A table of interactions, to be read in blocks.

    Raises:
        UserError: it is missing, no such file, or lacks a column.
    """
    needed = ("UserID", "MovieID")
    if path.suffix == ".parquet":
        file = ParquetRows(path, named(path, parquet_columns(path), INTERACTIONS, needed))
    else:
        file = CsvRows(lines_file(path, "utf-8", lambda first: csv_form(path, first, INTERACTIONS, needed)))
    if {"Rating", "Weight"} <= set(file.names):
        raise UserError(f"{path}: it has a rating and a weight; leave one in.")
    return file


def csv_form(path: Path, first: str, known: dict[str, tuple[str, ...]], needed: tuple[str, ...]) -> Form:
    """The form of a CSV file with a header."""
    fields = next(csv.reader([first]))
    names = named(path, fields, known, needed)
    return Form(",", len(fields), {fields.index(theirs): ours for ours, theirs in names.items()}, header=True, quoted=True)


def parquet_columns(path: Path) -> list[str]:
    """
    Raises:
        UserError: it is no Parquet file, or has no rows.
    """
    with path.open("rb") as file, unreadable(path):
        opened = parquet.ParquetFile(file)
        names, n = opened.schema_arrow.names, opened.metadata.num_rows
    if not n:
        raise UserError(f"{path} has no rows.")
    return names


def read_items(path: Path) -> Table:
    """The items: line, MovieID, Title, Genres, all text."""
    if path.suffix == ".parquet":
        names = named(path, parquet_columns(path), ITEMS, ("MovieID",))
        with path.open("rb") as file, unreadable(path):
            table = parquet.read_table(file, columns=list(names.values())).combine_chunks()
            columns = {ours: as_text(table[theirs].chunk(0)).to_pandas().astype("str") for ours, theirs in names.items()}
        read = Table(pd.DataFrame({"line": np.arange(1, len(table) + 1), **columns}), pd.DataFrame(columns=BROKEN_COLUMNS), path)
    else:
        text = read_text(path, "utf-8")
        read = parse_delimited(path, text, csv_form(path, text.split("\n", 1)[0], ITEMS, ("MovieID",)))
    rows = read.rows
    return read._replace(rows=rows.assign(Title=rows.get("Title", rows["MovieID"]), Genres=rows.get("Genres", ""))[["line", "MovieID", "Title", "Genres"]])
