"""Delimited text files, read in blocks of whole lines as columns of text; a line that cannot be split is set aside."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from movierec.utils.errors import UserError

BLOCK = 16 * 2**20  # bytes
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SEPARATOR_NAMES = {"\t": "a tab", ",": "a comma"}  # in messages; others are shown as they are
TEXTS = pa.dictionary(pa.int32(), pa.string())  # each distinct text once
UNENCODED = ("Timestamp",)  # columns of mostly distinct texts
Fault = tuple[int, str, str]  # a line that cannot be used: its number, the reason, its text


class Form(NamedTuple):
    """The format of a file's lines."""

    delimiter: str  # one or more characters
    n_fields: int
    names: dict[int, str]  # column names by position of the field, from 0; other fields are dropped
    header: bool = False  # the first line is a header
    quoted: bool = False  # fields may be quoted, as in CSV


class Rows(NamedTuple):
    """Some rows of a file."""

    line: np.ndarray  # (n,) int64, from 1, as an editor shows it; in Parquet, the number of the row
    columns: dict[str, pa.Array]  # text, "" if missing: `TEXTS`, or strings for `UNENCODED`
    broken: list[Fault]  # lines without the right number of fields

    def shown(self, at: np.ndarray) -> list[str]:
        """The fields of n of the rows as they are in the file, joined by `|`."""
        columns = [column.take(pa.array(at)).to_pylist() for column in self.columns.values()]
        return ["|".join(fields) for fields in zip(*columns, strict=True)]


class Block(NamedTuple):
    """Consecutive lines of a file."""

    first: int  # number of the first line, from 1
    data: bytes  # with plain line ends, without the last one

    @property
    def n_lines(self) -> int:
        """One or more."""
        return self.data.count(b"\n") + 1

    def decode(self, path: Path, encoding: str) -> str:
        """The text of the block; a UserError names the line that is not text, or in another encoding."""
        reason, at = f"not {encoding} text; convert the file to {encoding}", self.data.find(b"\0")
        try:
            if at < 0:
                return self.data.decode(encoding)
            reason = "contains zero bytes: no text, or UTF-16; save it as UTF-8"
        except UnicodeDecodeError as error:
            at = error.start
        raise UserError(f"{path}, line {self.first + self.data.count(bytes([10]), 0, at)}: {reason}.")


def blocks_of(path: Path, size: int = BLOCK) -> Iterator[Block]:
    """A file's lines in blocks of about `size` bytes, without a byte-order mark and blank lines at the end."""
    first, left = 1, b""  # the beginning of the next block
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro --force download` unpacks it again.") from None
    with file:
        chunk = file.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK) + file.read(size)
        while chunk:
            while chunk.endswith(b"\r") and (more := file.read(1)):  # do not cut a Windows line end in two
                chunk += more
            left += chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk
            whole = left[: max(left.rfind(b"\n"), 0)].rstrip(b"\n")
            if whole:
                yield (block := Block(first, whole))
                first, left = first + block.n_lines, left[len(whole) + 1 :]
            chunk = file.read(size)
    if left := left.rstrip(b"\n"):
        yield Block(first, left)


class TextFile(NamedTuple):
    """A text file, which may be larger than memory."""

    path: Path
    encoding: str
    form: Form

    @property
    def first(self) -> int:
        """The number of the first line after the header."""
        return 1 + self.form.header

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self.form.names.values())

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        """The file's lines after the header; a UserError if there are none."""
        empty = True
        for block in blocks_of(self.path, size):
            if block.first == 1 and self.form.header:
                block = Block(2, block.data.partition(b"\n")[2])
            if block.data:
                empty = False
                yield block
        if empty:
            raise UserError(f"{self.path} has a header and no rows; fetch the data set again.")

    def parse(self, block: Block) -> Rows:
        """The fields of a block; see `Block.decode` for errors."""
        return parse_lines(block.decode(self.path, self.encoding), self.form, block.first)

    def no_fields(self, line: int, text: str) -> UserError:
        """The error for a file in which no line has the right number of fields."""
        delimiter = SEPARATOR_NAMES.get(self.form.delimiter, f"'{self.form.delimiter}'")
        wanted = f"each line must be {self.form.n_fields} fields separated by {delimiter}"
        return UserError(f"{self.path}: {wanted}, but none is; line {line} is {text[:80]!r}.")


def open_text(path: Path, encoding: str, form: Form | Callable[[str], Form]) -> TextFile:
    """A text file, after a look at its encoding and first line.

    Args:
        path: of the file.
        encoding: `utf-8`; or `latin-1` where it may be either, as text in one that is valid in the other is not met.
        form: of the lines, or how to tell it from the first one.

    Raises:
        UserError: the file is missing, empty, not text, or text in another encoding; and the errors of `form`.
    """
    if encoding == "latin-1" and all(map(_is_utf_8, blocks_of(path))):
        encoding = "utf-8"
    first = None
    for block in blocks_of(path):
        text = block.decode(path, encoding)
        first = text.split("\n", 1)[0] if first is None else first
        if text.strip():
            return TextFile(path, encoding, form if isinstance(form, Form) else form(first))
    raise UserError(f"{path} is empty; fetch the data set again.")


def _is_utf_8(block: Block) -> bool:
    try:
        return block.data.decode("utf-8") is not None
    except UnicodeDecodeError:
        return False


def parse_lines(text: str, form: Form, first: int = 1) -> Rows:
    """Split lines into fields.

    Args:
        text: one or more lines, without a header and without the last line end.
        form: of the lines.
        first: number of the first line.
    """
    separator = form.delimiter
    if len(separator) > 1:  # PyArrow wants one character: one that no text holds (unit separator)
        text, separator = text.replace("\x1f", " ").replace(form.delimiter, "\x1f"), "\x1f"
    open_quotes: dict[int, str] = {}
    if form.quoted and '"' in text:  # PyArrow would take all that follows an open quote for one field
        lines = text.split("\n")
        open_quotes = {number: line for number, line in enumerate(lines, 1) if line.count('"') % 2}
        for number in open_quotes:
            lines[number - 1] = separator * form.n_fields
        text = "\n".join(lines)
    broken: list[Fault] = []

    def set_aside(row: pa_csv.InvalidRow) -> str:
        reason, shown = f"not {form.n_fields} fields", row.text.replace(separator, form.delimiter)
        if row.number in open_quotes:
            reason, shown = "a quote is not closed", open_quotes[row.number]
        broken.append((row.number + first - 1, reason, shown))
        return "skip"

    data, columns = f"{text}\n".encode(), [f"f{i}" for i in range(form.n_fields)]
    types = {f"f{i}": pa.string() if name in UNENCODED else TEXTS for i, name in form.names.items()}
    quote: Any = '"' if form.quoted else False
    # One thread, or PyArrow does not know the number of an invalid row; one block, so that a column has one dictionary.
    reading = pa_csv.ReadOptions(column_names=columns, use_threads=False, block_size=len(data) + 1)
    parsing = {"delimiter": separator, "quote_char": quote, "ignore_empty_lines": False}
    parsing["invalid_row_handler"] = set_aside
    typing = pa_csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[])
    table = pa_csv.read_csv(io.BytesIO(data), reading, pa_csv.ParseOptions(**parsing), typing)
    line = np.arange(first, first + len(table) + len(broken))
    line = np.setdiff1d(line, [number for number, *_ in broken]) if broken else line
    return Rows(line, {name: _whole(table[f"f{i}"]) for i, name in form.names.items()}, broken)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


class Table(NamedTuple):
    """A file read whole."""

    rows: pd.DataFrame  # `line`, and the columns as text
    broken: list[Fault]
    path: Path


def read_whole(file: Any) -> Table:
    """All rows of a `TextFile` or `ParquetFile`; a UserError if no line has the right number of fields."""
    blocks = [file.parse(block) for block in file.blocks()]
    frames = [pd.DataFrame({"line": of.line} | {name: _text(of.columns[name]) for name in file.names}) for of in blocks]
    table = Table(pd.concat(frames, ignore_index=True), [fault for of in blocks for fault in of.broken], file.path)
    if not len(table.rows):
        raise file.no_fields(table.broken[0][0], table.broken[0][2])
    return table


def _text(column: pa.Array) -> pd.Series:
    return (column.dictionary_decode() if pa.types.is_dictionary(column.type) else column).to_pandas().astype("str")
