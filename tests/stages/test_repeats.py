"""Training repeats to the byte, and depends neither on the order of the file's rows nor on the test set."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from stage_runner import SMALL, run_stage, run_until, set_up


def hashes(folder, *patterns):
    files = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def test_the_order_of_the_rows_changes_nothing_from_the_split_on(small_data, tmp_path, monkeypatch):
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
        assert (
            run_until(folder, monkeypatch, last="evaluate") is None
            and run_stage("catalogue", folder, monkeypatch) is None
        )
        found.append(
            hashes(
                folder,
                "data/split/*",
                "data/test/*",
                "data/graph/*",
                "data/rankings/*",
                "models/*",
                "metrics/**/*.json",
                "plots/**/*.csv",
                "data/clean/movies.parquet",
            )
        )
    assert found[0] == found[1] and len(found[0]) > 50


@pytest.mark.parametrize("strategy", ["random", "leave_one_out"])
def test_noise_in_place_of_the_test_set_changes_no_byte_of_the_models(small_data, tmp_path, monkeypatch, strategy):
    set_up(tmp_path, data_path=str(small_data), split_strategy=strategy, **SMALL)
    fitted = ("models/model.npz", "models/epochs.csv", "data/rankings/*.npz", "data/graph/*")
    assert (
        run_until(tmp_path, monkeypatch, last="train") is None and run_stage("newcomers", tmp_path, monkeypatch) is None
    )
    before = hashes(tmp_path, *fitted)
    test = pd.read_parquet(tmp_path / "data/test/test.parquet")
    noise = np.random.default_rng(0).permutation(len(test))
    test.assign(item=test["item"].to_numpy()[noise], rating=np.float32(1), timestamp=0).to_parquet(
        tmp_path / "data/test/test.parquet", index=False
    )
    assert (
        run_until(tmp_path, monkeypatch, first="build_graph", last="train") is None
        and run_stage("newcomers", tmp_path, monkeypatch) is None
    )
    assert hashes(tmp_path, *fitted) == before and len(before) == 6


@pytest.mark.parametrize("strategy", ["random", "leave_one_out"])
def test_processes_over_many_nodes_go_through_all_stages_and_repeat(small_data, tmp_path, monkeypatch, strategy):
    of_sides = {"user_process": "local", "item_process": "local"}
    set_up(tmp_path, data_path=str(small_data), split_strategy=strategy, **SMALL | of_sides)
    assert run_until(tmp_path, monkeypatch) is None
    written = ("models/*", "data/rankings/*", "data/recommendations/*", "plots/*.html")
    before = hashes(tmp_path, *written)
    for stage in ("train", "newcomers", "recommend"):
        assert run_stage(stage, tmp_path, monkeypatch) is None
    assert hashes(tmp_path, *written) == before and len(before) > 6
