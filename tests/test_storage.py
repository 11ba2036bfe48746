"""Files: whole or not there, the same bytes for the same content, one clear error."""

import json

import numpy as np
import pandas as pd
import pytest

from movierec import storage
from movierec.errors import UserError


def test_tables_arrays_and_numbers_come_back(tmp_path):
    frame = pd.DataFrame({"a": np.array([1, 2], np.int32), "b": ["x", "é"]})
    storage.write_table(frame, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(storage.read_table(tmp_path / "t.parquet"), frame)
    storage.write_arrays(tmp_path / "a.npz", x=np.arange(3), n=4)
    again = storage.read_arrays(tmp_path / "a.npz")
    assert again["x"].tolist() == [0, 1, 2] and int(again["n"]) == 4
    storage.write_json({"a": {"b": 0.123456789, "n": 3}}, tmp_path / "deep" / "m.json", decimals=4)
    assert json.loads((tmp_path / "deep" / "m.json").read_text()) == {"a": {"b": 0.1235, "n": 3}}
    storage.write_csv(pd.DataFrame({"k": [1], "v": [1 / 3]}), tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == b"k,v\n1,0.333333\n"


def test_the_same_content_gives_the_same_bytes(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5]})
    for name in ("1", "2"):
        storage.write_table(frame, tmp_path / name / "t.parquet")
        storage.write_arrays(tmp_path / name / "a.npz", x=np.arange(3.0))
    for name in ("t.parquet", "a.npz"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    storage.write_json({"a": 1}, tmp_path / "m.json")

    def fail(path):
        path.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        storage.write_whole(tmp_path / "m.json", fail)
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]
    assert storage.read_json(tmp_path / "m.json") == {"a": 1}


@pytest.mark.parametrize("name", ["x.npz", "x.parquet", "x.json"])
def test_a_missing_or_broken_file_is_one_clear_error(tmp_path, name):
    read = {"x.npz": storage.read_arrays, "x.parquet": storage.read_table, "x.json": storage.read_json}[name]
    with pytest.raises(UserError, match="is missing; `dvc repro` makes it"):
        read(tmp_path / name)
    (tmp_path / name).write_text("{broken")
    with pytest.raises(UserError, match="cannot be read .* delete it and run `dvc repro`"):
        read(tmp_path / name)


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="allow_pickle"):
        storage.read_arrays(tmp_path / "x.npz")
