"""The tables of a data set as views of DuckDB: text, Parquet, and folders of Parquet, with all columns as text."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from movierec.data.engine import Engine, literal
from movierec.data.text_file import LONGEST, Form, look, records
from movierec.utils.errors import UserError

SEPARATORS = {"\t": "a tab", ",": "a comma", " ": "a blank"}  # in messages; others are shown as they are
EXACT = {16: 2**11, 32: 2**24, 64: 2**53}  # by the bits of a float: larger whole numbers are rounded
BATCH = 2**16  # records
FAULTS = pa.schema({"line": pa.int64(), "reason": pa.string(), "text": pa.string()})  # of lines that are no rows


class Source(NamedTuple):
    """A table of a data set, and our columns in it."""

    path: Path  # of a file, or a folder of Parquet files
    fields: list[str]  # the names of its columns
    columns: dict[str, str]  # ours as SQL over its columns, which are text and called f0, f1 and so on
    used: dict[str, str]  # its names to their uses
    form: Form | None = None  # None: Parquet
    header: int = 0  # lines of the header of a text
    exact: Mapping[str, int] = MappingProxyType({})  # columns of ours that are floats: their largest exact number
    only: str = "true"  # SQL: the rows that belong to the data set

    @property
    def described(self) -> str:
        """The columns that are used, as what, and those that are not."""
        used = ", ".join(f"{name} as {use}" for name, use in self.used.items())
        others = ", ".join(name for name in self.fields if name not in self.used)
        return f"{self.path.name}: {used}" + (f"; not used: {others}" if others else "")


class View:
    """A source as a view of DuckDB: our columns as text, NULL where missing, in the order of the file."""

    def __init__(self, engine: Engine, name: str, source: Source):
        """`name` is the view's; a UserError if the file is missing, empty, damaged or not text."""
        self.engine, self.name, self.source, self.path = engine, name, source, source.path
        self.first = 1 + source.header  # the line of the first row
        self._line = ""  # or the column with each row's line
        self._look = look(source.path, source.form) if source.form else None
        self.n_lines = 0  # rows and others, once they are loaded
        engine.insert(f"{name}_faults", FAULTS.empty_table())
        if self._look and (source.header > 1 or not self._look.plain):
            self._convert()
        else:
            self._define(self._plain_text() if self._look else self._parquet())

    def load(self, table: str, sql: str = "") -> None:
        """Make a table of the view's rows, in their order, and note the lines that are none.

        Args:
            table: its name.
            sql: over the view, with `{line}` for the column of the rows' lines, if there is one; all columns if empty.

        Raises:
            UserError: there are no rows, or no line has the right number of fields.
        """
        select = (sql or f"SELECT {', '.join(self.source.columns)}{{line}} FROM {self.name}").replace(
            "{line}", self._line
        )
        with self.engine.reading(self.path):
            self.engine.rows(f"CREATE OR REPLACE TABLE {table} AS {select}")
        ((n_rows,),) = self.engine.rows(f"SELECT count(*) FROM {table}")
        if self._look and not self._line:
            self._note_rejects()
        count = "SELECT count(*), min(line), arg_min(text, line) FROM"
        ((n_faults, line, text),) = self.engine.rows(f"{count} {self.name}_faults")
        if self._look and not self._line and self._look.n_lines != self.source.header + n_rows + n_faults:
            self._convert()  # there are blank lines, or DuckDB has left out others
            self.load(table, sql)
            return
        if not n_rows and n_faults and self.source.form:
            delimiter = SEPARATORS.get(self.source.form.delimiter, f"'{self.source.form.delimiter}'")
            wanted = f"each line must be {len(self.source.fields)} fields separated by {delimiter}"
            raise UserError(f"{self.path}: {wanted}, but none is; line {line} is {text[:80]!r}.")
        if not n_rows:
            header = "a header and " if self.source.header else ""
            raise UserError(f"{self.path} has {header}no rows; fetch the data set again.")
        self.n_lines = n_rows + n_faults

    def with_lines(self, table: str, where: str = "true") -> str:
        """SQL for rows of a loaded table with `line`, from 1 as an editor shows it; in Parquet, the row's number."""
        rows = f"(SELECT *, rowid AS row FROM {table} WHERE {where})"
        if self._line:
            return rows
        n = "row_number() OVER (ORDER BY line)"
        faults = f"(SELECT {n} AS n, line - {self.first - 1} - {n} AS before FROM {self.name}_faults)"
        faults = f"(SELECT max(n) AS n, before FROM {faults} GROUP BY before)"
        line = f"{self.first} + t.row + coalesce(f.n, 0) AS line"
        return f"(SELECT t.*, {line} FROM {rows} t ASOF LEFT JOIN {faults} f ON t.row >= f.before)"

    def frame(self) -> pd.DataFrame:
        """All rows: `line`, and our columns as text, "" if missing."""
        self.load(f"{self.name}_rows")
        names = ", ".join(f"coalesce({name}, '') AS {name}" for name in self.source.columns)
        return self.engine.frame(f"SELECT line, {names} FROM {self.with_lines(f'{self.name}_rows')} ORDER BY line")

    def redefine(self, column: str, sql: str) -> None:
        """Define one of our columns by SQL over the file's."""
        self.source.columns[column] = sql
        self._define(self._relation)

    def _define(self, relation: str) -> None:
        self._relation = relation
        columns = ", ".join(f"{sql} AS {name}" for name, sql in self.source.columns.items())
        with self.engine.reading(self.path):
            select = f"SELECT {columns}{self._line} FROM {relation}"
            self.engine.rows(f"CREATE OR REPLACE VIEW {self.name} AS FROM ({select}) WHERE {self.source.only}")

    def _plain_text(self) -> str:
        """SQL for a file whose lines are its records."""
        assert self.source.form is not None
        assert self._look is not None
        names = ", ".join(f"'f{n}': 'VARCHAR'" for n in range(len(self.source.fields)))
        options = f"delim = '{self.source.form.delimiter}', quote = '', escape = ''"
        options += f", header = {bool(self.source.header)}, encoding = '{self._look.encoding}'"
        options += f", max_line_size = {LONGEST}, auto_detect = false"
        options += f", store_rejects = true, rejects_table = '{self.name}_rejects', rejects_scan = '{self.name}_scans'"
        return f"read_csv({literal(self.path)}, columns = {{{names}}}, {options})"

    def _note_rejects(self) -> None:
        """Take over the lines that DuckDB has rejected for their number of fields, once each."""
        reason = f"'{self._wrong_number}' AS reason, trim(any_value(csv_line), chr(13) || chr(10)) AS text"
        last = f"scan_id = (SELECT max(scan_id) FROM {self.name}_rejects) AND error_type LIKE '%COLUMNS'"
        rejects = f"SELECT line::BIGINT AS line, {reason} FROM {self.name}_rejects WHERE {last} GROUP BY line"
        self.engine.rows(f"CREATE OR REPLACE TABLE {self.name}_faults AS {rejects}")

    @property
    def _wrong_number(self) -> str:
        return f"not {len(self.source.fields)} fields"

    def _convert(self) -> None:
        """Read a text by records, which is slower, into a Parquet file with their lines, and define the view by it."""
        assert self.source.form is not None
        assert self._look is not None
        n, copy = len(self.source.fields), self.engine.scratch / f"{self.name}.parquet"
        schema = pa.schema([*((f"f{place}", pa.string()) for place in range(n)), ("line", pa.int64())])
        found = records(self.path, self.source.form, self._look.encoding)
        rows = ((line, fields) for line, fields in found if line > self.source.header)
        self.engine.rows(f"DELETE FROM {self.name}_faults")
        with parquet.ParquetWriter(copy, schema) as writer:
            while batch := list(itertools.islice(rows, BATCH)):
                good = [[*(text or None for text in of), line] for line, of in batch if len(of) == n]
                writer.write_table(table_of(good, schema))
                joined = self.source.form.delimiter.join
                bad = [(line, self._wrong_number, joined(of)) for line, of in batch if len(of) != n]
                self.engine.insert(f"{self.name}_faults", table_of(bad, FAULTS))
        self._line = ", line"
        self._define(f"read_parquet({literal(copy)})")

    def _parquet(self) -> str:
        """SQL for the columns of Parquet as text."""
        types = column_types(self.path)
        names = [f"{as_text(quoted(name), of)} AS f{place}" for place, (name, of) in enumerate(types.items())]
        parts = ", ".join(literal(part) for part in parts_of(self.path))
        return f"(SELECT {', '.join(names)} FROM read_parquet([{parts}]))"


def table_of(rows: list, schema: pa.Schema) -> pa.Table:
    """An Arrow table from rows."""
    columns = zip(*rows, strict=True) if rows else [[]] * len(schema)
    return pa.table([pa.array(of, type=kind) for of, kind in zip(columns, schema.types, strict=True)], schema=schema)


def parts_of(path: Path) -> list[Path]:
    """A Parquet file, or those of a folder; a UserError if there are none."""
    parts = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not parts:
        raise UserError(f"{path} is a folder without Parquet files; write one file.")
    return parts


def column_types(path: Path) -> dict[str, pa.DataType]:
    """The columns of Parquet and their types; a UserError if it cannot be read."""
    with Engine.reading(path), parts_of(path)[0].open("rb") as file:
        schema = parquet.read_schema(file)
        types = [of.value_type if pa.types.is_dictionary(of) else of for of in schema.types]
    return dict(zip(schema.names, types, strict=True))


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def as_text(column: str, of: pa.DataType) -> str:
    """SQL for a column of Parquet as text: whole floats as whole numbers, times in seconds, lists joined by `|`."""
    if pa.types.is_floating(of) or pa.types.is_decimal(of):
        whole = f"{column} = floor({column}) AND abs({column}) < 1e18 THEN {column}::BIGINT::VARCHAR"
        return f"CASE WHEN isnan({column}::DOUBLE) THEN NULL WHEN {whole} ELSE {column}::VARCHAR END"
    if pa.types.is_timestamp(of) or pa.types.is_date(of):
        return f"floor(epoch({column}))::BIGINT::VARCHAR"
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return f"array_to_string({column}::VARCHAR[], '|')"
    if pa.types.is_binary(of) or pa.types.is_large_binary(of):
        return f"coalesce(try(decode({column})), {column}::VARCHAR)"
    return f"{column}::VARCHAR"
