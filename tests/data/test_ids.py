"""Ids of one's own tables: those that come in are those that go out, and one text is one id."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import clean_folder, write_files
from pyarrow import parquet

from movierec.utils.errors import UserError


def write(folder, kind, users, items=None):
    """A table of interactions with these users, each with an item of its own, as CSV or Parquet; the folder."""
    items = [f"i{n}" for n in range(len(users))] if items is None else items
    table = pa.table({"user": users, "item": items})
    if kind == "csv":
        table.to_pandas().to_csv(folder / "interactions.csv", index=False)
    else:
        parquet.write_table(table, folder / "interactions.parquet")
    return folder


def users_of(folder, **options):
    """The ids of the users, of the data set."""
    users = clean_folder(folder, **options).users
    return users["Name" if "Name" in users else "UserID"].tolist()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["007", "7", "00007"], ["00007", "007", "7"]),
        (["000", "0"], ["0", "000"]),
        (["0306406152", "034545104X"], ["0306406152", "034545104X"]),
        ([5, 2**31 - 1], [5, 2**31 - 1]),
        ([5, 2**31], [5, 2**31]),
        ([10, 9, 2**63 - 1], [9, 10, 2**63 - 1]),
        ([2**53 + 1, 2**53], [2**53, 2**53 + 1]),
        (["1e5", "100000"], ["100000", "1e5"]),
        (["-1", "1"], [-1, 1]),
        (["3.10", "3.1"], ["3.1", "3.10"]),
        (["a ", "a", " a"], [" a", "a", "a "]),
        (["é", "É", "e\u0301"], ["e\u0301", "É", "é"]),
        (["NA", "null", "None"], ["NA", "None", "null"]),
        ([18446744073709551615], ["18446744073709551615"]),
    ],
)
def test_each_text_is_an_id_and_numbers_stay_numbers(tmp_path, kind, ids, expected):
    column = pa.array(ids, pa.uint64()) if ids[0] == 2**64 - 1 else pa.array(ids)
    assert users_of(write(tmp_path, kind, column)) == expected


FEW = st.lists(st.one_of(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=4),
                         st.integers(0, 200).map(str), st.integers(0, 20).map(lambda n: f"{n:03}")),
               min_size=1, max_size=12, unique=True)  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@given(ids=FEW)
@settings(max_examples=settings().max_examples // 3)
def test_any_texts_are_as_many_ids_and_come_out_as_they_went_in(tmp_path_factory, kind, ids):
    found = users_of(write(tmp_path_factory.mktemp("ids"), kind, ids))
    assert sorted(map(str, found)) == sorted(ids)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_whole_floats_are_whole_numbers_and_missing_ones_are_missing(tmp_path, kind):
    table = clean_folder(write(tmp_path, kind, pd.Series([7.0, np.nan, 12.0])))
    assert table.users["UserID"].tolist() == [7, 12]
    assert table.rejected["reason"].tolist() == ["UserID is not a whole number from 0 to 2147483647"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("ids", [[7.0, 1.5], [1.0, 2.0**53 + 2], [2.0, 1e300]])
def test_floats_that_are_no_exact_whole_numbers_are_an_error(tmp_path, kind, ids):
    with pytest.raises(
        UserError, match=rf"interactions\.{kind}: UserID .* in a column of floats.*9,007,199,254,740,992"
    ):
        clean_folder(write(tmp_path, kind, ids))


def test_floats_of_32_bits_hold_fewer_ids(tmp_path):
    assert users_of(write(tmp_path, "parquet", pa.array([2.0**24], pa.float32()))) == [2**24]
    with pytest.raises(UserError, match=r"interactions\.parquet: UserID 16777218 .*16,777,216; write it as integers"):
        clean_folder(write(tmp_path, "parquet", pa.array([2.0**24 + 2], pa.float32())))


@pytest.mark.parametrize(
    "column",
    [pa.array(["a", "b"]).dictionary_encode(), pa.array(["a", "b"], pa.large_string()), pa.array([b"a", b"b"])],
)
def test_text_of_any_kind_of_parquet_is_text(tmp_path, column):
    assert users_of(write(tmp_path, "parquet", column)) == ["a", "b"]


def test_items_and_interactions_may_differ_in_type(tmp_path):
    write(tmp_path, "parquet", ["a", "b"], pa.array([1.0, 2.0]))
    parquet.write_table(
        pa.table({"item": pa.array([2, 1, 3], pa.int8()), "title": ["B", "A", "C"]}), tmp_path / "items.parquet"
    )
    tables = clean_folder(tmp_path, 0)
    assert tables.movies["MovieID"].tolist() == [1, 2, 3] and len(tables.ratings) == 2


def test_control_characters_leave_ids_unless_that_makes_two_the_same(tmp_path):
    folder = write_files(tmp_path, {"interactions.csv": "user,item\na\x1b[31mb,1\nc\u202ed,2\n"})
    assert users_of(folder) == ["ab", "cd"]
    write_files(tmp_path, {"interactions.csv": "user,item\na\x07b,1\nab,2\n"})
    with pytest.raises(UserError, match=r"UserID 'a(b|\\x07b)' is another id's"):
        clean_folder(folder)


def test_tokens_of_recbole_are_texts(tmp_path):
    rows = "user_id:token\titem_id:token\n007\tx\n7\tx\n"
    assert users_of(write_files(tmp_path, {"a.inter": rows})) == ["007", "7"]
