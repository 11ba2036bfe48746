"""SQL over Parquet files: more than fits into memory, odd paths, and the errors of a disk and of memory."""

import contextlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from movierec.data.engine import ROW, Engine, literal
from movierec.utils.errors import UserError
from movierec.utils.storage import write_table


@pytest.fixture
def engine(tmp_path):
    with contextlib.closing(Engine(tmp_path / "scratch")) as engine:
        yield engine


def test_a_query_larger_than_memory_spills_to_disk_and_gives_the_same_rows(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.permutation(4_000_000), "b": rng.random(4_000_000)})
    write_table(table, tmp_path / "t.parquet")
    monkeypatch.setattr("movierec.data.engine.MEMORY", "80MB")
    with contextlib.closing(Engine(tmp_path / "scratch")) as engine:
        engine.open("t", tmp_path / "t.parquet")
        batches = [batch.column(1).to_numpy() for batch in engine.batches("SELECT a, b FROM t ORDER BY a")]
        spilled = (tmp_path / "scratch" / "spilled").exists()
    assert spilled and len(batches) > 1
    assert (np.concatenate(batches) == table.sort_values("a")["b"].to_numpy()).all()


def test_a_path_may_have_quotes_and_wildcards(tmp_path, engine):
    folder = tmp_path / "it's [1]*?"
    write_table(pd.DataFrame({"a": [1, 2]}), folder / "t.parquet")
    write_table(pd.DataFrame({"a": [3]}), tmp_path / "it's 1x" / "t.parquet")
    engine.open("t", folder / "t.parquet")
    assert engine.rows(f"SELECT a, {ROW} FROM t ORDER BY a") == [(1, 0), (2, 1)]
    assert literal(folder) == f"'{tmp_path}/it''s [[]1][*][?]'"


def test_a_file_may_be_opened_again_under_the_same_name(tmp_path, engine):
    for value in (1, 2):
        write_table(pd.DataFrame({"a": [value]}), tmp_path / f"{value}.parquet")
        engine.open("t", tmp_path / f"{value}.parquet")
        assert engine.rows("SELECT a FROM t") == [(value,)]


def test_inserted_rows_are_appended_to_a_table_that_is_created_once(engine):
    engine.insert("t", pa.table({"a": [1, 2], "b": ["x", None]}))
    engine.insert("t", pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}))
    engine.insert("t", pa.table({"a": [3], "b": ["it's"]}))
    assert engine.rows("SELECT * FROM t ORDER BY a") == [(1, "x"), (2, None), (3, "it's")]


def test_an_answer_comes_as_rows_arrays_or_batches(engine):
    engine.insert("t", pa.table({"a": pa.array([3, 1, 2], pa.int32()), "b": [0.5, 1.5, 2.5]}))
    assert engine.rows("SELECT a FROM t WHERE a > ? AND b < ? ORDER BY a", 1, 2) == [(3,)]
    a, b = engine.arrays("SELECT a, b FROM t WHERE a >= ? ORDER BY a", 2)
    assert a.tolist() == [2, 3] and a.dtype == np.int32 and b.tolist() == [2.5, 0.5]
    (batch,) = engine.batches("SELECT a FROM t ORDER BY a")
    assert batch.column("a").to_pylist() == [1, 2, 3]


def test_too_little_memory_is_a_memory_error(tmp_path, monkeypatch):
    monkeypatch.setattr("movierec.data.engine.MEMORY", "5MB")
    with contextlib.closing(Engine(tmp_path / "scratch")) as engine, pytest.raises(MemoryError, match="Out of Memory"):
        engine.rows("SELECT list(range) FROM range(10000000)")


def test_an_error_of_the_disk_names_the_folder_and_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr("movierec.data.engine.MEMORY", "80MB")
    scratch = tmp_path / "scratch"
    with contextlib.closing(Engine(scratch)) as engine:
        (scratch / "spilled").write_text("no folder")
        with pytest.raises(UserError, match="free some space or fix the permissions") as error:
            list(engine.batches("SELECT random() AS a, range AS b FROM range(8000000) ORDER BY a"))
    assert str(error.value).startswith(f"{scratch}: ") and "\n" not in str(error.value)


def test_nothing_is_fetched_from_the_network(engine):
    names = ("autoinstall_known_extensions", "autoload_known_extensions")
    assert [engine.rows("SELECT current_setting(?)", name) for name in names] == [[(False,)]] * 2
