"""Delimited text: blocks of whole lines, encodings, and lines split into fields."""

import csv
import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from movierec.data.text_file import TEXTS, Block, Form, TextFile, blocks_of, open_text, parse_lines, read_whole
from movierec.utils.errors import UserError

PAIRS = Form(",", 2, {0: "a", 1: "b"})
CSV = PAIRS._replace(header=True, quoted=True)


def rows_of(rows):
    """The rows as tuples of line and fields."""
    columns = [rows.line.tolist(), *(column.to_pylist() for column in rows.columns.values())]
    return list(zip(*columns, strict=True))


def write(folder, content):
    path = folder / "x"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@given(content=st.text("ab\n\r", max_size=40), size=st.integers(1, 12), mark=st.booleans())
@example(content="\r\n" * 3 + "a\r\r\n\n", size=1, mark=True)
def test_the_blocks_together_are_the_text_and_each_has_its_first_line(tmp_path_factory, content, size, mark):
    path = write(tmp_path_factory.mktemp("blocks"), b"\xef\xbb\xbf" * mark + content.encode())
    blocks = list(blocks_of(path, size))
    text = content.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if not text:
        assert blocks == []
        return
    assert "\n".join(block.data.decode() for block in blocks) == text
    firsts = np.cumsum([1, *(block.n_lines for block in blocks)])
    assert [block.first for block in blocks] == firsts[:-1].tolist() and firsts[-1] == 1 + len(text.split("\n"))
    assert not any(block.data.endswith(b"\n") or not block.data for block in blocks)


def test_a_missing_file_is_named_with_the_way_out(tmp_path):
    for read in (lambda path: list(blocks_of(path)), lambda path: open_text(path, "latin-1", PAIRS)):
        with pytest.raises(UserError, match=f"{tmp_path}/x is missing; .*dvc repro --force download"):
            read(tmp_path / "x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a\nb\xe9", "line 8: not utf-8 text; convert the file to utf-8"),
        (b"a\n\n\0", "line 9: contains zero bytes"),
        (b"a\0\n\xe9", "line 7: contains zero bytes"),
        ("Heat".encode("utf-16"), "line 7: .*UTF-16; save it as UTF-8"),
    ],
)
def test_a_block_that_is_not_text_is_named_with_its_line(tmp_path, data, reason):
    with pytest.raises(UserError, match=f"{tmp_path}, {reason}"):
        Block(7, data).decode(tmp_path, "utf-8")


def test_the_encoding_of_a_file_is_decided_as_a_whole(tmp_path):
    line = "é,1\n"
    utf_8, latin = line.encode(), line.encode("latin-1")
    assert open_text(write(tmp_path, utf_8), "latin-1", PAIRS).encoding == "utf-8"
    for both in (latin, utf_8 + latin, latin + utf_8):
        assert open_text(write(tmp_path, both), "latin-1", PAIRS).encoding == "latin-1"
        with pytest.raises(UserError, match=f"{tmp_path}/x, line {1 + both.index(latin) // 4}: not utf-8 text"):
            open_text(tmp_path / "x", "utf-8", PAIRS)


@pytest.mark.parametrize("content", ["", "\n\r\n", "\ufeff\n \n"])
def test_a_file_without_text_is_named(tmp_path, content):
    with pytest.raises(UserError, match=f"{tmp_path}/x is empty"):
        open_text(write(tmp_path, content), "utf-8", PAIRS)


def test_the_form_may_depend_on_the_first_line(tmp_path):
    path = write(tmp_path, "\ufeffa,b\r\n1,2\r\n")
    assert open_text(path, "utf-8", lambda first: PAIRS._replace(names={0: first})).form.names == {0: "a,b"}


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_header_belongs_to_no_block(tmp_path, size):
    file = TextFile(write(tmp_path, "h,h\n1,2\n3,4\n"), "utf-8", CSV)
    assert file.first == 2 and file.names == ["a", "b"]
    assert "\n".join(block.data.decode() for block in file.blocks(size)) == "1,2\n3,4"
    assert next(file.blocks(size)).first == 2


def test_a_header_alone_is_an_error(tmp_path):
    for content in ("h,h", "h,h\n", "h,h\r\n\r\n"):
        with pytest.raises(UserError, match=f"{tmp_path}/x has a header and no rows"):
            list(TextFile(write(tmp_path, content), "utf-8", CSV).blocks())


def test_a_line_with_another_number_of_fields_is_set_aside_with_its_number_and_text():
    rows = parse_lines("1::2::3\n1::2\n\n4::5::6::7\n7::8::9", Form("::", 3, {0: "a", 2: "c"}))
    assert rows_of(rows) == [(1, "1", "3"), (3, "", ""), (5, "7", "9")]
    assert rows.broken == [(2, "not 3 fields", "1::2"), (4, "not 3 fields", "4::5::6::7")]


def test_an_open_quote_costs_its_own_line_and_no_other():
    rows = parse_lines('1,"a\n2,b\n3,"c ""d"" e"', CSV, 2)
    assert rows_of(rows) == [(3, "2", "b"), (4, "3", 'c "d" e')]
    assert rows.broken == [(2, "a quote is not closed", '1,"a')]


def test_a_quote_is_a_letter_where_fields_are_not_quoted():
    assert rows_of(parse_lines('"1,2"\n"",""', PAIRS)) == [(1, '"1', '2"'), (2, '""', '""')]


def test_each_distinct_text_is_stored_once_but_for_times():
    rows = parse_lines("5,9\n5,9\n4,9", Form(",", 2, {0: "Rating", 1: "Timestamp"}))
    assert rows.columns["Rating"].type == TEXTS and rows.columns["Rating"].dictionary.to_pylist() == ["5", "4"]
    assert rows.columns["Timestamp"].type == pa.string()


LIKELY = st.sampled_from(["", "1", "NaN", "null", '"', ":", "|", "\x1f", "\x85", "é", "\u2028", " "])
ANY = st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8"), max_size=3)
FIELD = st.lists(st.one_of(LIKELY, ANY), max_size=3).map("".join)


@given(
    lines=st.lists(st.lists(FIELD, min_size=1, max_size=4), min_size=1, max_size=6),
    delimiter=st.sampled_from(["::", "\t", ",", "|"]),
    first=st.integers(1, 9),
)
def test_fields_agree_with_a_plain_split_of_each_line(lines, delimiter, first):
    text = "\n".join(delimiter.join(fields) for fields in lines)
    rows = parse_lines(text, Form(delimiter, 3, {2: "c", 0: "a"}), first)
    shown = text.replace("\x1f", " ") if len(delimiter) > 1 else text
    # A blank line has as many fields as it should, all of them empty.
    whole = {n: line.split(delimiter) if line else [""] * 3 for n, line in enumerate(shown.split("\n"), first)}
    kept = [(number, fields[2], fields[0]) for number, fields in whole.items() if len(fields) == 3]
    assert rows_of(rows) == kept
    broken = [(number, delimiter.join(fields)) for number, fields in whole.items() if len(fields) != 3]
    assert [(line, text) for line, _, text in rows.broken] == broken
    assert {reason for _, reason, _ in rows.broken} <= {"not 3 fields"}
    assert rows.shown(np.arange(len(kept))) == [f"{c}|{a}" for _, c, a in kept]


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=6))
def test_rows_that_python_writes_as_csv_are_read_back(rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    parsed = parse_lines(out.getvalue()[:-1], CSV)
    assert rows_of(parsed) == [(line, *fields) for line, fields in enumerate(rows, 1)] and parsed.broken == []


def test_a_row_is_shown_with_its_columns_in_their_order():
    rows = parse_lines('1,"2",3\n\n1\n"4,",5,6', Form(",", 3, {2: "a", 0: "b"}, quoted=True), 7)
    assert rows.line.tolist() == [7, 8, 10] and rows.shown(np.array([2, 0, 1])) == ["6|4,", "3|1", "|"]


def test_a_whole_file_is_a_table_with_the_lines_that_are_set_aside(tmp_path):
    file = open_text(write(tmp_path, "h,h\n1,2\n1\n3,é\n"), "utf-8", CSV)
    table = read_whole(file)
    assert list(table.rows.itertuples(index=False, name=None)) == [(2, "1", "2"), (4, "3", "é")]
    assert table.rows.columns.tolist() == ["line", "a", "b"] and table.path == tmp_path / "x"
    assert table.broken == [(3, "not 2 fields", "1")]


@pytest.mark.parametrize(("delimiter", "shown"), [("::", "'::'"), ("\t", "a tab"), (",", "a comma")])
def test_a_file_in_which_no_line_has_its_fields_is_an_error(tmp_path, delimiter, shown):
    file = open_text(write(tmp_path, "1;2\n3;4\n"), "utf-8", PAIRS._replace(delimiter=delimiter))
    with pytest.raises(UserError, match=rf"{tmp_path}/x: each line must be 2 fields .* {shown}.* line 1 is '1;2'"):
        read_whole(file)
