"""Parquet files as columns of text: types, missing values, blocks of rows, damaged files."""

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from movierec.data.parquet_file import ROW_BYTES, ParquetFile, as_text, column_names
from movierec.data.text_file import TEXTS, read_whole
from movierec.utils.errors import UserError

COLUMNS = {"UserID": "user", "Timestamp": "time"}


def write(folder, **columns):
    path = folder / "x.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([7, None], pa.int32()), ["7", ""]),
        (pa.array([2**63], pa.uint64()), [str(2**63)]),
        (pa.array([3.5, 1.0, 1e6, 1e30, 881250949.0]), ["3.5", "1", "1000000", "1e+30", "881250949"]),
        (pa.array([float("nan"), float("inf"), -1.0]), ["nan", "inf", "-1"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array(["Ärger, 1", "", None]), ["Ärger, 1", "", ""]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array(["b", "a", None, "b"]).dictionary_encode(), ["b", "a", "", "b"]),
        (pa.array([5, 6, 5]).dictionary_encode(), ["5", "6", "5"]),
        (pa.array([9_000, 8_999, None], pa.timestamp("ms")), ["9", "8", ""]),
        (pa.array([9 * 10**9], pa.timestamp("ns", "Europe/Rome")), ["9"]),
        (pa.array([9], pa.timestamp("s")), ["9"]),
        (pa.array([True, None]), ["true", ""]),
        (pa.nulls(2), ["", ""]),
    ],
)
def test_numbers_times_and_missing_values_as_text(column, text):
    assert as_text(column).to_pylist() == text and as_text(column).type == pa.string()


def test_a_file_in_blocks_of_rows(tmp_path):
    path = write(tmp_path, time=[9, 8, 9], note=["a", "b", "c"], user=["bob", None, "bob"])
    file = ParquetFile(path, COLUMNS)
    assert file.names == ["UserID", "Timestamp"] and file.first == 1 and column_names(path) == ["time", "note", "user"]
    blocks = list(file.blocks(2 * ROW_BYTES))
    assert [(block.first, block.n_lines) for block in blocks] == [(1, 2), (3, 1)]
    rows = file.parse(blocks[0])
    assert rows.line.tolist() == [1, 2] and rows.broken == []
    assert rows.columns["UserID"].type == TEXTS and rows.columns["UserID"].to_pylist() == ["bob", ""]
    assert rows.columns["Timestamp"].type == pa.string() and rows.columns["Timestamp"].to_pylist() == ["9", "8"]
    assert rows.shown(rows.line - 1) == ["bob|9", "|8"]
    assert read_whole(file).rows.values.tolist() == [[1, "bob", "9"], [2, "", "8"], [3, "bob", "9"]]


@given(
    users=st.lists(st.one_of(st.none(), st.text(max_size=3), st.just("a\nb")), min_size=1, max_size=9),
    size=st.integers(1, 4 * ROW_BYTES),
)
def test_blocks_of_any_size_together_are_the_file(tmp_path_factory, users, size):
    file = ParquetFile(write(tmp_path_factory.mktemp("x"), user=pa.array(users, pa.string())), {"UserID": "user"})
    parsed = [file.parse(block) for block in file.blocks(size)]
    assert [line for rows in parsed for line in rows.line] == list(range(1, len(users) + 1))
    assert [text for rows in parsed for text in rows.columns["UserID"].to_pylist()] == [user or "" for user in users]


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    for content in (b"", b"PAR1 cut off", b"user,item\n1,2\n"):
        path.write_bytes(content)
        for read in (column_names, lambda path: list(ParquetFile(path, COLUMNS).blocks())):
            with pytest.raises(UserError, match=f"^{path} is not a readable Parquet file .*write it again"):
                read(path)


def test_a_file_damaged_in_the_middle_is_named(tmp_path):
    path = write(tmp_path, user=[f"u{n}" for n in range(5000)], time=range(5000))
    data = bytearray(path.read_bytes())
    data[50:2000] = bytes(1950)
    path.write_bytes(data)
    assert column_names(path) == ["user", "time"]
    with pytest.raises(UserError, match=f"{path} is not a readable Parquet file"):
        read_whole(ParquetFile(path, COLUMNS))


def test_a_file_without_rows_is_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/x.parquet has no rows"):
        column_names(write(tmp_path, user=pa.array([], pa.string())))


@pytest.mark.parametrize("column", [[[1]], [{"a": 1}], [b"\xff"]])
def test_a_column_that_is_neither_text_nor_numbers_nor_times_is_an_error(tmp_path, column):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"user": column, "time": [1]}).to_parquet(path)
    with pytest.raises(UserError, match=f"{path} is not a readable Parquet file"):
        list(ParquetFile(path, COLUMNS).blocks())
