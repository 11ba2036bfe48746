"""Lines of fields as text, read with care: every field stays what it was, and a line that cannot be divided stands apart with its number."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from movierec.errors import UserError

BROKEN_COLUMNS = ["line", "reason", "row"]
SEPARATOR_NAMES = {"\t": "a tab", ",": "a comma"}  # in messages; the others are shown as they are
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Form(NamedTuple):
    """What a file's lines look like."""

    delimiter: str  # what separates the fields
    n_fields: int  # per line
    names: dict[int, str]  # position of a field (from 0) to its column's name; the others are dropped
    header: bool = False  # whether the first line is a header
    quoted: bool = False  # whether fields may be quoted, as in CSV

    @property
    def separator(self) -> str:
        """The delimiter as PyArrow wants it, in one character: one that no text holds (unit separator) in place of a longer one."""
        return "\x1f" if len(self.delimiter) > 1 else self.delimiter


class Table(NamedTuple):
    """A file's rows."""

    rows: pd.DataFrame  # `line` and the columns of the form
    broken: pd.DataFrame  # lines that cannot be divided into the right number of fields: line, reason, row (its text)
    path: Path | None = None  # where it was read; None for a table that no file has


def missing(path: Path) -> UserError:
    return UserError(f"{path} is missing; `dvc repro --force download` unpacks it again.")


def plain_ends(data: bytes) -> bytes:
    """With plain line ends, instead of Windows' or old Macs'."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def is_utf_8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decoded(path: Path, data: bytes, encoding: str, first: int = 1) -> str:
    """The text of some lines of a file, the first of which has the number `first`.

    Raises:
        UserError: no text, or text in another encoding.
    """
    if b"\0" in data:
        line = first + data.count(b"\n", 0, data.index(b"\0"))
        raise UserError(f"{path}, line {line}: holds bytes of zero, so that it is no text, or text in UTF-16; save it as UTF-8.")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = first + data.count(b"\n", 0, error.start)
        raise UserError(f"{path}, line {line}: not {encoding} text; convert the file to {encoding}.") from None


def read_text(path: Path, encoding: str) -> str:
    """The file's text with plain line ends, without a byte-order mark or blank lines at its end.

    Raises:
        UserError: it is missing, empty, no text, or text in another encoding. Where latin-1 is expected, UTF-8
            is taken too: text in one that could be read as the other is not met in practice.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    data = plain_ends(data.removeprefix(BYTE_ORDER_MARK))
    text = decoded(path, data, "utf-8" if is_utf_8(data) else encoding)
    if not text.strip():
        raise UserError(f"{path} is empty; fetch the data set again.")
    return text.rstrip("\n")


def parse_lines(text: str, form: Form, first: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide lines into fields, as text, with the number of each line.

    Args:
        text: one or more lines, without a header and without the last line's end.
        form: of the lines.
        first: the number of the first line.

    Returns:
        Rows with the columns `line` (int64, from 1, as an editor shows it) and those of the form (str, "" if missing); and the lines
        that have another number of fields: line, reason, row (the line's text).
    """
    separator = form.separator
    if separator != form.delimiter:
        text = text.replace("\x1f", " ").replace(form.delimiter, separator)
    open_quotes: dict[int, str] = {}
    if form.quoted and '"' in text:  # PyArrow takes all that follows an open quote for one field
        all_lines = text.split("\n")
        open_quotes = {number: line for number, line in enumerate(all_lines, 1) if line.count('"') % 2}
        for number in open_quotes:
            all_lines[number - 1] = separator * form.n_fields
        text = "\n".join(all_lines)
    broken: list[tuple[int, str, str]] = []

    def on_invalid_row(row: pa_csv.InvalidRow) -> str:
        if row.number in open_quotes:
            broken.append((row.number, "a quote is not closed", open_quotes[row.number]))
        else:
            broken.append((row.number, f"not {form.n_fields} fields", row.text.replace(separator, form.delimiter)))
        return "skip"

    columns = [f"f{i}" for i in range(form.n_fields)]
    table = pa_csv.read_csv(
        io.BytesIO(f"{text}\n".encode()),
        # One thread: with more, PyArrow does not know the number of an invalid row.
        read_options=pa_csv.ReadOptions(column_names=columns, use_threads=False),
        parse_options=pa_csv.ParseOptions(
            delimiter=separator,
            quote_char='"' if form.quoted else False,
            ignore_empty_lines=False,
            invalid_row_handler=on_invalid_row,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types={c: pa.string() for c in columns},
            include_columns=[f"f{i}" for i in form.names],
            strings_can_be_null=False,
        ),
    )
    lines = np.setdiff1d(np.arange(1, table.num_rows + len(broken) + 1), [number for number, *_ in broken])
    rows = pd.DataFrame({"line": lines + first - 1, **{name: table[f"f{i}"].to_pandas() for i, name in form.names.items()}})
    return rows, pd.DataFrame([(number + first - 1, *rest) for number, *rest in broken], columns=BROKEN_COLUMNS)


def texts(column: pd.Series) -> pa.Array:
    """A column of text for PyArrow, in one piece."""
    array = pa.array(column, type=pa.string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def no_rows(path: Path) -> UserError:
    return UserError(f"{path} has a header and no rows; fetch the data set again.")


def no_fields(path: Path, form: Form, line: int, row: str) -> UserError:
    """What is said of a file in which no line has the right number of fields; its first line is shown."""
    shown = SEPARATOR_NAMES.get(form.delimiter, f"'{form.delimiter}'")
    return UserError(f"{path}: each line must be {form.n_fields} fields with {shown} between them, but none is; line {line} is {row[:80]!r}.")


def parse_delimited(path: Path, text: str, form: Form) -> Table:
    """A whole file's lines, divided into fields.

    Args:
        path: where the text comes from.
        text: the file's text.
        form: of its lines.

    Raises:
        UserError: no line has the right number of fields.
    """
    first = 1
    if form.header:
        if "\n" not in text:
            raise no_rows(path)
        first, text = 2, text.split("\n", 1)[1]
    rows, broken = parse_lines(text, form, first)
    if not len(rows):
        raise no_fields(path, form, broken["line"][0], broken["row"][0])
    return Table(rows, broken, path)
