"""Files: complete if they exist, the same bytes for the same content, and one error if they cannot be used."""

import contextlib
import json
import os
import resource
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from movierec.utils import arrays, storage
from movierec.utils.errors import UserError

TABLE = pd.DataFrame({"a": np.random.default_rng(0).random(5000)})


def write_in_batches(table, path, rows):
    """Write a table with a `TableWriter`; the rows that it counted."""
    with storage.writing_table(path, dict(table.dtypes.astype(str))) as writer:
        for start in range(0, len(table), rows):
            writer.append(table[start : start + rows])
    return writer.n_rows


WRITERS = {
    "table.parquet": lambda path: storage.write_table(TABLE, path),
    "batches.parquet": lambda path: write_in_batches(TABLE, path, 2000),
    "table.csv": lambda path: storage.write_csv(TABLE, path),
    "batches.csv": lambda path: storage.write_csv([TABLE, TABLE], path),
    "arrays.npz": lambda path: arrays.write_arrays(path, x=TABLE["a"].to_numpy()),
    "numbers.json": lambda path: storage.write_json({str(i): i for i in range(5000)}, path),
    "text.md": lambda path: storage.write_text("text\n" * 1000, path),
    "metrics": lambda path: storage.write_metrics(
        {"a": {"m": 0.5}, "x": dict.fromkeys(map(str, range(500)), 0.1)}, path
    ),
}


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_tables_arrays_and_numbers_come_back(tmp_path):
    frame = pd.DataFrame({"a": np.array([1, 2], np.int32), "b": ["x", "é"]})
    storage.write_table(frame, tmp_path / "t.parquet")
    storage.check_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(storage.read_table(tmp_path / "t.parquet"), frame)
    storage.write_csv(frame, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(storage.read_csv(tmp_path / "t.csv"), frame, check_dtype=False)
    arrays.write_arrays(tmp_path / "a.npz", x=np.arange(3), n=4, name="é")
    found = arrays.read_arrays(tmp_path / "a.npz")
    assert (found["x"].tolist(), int(found["n"]), str(found["name"])) == ([0, 1, 2], 4, "é")
    storage.write_json({"a": {"b": 0.123456789, "n": 3}}, tmp_path / "deep/m.json", decimals=4)
    assert json.loads((tmp_path / "deep/m.json").read_text()) == {"a": {"b": 0.1235, "n": 3}}
    storage.write_text("é\n", tmp_path / "t.md")
    assert (tmp_path / "t.md").read_bytes() == "é\n".encode()


def test_a_csv_has_one_header_and_rounded_numbers(tmp_path):
    rows = pd.DataFrame({"k": [1, 2], "v": [1 / 3, 1e-9]})
    for frames in (rows, [rows[:1], rows[1:]], (rows[i : i + 1] for i in range(2))):
        storage.write_csv(frames, tmp_path / "c.csv")
        assert (tmp_path / "c.csv").read_bytes() == b"k,v\n1,0.333333\n2,0.0\n"
    storage.write_csv(rows, tmp_path / "c.csv", decimals=2)
    assert (tmp_path / "c.csv").read_bytes() == b"k,v\n1,0.33\n2,0.0\n"


def test_metrics_are_a_file_per_metric(tmp_path):
    storage.write_metrics({"old@10": {"model": 1.0}}, tmp_path / "metrics")
    storage.write_metrics({"ndcg@10": {"model": 0.123456, "ease": 0.1}, "mrr": {"model": 0.5}}, tmp_path / "metrics")
    assert files_in(tmp_path) == ["metrics/mrr.json", "metrics/ndcg@10.json"]
    assert json.loads((tmp_path / "metrics/ndcg@10.json").read_text()) == {"model": 0.1235, "ease": 0.1}


def test_rankings_are_read_by_model_and_moment(tmp_path):
    arrays.write_arrays(
        tmp_path / "r.npz", **{"a.b.valid": np.arange(2), "a.b.test": np.arange(3), "c.test": np.arange(4)}
    )
    rankings = storage.read_rankings(tmp_path / "r.npz")
    assert {model: {at: len(ranked) for at, ranked in of.items()} for model, of in rankings.items()} == {
        "a.b": {"valid": 2, "test": 3},
        "c": {"test": 4},
    }


@pytest.mark.parametrize("n", [0, 1, 1000, 2**20, 2**21 + 5])
def test_a_table_in_batches_has_the_bytes_of_the_whole_table(tmp_path, n):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.integers(0, 2**31, n).astype(np.int32), "b": rng.random(n).astype(np.float32)})
    storage.write_table(table, tmp_path / "whole.parquet")
    assert write_in_batches(table, tmp_path / "batches.parquet", 300_007) == n
    assert storage.TableWriter.ROW_GROUP == 2**20
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "batches.parquet").read_bytes()


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_content_gives_the_same_bytes(tmp_path, name):
    for copy in ("1", "2"):
        WRITERS[name](tmp_path / copy / name)
    first, second = (files_in(tmp_path / copy) for copy in ("1", "2"))
    assert first == second and first
    assert all((tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes() for file in first)


READERS = [
    ("x.npz", arrays.read_arrays),
    ("x.npz", storage.read_rankings),
    ("x.parquet", storage.read_table),
    ("x.parquet", storage.check_table),
    ("x.csv", storage.read_csv),
]


@pytest.mark.parametrize(("name", "read"), READERS)
def test_a_missing_or_broken_file_is_one_error(tmp_path, name, read):
    with pytest.raises(UserError, match=f"{name} is missing; `dvc repro` makes it"):
        read(tmp_path / name)
    for content in (b"", b"{broken"):
        (tmp_path / name).write_bytes(content if name != "x.csv" else b'a,b\n"' * bool(content))
        with pytest.raises(UserError, match=f"{name} cannot be read .* delete it and run `dvc repro`"):
            read(tmp_path / name)


@pytest.mark.parametrize(("name", "read"), [reader for reader in READERS if reader[0] != "x.csv"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_broken(tmp_path, name, read, share):
    path = tmp_path / name
    WRITERS["arrays.npz" if name == "x.npz" else "table.parquet"](path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match="cannot be read"):
        read(path)


@contextlib.contextmanager
def file_size_limit(size):
    """Files of this process may not grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_on_a_full_disk_the_previous_file_stays_and_the_error_names_it(tmp_path, name):
    path = tmp_path / name
    previous = path / "previous.json" if name == "metrics" else path
    previous.parent.mkdir(exist_ok=True)
    previous.write_text("previous")
    with file_size_limit(1000), pytest.raises(UserError) as error:
        WRITERS[name](path)
    named = tmp_path / ".metrics.partial/x.json" if name == "metrics" else path
    assert str(error.value).startswith(f"{named}: File too large; free some space")
    assert previous.read_text() == "previous" and [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("full", ["a.parquet", "b.parquet"])
def test_of_several_tables_the_error_names_the_one_that_is_not_written(tmp_path, monkeypatch, full):
    monkeypatch.setattr(storage.TableWriter, "ROW_GROUP", 1000)

    def write_both():
        types = {"a": "float64"}
        with (
            storage.writing_table(tmp_path / "a.parquet", types) as a,
            storage.writing_table(tmp_path / "b.parquet", types) as b,
        ):
            for writer in (a, b):
                writer.append(TABLE[: 5000 if writer.path.name == full else 10])

    with file_size_limit(20_000), pytest.raises(UserError, match=rf"{full}: File too large"):
        write_both()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def read_only():
    """A folder in which this process may read but not write, even where the tests are run by root."""
    folder = Path(tempfile.mkdtemp())
    (folder / "a.json").write_text("{}")
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # nobody
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a.json", "new/deep.json"])
def test_without_permission_the_error_names_the_file_and_nothing_changes(read_only, name):
    with pytest.raises(UserError) as error:
        storage.write_json({"a": 1}, read_only / name)
    assert str(error.value).startswith(f"{read_only / name}: Permission denied; free some space or fix the permissions")
    assert files_in(read_only) == ["a.json"] and (read_only / "a.json").read_text() == "{}"


def test_no_flipped_bit_of_a_table_is_read_as_other_values(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "x.parquet"
    columns = {"a": rng.integers(0, 2**31, 3000), "b": rng.random(3000), "c": [f"t{n % 99} é" for n in range(3000)]}
    table = pd.DataFrame(columns | {"d": rng.integers(0, 9, 3000).astype(np.int32)})
    storage.write_table(table, path)
    good = path.read_bytes()
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")  # has no checksum
    places = [(rng.integers(len(good)), rng.integers(8)) for _ in range(600)]
    places += [(place, (place // 2) % 8) for place in range(footer, len(good), 2)]
    refused = 0
    for place, bit in places:
        damaged = bytearray(good)
        damaged[place] ^= 1 << bit
        path.write_bytes(bytes(damaged))
        try:
            pd.testing.assert_frame_equal(storage.read_table(path), table)
        except UserError as error:
            refused += str(path) in str(error)
    assert refused > len(places) / 2


def test_check_table_verifies_every_page(tmp_path):
    with storage.writing_table(tmp_path / "x.parquet", {"a": "int64"}) as writer:
        writer.append({"a": np.arange(500_000)})
    storage.check_table(tmp_path / "x.parquet")
    data = bytearray((tmp_path / "x.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.parquet").write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"x\.parquet cannot be read"):
        storage.check_table(tmp_path / "x.parquet")


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay(tmp_path):
    texts = ["=1+1", "-1", "+x", "@f", "ok", "-1.5e3", "\tx", "a=b", "--1", "-1|1|5|1"]
    storage.write_csv(pd.DataFrame({"t": texts, "n": range(-5, 5)}), tmp_path / "x.csv")
    found = pd.read_csv(tmp_path / "x.csv", dtype=str)
    assert found["t"].tolist() == ["'=1+1", "-1", "'+x", "'@f", "ok", "-1.5e3", "'\tx", "a=b", "'--1", "-1|1|5|1"]
    assert found["n"].tolist() == [str(n) for n in range(-5, 5)]
