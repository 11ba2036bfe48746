"""Files of text, such as CSV: their encoding, and their records by Python's csv module."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from movierec.utils.errors import UserError

BLOCK = 2**19  # bytes
LONGEST = 2**24  # bytes of a line, and characters of a field
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Record = tuple[int, list[str]]  # the number of its first line, and its fields


class Form(NamedTuple):
    """The format of a file's lines."""

    delimiter: str
    quoted: bool = False  # fields may be quoted, as in RFC 4180
    escape: str | None = None  # marks a quote that belongs to the field, beside a doubled one
    latin: bool = False  # UTF-8, or else latin-1
    lists: bool = False  # a line is a user and their items: a record for each of them


class Look(NamedTuple):
    """The result of a look at all bytes of a file."""

    encoding: str
    n_lines: int
    plain: bool  # no quotes and one kind of line end: each line is a record, or blank


def look(path: Path, form: Form) -> Look:
    """Look at all bytes of a file; a UserError if it is missing, empty, no text, or in another encoding."""
    n_lines, plain, blank, wrong = 0, True, True, 0
    ends = [0, 0]  # with and without a carriage return
    for data in _blocks(path):
        if (at := data.find(b"\0")) >= 0:
            reason = "contains zero bytes: no text, or UTF-16; save it as UTF-8"
            raise UserError(f"{path}, line {n_lines + 1 + _n_ends(data[:at])}: {reason}.")
        try:
            data.isascii() or data.decode()
        except UnicodeDecodeError as error:
            wrong = wrong or n_lines + 1 + _n_ends(data[: error.start])
        n_ends, n_crlf = _n_ends(data), data.count(b"\r\n") if b"\r" in data else 0
        ends = [ends[0] + n_crlf, ends[1] + n_ends - n_crlf]
        plain = plain and not (form.lists or (form.quoted and b'"' in data)) and data.count(b"\r") == n_crlf
        n_lines += n_ends + (data[-1:] not in b"\r\n")
        blank = blank and (data.isspace() or not data.removeprefix(BYTE_ORDER_MARK).strip())
    if blank:
        raise UserError(f"{path} is empty; fetch the data set again.")
    if wrong and not form.latin:
        raise UserError(f"{path}, line {wrong}: not utf-8 text; convert the file to utf-8.")
    return Look("latin-1" if wrong else "utf-8", n_lines, plain and not all(ends))


def _n_ends(data: bytes) -> int:
    """The number of line ends."""
    return data.count(b"\n") + (data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else 0)


def _blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes in blocks of whole lines."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro --force download` unpacks it again.") from None
    n_lines = 0
    with file:
        while data := file.read(BLOCK) + file.readline(LONGEST):
            n_lines += _n_ends(data)
            if len(data) >= BLOCK + LONGEST and data[-1:] != b"\n":
                long = f"longer than {LONGEST:,} bytes; fix its line ends, or close its quotes"
                raise UserError(f"{path}, line {n_lines + 1}: {long}.")
            yield data


def records(path: Path, form: Form, encoding: str) -> Iterator[Record]:
    """The records of a file, without blank lines; a UserError names the line where quotes are not those of a CSV."""
    csv.field_size_limit(LONGEST)
    with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as file:
        if not form.quoted:
            for line, text in enumerate(file, 1):
                fields = text.rstrip("\r\n").split(form.delimiter)
                if form.lists:
                    yield from ((line, [fields[0], item]) for item in fields[1:] if item)
                elif fields != [""]:
                    yield line, fields
            return
        reader, first = csv.reader(file, delimiter=form.delimiter, escapechar=form.escape, strict=True), 1
        try:
            for fields in reader:
                if fields:
                    yield first, fields
                first = reader.line_num + 1
        except csv.Error as error:
            reason = "a quote is not closed" if "end of data" in str(error) else f"not valid CSV ({error})"
            raise UserError(f"{path}, line {first}: {reason}; fix the record that begins there.") from None


def first_record(path: Path, form: Form) -> Record:
    """The last line of a file's first record, and its fields; a UserError if it has none."""
    next(_blocks(path), None)  # refuses a line without an end
    try:
        line, fields = next(records(path, form, "latin-1" if form.latin else "utf-8"))
        fields[0] = fields[0].removeprefix(BYTE_ORDER_MARK.decode("latin-1"))
        if not "".join(fields).strip():
            look(path, form)
    except (UserError, StopIteration, OSError, UnicodeDecodeError):
        look(path, form)  # says more
        raise
    return line + sum(len(field.splitlines()) - 1 for field in fields if field), fields
