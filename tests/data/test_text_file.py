"""Files of text: what a look at their bytes shows, and their records."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movierec.data.text_file import LONGEST, Form, first_record, look, records
from movierec.utils.errors import UserError

CSV = Form(",", quoted=True)


def write(folder, content):
    path = folder / "x"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "n_lines", "plain"),
    [
        ("a,b\n1,2\n", 2, True),
        ("a,b\n1,2", 2, True),
        ("a,b\r\n1,2\r\n", 2, True),
        ("a,b\r1,2\r", 2, False),
        ("a,b\r\n1,2\n", 2, False),
        ('a,b\n1,"2"\n', 2, False),
        ("\ufeffa,b\n\n1,2\n", 3, True),
    ],
)
def test_a_look_counts_lines_and_tells_whether_each_may_be_a_record(tmp_path, content, n_lines, plain):
    found = look(write(tmp_path, content), CSV)
    assert (found.n_lines, found.plain, found.encoding) == (n_lines, plain, "utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x is empty"),
        (b"\xef\xbb\xbf \r\n\n", "x is empty"),
        (b"a,b\n1,\0\n", "x, line 2: contains zero bytes"),
        ("a,b\r\ncaf\xe9,1\n".encode("latin-1"), "x, line 2: not utf-8 text; convert the file to utf-8"),
        (b"a,b\n1," + b"2" * (LONGEST + 2**20), "x, line 2: longer than 16,777,216 bytes"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        look(write(tmp_path, content), CSV)


def test_latin_1_is_taken_only_where_utf_8_does_not_fit(tmp_path):
    form = Form("::", latin=True)
    assert look(write(tmp_path, "é::1\n"), form).encoding == "utf-8"
    assert look(write(tmp_path, "é::1\n".encode("latin-1")), form).encoding == "latin-1"


FIELD = st.text(st.sampled_from(',"\n\r é;\tx1'), max_size=5)
TABLE = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(FIELD, min_size=n, max_size=n), min_size=1, max_size=6))


@given(rows=TABLE, end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans(), cut=st.booleans())
def test_records_are_those_of_pythons_csv_each_with_its_first_line(tmp_path_factory, rows, end, mark, cut):
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    text = out.getvalue()[: -len(end)] if cut else out.getvalue()
    path = write(tmp_path_factory.mktemp("csv"), "\ufeff" * mark + text)
    found = list(records(path, CSV, "utf-8"))
    assert [fields for _, fields in found] == list(csv.reader(io.StringIO(text, newline="")))
    lines = io.StringIO(text, newline=None).read().split("\n")  # one kind of line end
    for line, fields in found:
        assert lines[line - 1].startswith(
            '"' + fields[0].replace('"', '""').replace("\r\n", "\n").split("\n")[0].split("\r")[0]
        )


def test_delimiters_of_several_characters_escaped_quotes_and_lists(tmp_path):
    path = write(tmp_path, 'a::"b::c\n\n1::2\x1f::3\n')
    assert list(records(path, Form("::"), "utf-8")) == [(1, ["a", '"b', "c"]), (3, ["1", "2\x1f", "3"])]
    path = write(tmp_path, '"1";"The \\"Best\\" ; of";"x"\n')
    assert list(records(path, Form(";", quoted=True, escape="\\"), "utf-8")) == [(1, ["1", 'The "Best" ; of', "x"])]
    path = write(tmp_path, "0 5 7 \n1\n2 9\n")
    assert list(records(path, Form(" ", lists=True), "utf-8")) == [(1, ["0", "5"]), (1, ["0", "7"]), (3, ["2", "9"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [('a,b\n1,"2\n3,4\n', "x, line 2: a quote is not closed"), ('a,b\n\n1,"2"3\n', "x, line 3: not valid CSV")],
)
def test_quotes_that_are_not_those_of_a_csv_are_named_with_their_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        list(records(write(tmp_path, content), CSV, "utf-8"))


def test_the_first_record_is_given_with_its_last_line(tmp_path):
    assert first_record(write(tmp_path, '\ufeffa,"b\nc"\n1,2\n'), CSV) == (2, ["a", "b\nc"])
    assert first_record(write(tmp_path, "\ufeffé\tb\n"), Form("\t", latin=True))[1][1] == "b"
