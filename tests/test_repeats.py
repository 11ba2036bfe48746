"""What training must not depend on: the order of the file's rows, and anything of the test set."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_memory import index_interactions, split
from stage_runner import SMALL, run_stage, run_until, set_up

from movierec.errors import UserError


def hashes(folder, *patterns):
    files = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def test_the_order_of_the_rows_in_the_file_plays_no_part_from_the_split_on(small_data, tmp_path, monkeypatch):
    found = []
    for name in ("as it is", "shuffled"):
        folder = tmp_path / name
        (folder / "own").mkdir(parents=True)
        for path in small_data.iterdir():
            header, *rows = path.read_text().splitlines()
            if name == "shuffled":
                rows = np.random.default_rng(0).permutation(rows)
            (folder / "own" / path.name).write_text("\n".join([header, *rows]) + "\n")
        set_up(folder, data_path=str(folder / "own"), **SMALL)
        assert run_until(folder, monkeypatch, last="evaluate") is None and run_stage("catalogue", folder, monkeypatch) is None
        found.append(hashes(folder, "data/split/*", "data/graph/*", "data/rankings/*", "models/*", "metrics/**/*.json", "plots/*.csv", "data/clean/movies.parquet"))
    assert found[0] == found[1] and len(found[0]) > 50


@pytest.mark.parametrize("strategy", ["random", "leave_one_out"])
def test_noise_in_place_of_the_test_set_changes_no_byte_of_the_models(small_data, tmp_path, monkeypatch, strategy):
    set_up(tmp_path, data_path=str(small_data), split_strategy=strategy, **SMALL)
    fitted = ("models/model.npz", "models/history.csv", "data/rankings/*.npz", "data/graph/*")
    assert run_until(tmp_path, monkeypatch, last="train") is None and run_stage("newcomers", tmp_path, monkeypatch) is None
    before = hashes(tmp_path, *fitted)
    test = pd.read_parquet(tmp_path / "data/split/test.parquet")
    noise = np.random.default_rng(0).permutation(len(test))
    test.assign(item=test["item"].to_numpy()[noise], rating=np.float32(1), timestamp=0).to_parquet(tmp_path / "data/split/test.parquet", index=False)
    assert run_until(tmp_path, monkeypatch, first="build_graph", last="train") is None and run_stage("newcomers", tmp_path, monkeypatch) is None
    assert hashes(tmp_path, *fitted) == before and len(before) == 6


@given(
    ratings=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 9)), min_size=20, max_size=60, unique_by=lambda row: row[:2]),
    strategy=st.sampled_from(["user_temporal", "global_temporal", "leave_one_out"]),
)
def test_in_time_nothing_that_is_trained_on_is_later_than_what_is_asked_for(ratings, strategy):
    table = pd.DataFrame(ratings, columns=["UserID", "MovieID", "Timestamp"]).assign(Rating=5.0)
    try:
        parts = split(index_interactions(table, in_time=True)[0], strategy, 0.2, 0.2, 1)
    except UserError as error:
        assert "leaves no interaction" in str(error)
        return
    by_user = strategy != "global_temporal"
    for before, after in ((parts.train, parts.valid), (parts.train, parts.test), (parts.valid, parts.test)):
        last, first = (
            (part.groupby("user")["timestamp"].agg(how) if by_user else pd.Series({0: part["timestamp"].agg(how)}))
            for part, how in ((before, "max"), (after, "min"))
        )
        both = last.index.intersection(first.index)
        assert (last[both] <= first[both]).all() if by_user else (last[both] < first[both]).all()
