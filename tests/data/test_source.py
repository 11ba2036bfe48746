"""Tables as views of DuckDB: rows in the order of the file, each with its line."""

import contextlib
from unittest import mock

import pandas as pd
import pyarrow as pa
import pytest
from in_memory import write_files

from movierec.data.columns import by_place
from movierec.data.engine import Engine
from movierec.data.source import View, as_text, parts_of
from movierec.data.text_file import Form
from movierec.utils.errors import UserError

PAIRS = {"UserID": "f0", "MovieID": "f1"}


@pytest.fixture
def engine(tmp_path):
    with contextlib.closing(Engine(tmp_path / "scratch")) as engine:
        yield engine


CSV = Form(",", quoted=True)


def view(engine, folder, text, form=CSV, header=0):
    write_files(folder, {"x": text})
    return View(engine, "x", by_place(folder / "x", "a b", form, PAIRS, header))


def rows(view):
    return list(view.frame().itertuples(index=False, name=None))


def faults(view):
    return view.engine.rows(f"FROM {view.name}_faults ORDER BY line")


TEXTS = {
    "plain": ("a,b\n1,2\n3\n4,5,6\n7,8\n", [(2, "1", "2"), (5, "7", "8")], [(3, "3"), (4, "4,5,6")]),
    "blank lines": ("\na,b\n\n1,\n3\n\n,8\n\n", [(4, "1", ""), (7, "", "8")], [(5, "3")]),
    "quotes": ('a,b\n1,"2\n3,4"\n5\n6,""""\n', [(2, "1", "2\n3,4"), (5, "6", '"')], [(4, "5")]),
    "two kinds of line ends": ("a,b\r\n1,2\n3\r\n4,5", [(2, "1", "2"), (4, "4", "5")], [(3, "3")]),
    "old line ends": ("a,b\r1,2\r3\r4,5\r", [(2, "1", "2"), (4, "4", "5")], [(3, "3")]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_rows_and_other_lines_have_their_numbers(engine, tmp_path, name):
    text, expected, others = TEXTS[name]
    header = 2 if name == "blank lines" else 1
    found = view(engine, tmp_path, text, header=header)
    assert rows(found) == expected
    assert faults(found) == [(line, "not 2 fields", shown) for line, shown in others]
    assert found.n_lines == len(expected) + len(others)


def test_a_line_that_duckdb_leaves_out_is_read_by_the_slower_reader(engine, tmp_path):
    long = "x" * 3_000_000
    with mock.patch("movierec.data.source.LONGEST", 2_000_000):
        assert rows(view(engine, tmp_path, f"1,2\n3,{long}\n4,5\n")) == [(1, "1", "2"), (2, "3", long), (3, "4", "5")]


def test_a_large_file_keeps_its_order_on_several_threads(engine, tmp_path):
    n = 300_000
    table = view(engine, tmp_path, "".join(f"{i},{i % 7}\n" if i % 1000 else "x\n" for i in range(n)))
    frame = table.frame()
    assert frame["UserID"].astype(int).tolist() == [i for i in range(n) if i % 1000]
    assert (frame["line"] == frame["UserID"].astype(int) + 1).all() and table.n_lines == n


@pytest.mark.parametrize(
    ("text", "message"), [("a,b\n", "has a header and no rows"), ("a,b\n1;2\n", "must be 2 fields .* a comma")]
)
def test_a_file_without_rows_is_an_error(engine, tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        view(engine, tmp_path, text, header=1).frame()


def test_parts_of_a_folder_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b.parquet", "a.parquet"):
        pd.DataFrame({"x": [1]}).to_parquet(tmp_path / name)
    (tmp_path / "_SUCCESS").touch()
    assert [part.name for part in parts_of(tmp_path)] == ["a.parquet", "b.parquet"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty is a folder without Parquet files"):
        parts_of(tmp_path / "empty")


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([1.0, 1.5, None, float("nan"), 1e20]), ["1", "1.5", None, None, "1e+20"]),
        (pa.array([3.5, 0.1], pa.float32()), ["3.5", "0.1"]),
        (pa.array([1_500_000_000_999, None], pa.timestamp("ms")), ["1500000000", None]),
        (pa.array([["a", "b"], [], None]), ["a|b", "", None]),
        (pa.array([b"a", b"\xff"]), ["a", "\\xFF"]),
        (pa.array([True, False]), ["true", "false"]),
    ],
)
def test_columns_of_parquet_as_text(engine, column, texts):
    engine.insert("given", pa.table({"c": column}))
    assert [of for (of,) in engine.rows(f"SELECT {as_text('c', column.type)} FROM given")] == texts
