"""Files of lines that may be larger than memory, in blocks of whole lines; of blocks that hold nothing but plain numbers, a fast parse."""

import collections
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv

from movierec.delimited import BYTE_ORDER_MARK, Form, decoded, is_utf_8, missing, no_rows, parse_lines, plain_ends
from movierec.errors import UserError

BLOCK = 16 * 2**20  # bytes
THREADS = min(4, os.cpu_count() or 1)  # blocks at a time
TEXTS = pa.dictionary(pa.int32(), pa.string())  # each text that differs once
# Digits that the careful parse takes for no number, since they are too many, and PyArrow for a small one, have at least so many zeros at their beginning.
ZEROS = b"0" * 9


class Block(NamedTuple):
    """Lines of a file."""

    first: int  # number of the first one, from 1
    data: bytes  # with plain line ends, without the last line's

    @property
    def n_lines(self) -> int:
        return self.data.count(b"\n") + 1


def blocks_of(path: Path, size: int = BLOCK) -> Iterator[Block]:
    """A file's lines, without a byte-order mark or blank lines at its end, in blocks of about `size` bytes, none of which ends with a blank line.

    Raises:
        UserError: it is missing.
    """
    first, left = 1, b""  # what is left to begin the next block with
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise missing(path) from None
    with file:
        mark = file.read(len(BYTE_ORDER_MARK))
        chunk = mark.removeprefix(BYTE_ORDER_MARK) + file.read(size)
        while chunk:
            while chunk.endswith(b"\r") and (more := file.read(1)):  # a line's end may be cut in two
                chunk += more
            left += plain_ends(chunk)
            whole = left[: max(left.rfind(b"\n"), 0)].rstrip(b"\n")
            if whole:
                yield (block := Block(first, whole))
                first, left = first + block.n_lines, left[len(whole) + 1 :]
            chunk = file.read(size)
    left = left.rstrip(b"\n")
    if left:
        yield Block(first, left)


class LinesFile(NamedTuple):
    """A file of lines that need not fit into memory."""

    path: Path
    encoding: str
    form: Form

    @property
    def first(self) -> int:
        """Number of the first line that is no header."""
        return 1 + self.form.header

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        """The file's lines but for the header.

        Raises:
            UserError: there are none.
        """
        empty = True
        for block in blocks_of(self.path, size):
            if block.first == 1 and self.form.header:
                block = Block(2, block.data.partition(b"\n")[2])
                if not block.data:
                    continue
            empty = False
            yield block
        if empty:
            raise no_rows(self.path)

    def text(self, block: Block) -> str:
        return decoded(self.path, block.data, self.encoding, block.first)

    def rows(self, block: Block, lines: Iterable[int]) -> list[str]:
        """Some lines of a block, by their numbers, each with its fields as they are in the file, with `|` between them."""
        every = self.text(block).split("\n")
        rows, _ = parse_lines("\n".join(every[line - block.first] for line in lines), self.form)
        return ["|".join(fields) for fields in rows.drop(columns="line").itertuples(index=False)]


def lines_file(path: Path, encoding: str, form: Form | Callable[[str], Form]) -> LinesFile:
    """A file of lines, looked into.

    Args:
        path: of the file.
        encoding: `latin-1` where it may be UTF-8 or latin-1, else `utf-8`.
        form: of the lines, or how to tell it from the first one.

    Raises:
        UserError: it is missing, empty, or begins with no text, or with text in another encoding; and what `form` raises.
    """
    if encoding == "latin-1" and all(map(is_utf_8, (block.data for block in blocks_of(path)))):
        encoding = "utf-8"
    first = None
    for block in blocks_of(path):
        text = decoded(path, block.data, encoding, block.first)
        first = text.split("\n", 1)[0] if first is None else first
        if text.strip():
            return LinesFile(path, encoding, form if isinstance(form, Form) else form(first))
    raise UserError(f"{path} is empty; fetch the data set again.")


def parse_numbers(block: Block, form: Form, types: dict[str, pa.DataType]) -> pa.Table | None:
    """The fields of a block that holds nothing but digits, points and delimiters.

    Args:
        block: of lines.
        form: of them.
        types: of the form's columns: int64, or `TEXTS`.

    Returns:
        What the careful parse gives, as numbers where it is asked for; None where that one has to look: something else is in the
        block, a line has another number of fields, or a number is none or too large.
    """
    delimiter, separator = form.delimiter.encode(), form.separator.encode()
    data = block.data
    if data.translate(None, b"0123456789.\n" + delimiter) or ZEROS in data:
        return None
    if separator != delimiter:
        data = data.replace(delimiter, separator)
        if delimiter[:1] in data:
            return None
    try:
        table = pa_csv.read_csv(
            pa.py_buffer(data + b"\n"),
            # All at once, so that a column has one dictionary.
            read_options=pa_csv.ReadOptions(column_names=[f"f{i}" for i in range(form.n_fields)], use_threads=False, block_size=len(data) + 2),
            parse_options=pa_csv.ParseOptions(delimiter=separator.decode(), quote_char=False, ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(
                column_types={f"f{i}": types[name] for i, name in form.names.items()}, include_columns=[f"f{i}" for i in form.names],
                null_values=[], strings_can_be_null=False,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid:
        return None
    return table.rename_columns(list(form.names.values()))


def side_by_side(work: Callable[[Any], Any], items: Iterable, threads: int = THREADS) -> Iterator:
    """What `work` gives for each item, in their order; some are worked on at a time, and no more of them are held."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: collections.deque = collections.deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
