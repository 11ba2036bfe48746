"""The benchmarks: their output, and what they refuse."""

import json
import os
import runpy
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from imports import ROOT

from movierec.utils.storage import write_arrays, write_table

BENCHMARKS = ROOT / "benchmarks"
QUICK = ("--set", "epochs=1", "--set", "embedding_dim=8", "--set", "ease.lambdas=[1]")


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """A small split of two tastes; ids with gaps, a user without valid, one without test."""
    folder, rng = tmp_path_factory.mktemp("split"), np.random.default_rng(0)
    lines = {"train": [], "valid": [], "test": []}
    for user in range(60):
        liked = rng.permutation(np.arange(user % 2, 80, 2))[:30] * 7 + 100
        for name, part in (("train", liked[:20]), ("valid", liked[20:23]), ("test", liked[23:])):
            if (name, user) not in (("valid", 3), ("test", 4)):
                lines[name].append(" ".join(map(str, [user * 10, *part])))
    for name, rows in lines.items():
        (folder / f"{name}.txt").write_text("\n".join(rows) + "\n")
    return folder


def benchmark(name, *arguments, **environment):
    """Run a benchmark as a process."""
    command = [sys.executable, f"benchmarks/{name}.py", *map(str, arguments)]
    env = os.environ | {key: str(value) for key, value in environment.items()}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.fixture
def here(monkeypatch, capsys):
    """Runs a benchmark in this process, which is faster: gives its output (out, err), or the message of its error."""

    def run(name, *arguments):
        script = BENCHMARKS / f"{name}.py"
        monkeypatch.syspath_prepend(BENCHMARKS)
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as stopped:
            return stopped.code
        return capsys.readouterr()

    return run


def test_published_split_prints_one_json_object(split):
    settings = ("--set", "epochs=2", "--set", "embedding_dim=8", "--set", "ease.lambdas=[1, 10]")
    done = benchmark("published_split", "--split", split, "--seeds", "1,2", *settings)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    names = {f"{metric}@{k}" for metric in ("recall", "ndcg", "precision", "hit_rate", "mrr") for k in (10, 20, 40)}
    for name in ("model", "EASE", "popularity"):
        assert names | {"valid", "fit_seconds", "evaluate_seconds"} <= set(result[name])
        assert set(result[name]["valid"]) == names
        assert all(0 <= result[name][key] <= 1 for key in names)
    seeds = result["model"]["seeds"]
    assert [run["seed"] for run in seeds] == [1, 2] and all(1 <= run["best_epoch"] <= 2 for run in seeds)
    assert result["model"]["ndcg@20"] == pytest.approx(np.mean([run["ndcg@20"] for run in seeds]), abs=1e-6)
    assert result["EASE"]["lambda"] in (1, 10)
    assert result["model"]["ndcg@20"] > 2 * result["popularity"]["ndcg@20"]
    assert result["params"]["epochs"] == 2 and result["params"]["ease"]["lambdas"] == [1, 10]
    assert result["versions"]["torch"] and result["threads"] >= 1 and result["peak_memory_mb"] > 50


def test_masking_valid_too_leaves_fewer_wrong_candidates(split, here):
    arguments = ("published_split", "--split", split, *QUICK, "--mask")
    train, both = (json.loads(here(*arguments, mask).out) for mask in ("train", "train+valid"))
    assert both["EASE"]["ndcg@20"] > train["EASE"]["ndcg@20"]
    assert both["EASE"]["valid"] == train["EASE"]["valid"]


def test_ease_is_left_out_where_there_are_too_many_items(split, here):
    done = here("published_split", "--split", split, *QUICK, "--set", "ease.max_items=79")
    assert "80 items are more than ease.max_items (79)" in done.err
    result = json.loads(done.out)
    assert "EASE" not in result and {"model", "popularity"} <= set(result)


OVERLAP = "0 107\n" + "\n".join(f"{user * 10} {item * 7 + 100}" for user in range(2) for item in range(80))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("valid.txt", None, "valid.txt is missing; --split needs a folder with train.txt, valid.txt and test.txt"),
        ("valid.txt", "", "valid.txt has no interactions"),
        ("train.txt", "1 2 3\n4 x\n", "train.txt, line 2: '4 x' is not"),
        ("test.txt", OVERLAP, "in an earlier file too"),
    ],
)
def test_an_unusable_split_is_refused(split, here, tmp_path, file, content, message):
    for name in ("train.txt", "valid.txt", "test.txt"):
        if (text := content if name == file else (split / name).read_text()) is not None:
            (tmp_path / name).write_text(text)
    error = here("published_split", "--split", tmp_path)
    assert error.startswith("published_split: ") and message in error


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lr", "--set lr: write it as key=value."),
        ("lr=[", "--set lr=[: the value is not readable as YAML"),
        ("lr=abc", "lr is 'abc'"),
        ("lrr=1", "unknown key 'lrr'; did you mean 'lr'?"),
        ("next.lr=-1", "next.lr is -1"),
        ("next.lrr=1", "unknown key 'next.lrr'; did you mean 'next.lr'?"),
        ("lr.next=1", "unknown key 'lr.next'"),
    ],
)
def test_an_invalid_setting_is_refused(split, here, setting, message):
    error = here("published_split", "--split", split, "--set", setting)
    assert error.startswith("published_split: ") and message in error


def test_a_refusal_is_one_line_and_exit_status_1(split):
    done = benchmark("published_split", "--split", split, "--set", "lr")
    assert done.returncode == 1 and done.stderr == "published_split: --set lr: write it as key=value.\n"


SMALL = ("epochs=2", "embedding_dim=8", "ease.lambdas=[1, 10]", "next.dim=16", "next.epochs=8", "next.lr=0.02")


@pytest.fixture
def sequences(tmp_path):
    """All users walk around a circle of 30 movies, from different ones; ids with gaps, and a repeated line."""
    lines = [f"{user * 3} {(user + step) % 30 * 10 + 5}" for user in range(90) for step in range(6 + user % 9)]
    (tmp_path / "sequences.txt").write_text("\n".join([*lines, lines[0]]) + "\n")
    return tmp_path / "sequences.txt"


def test_next_item_prints_one_json_object(sequences):
    settings = (f"--set={setting}" for setting in SMALL)
    done = benchmark("next_item", "--sequences", sequences, "--seeds", "1,2", *settings)
    assert done.returncode == 0, done.stderr
    assert "90 users, 30 items; train 720, valid 90, test 90" in done.stderr
    assert "repeated interactions, left out: 1" in done.stderr
    result = json.loads(done.stdout)
    names = {"ndcg@10", "hit_rate@10", "ndcg@20", "hit_rate@20"}
    for name in ("model", "EASE", "item-kNN", "popularity", "Markov chain"):
        assert names | {"valid", "fit_seconds", "evaluate_seconds"} <= set(result[name])
        assert set(result[name]["valid"]) == names and all(0 <= result[name][key] <= 1 for key in names)
    assert result["Markov chain"]["ndcg@10"] == 1, "the next movie is certain"
    assert result["model"]["hit_rate@10"] > 0.9 > result["popularity"]["hit_rate@10"]
    assert [run["seed"] for run in result["model"]["seeds"]] == [1, 2]
    assert all(len(run["shares"]) == 3 and run["new_event_ms"] > 0 for run in result["model"]["seeds"])
    assert result["params"]["next"]["epochs"] == 8 and result["versions"]["dgl"] and result["peak_memory_mb"] > 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "sequences.txt is missing; --sequences needs a file with a line per interaction, 'user item'"),
        ("\n", "sequences.txt has no interactions"),
        ("1 2\n\n1 2 3\n", "sequences.txt, line 3: '1 2 3' is not 'user item'"),
        ("1 2\n1 3\n", "leave_one_out leaves no interaction in valid, out of 2"),
    ],
)
def test_unusable_sequences_are_refused(here, tmp_path, content, message):
    if content is not None:
        (tmp_path / "sequences.txt").write_text(content)
    error = here("next_item", "--sequences", tmp_path / "sequences.txt")
    assert error.startswith("next_item: ") and message in error


def test_sequences_are_by_time_and_of_equal_times_in_the_order_of_the_file(here, tmp_path):
    ratings = ["2::30::1::7", "1::20::5::9", "1::10::3::9", "1::30::4::1"]
    with zipfile.ZipFile(tmp_path / "ml-1m.zip", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "\n".join(ratings) + "\n")
        archive.writestr("ml-1m/movies.dat", "".join(f"{movie}::M (1999)::Drama\n" for movie in (10, 20, 30)))
        archive.writestr("ml-1m/users.dat", "1::F::1::1::1\n2::M::1::1::1\n")
    done = benchmark("write_sequences", tmp_path / "ml-1m.zip", tmp_path / "out.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text().splitlines() == ["1 30", "1 20", "1 10", "2 30"]
    assert "4 interactions of 2 users with 3 movies" in done.stdout
    for name, message in (
        ("mine.zip", "no known release; its name must be one of ml-100k.zip"),
        ("ml-10m.zip", "ml-10m.zip is missing; it comes from"),
    ):
        error = here("write_sequences", tmp_path / name, tmp_path / "out2.txt")
        assert error.startswith("write_sequences: ") and message in error and not (tmp_path / "out2.txt").exists()


def test_top_k_times_exact_search_and_leaves_out_missing_libraries(here, tmp_path):
    for library in ("faiss", "usearch"):
        (tmp_path / f"{library}.py").write_text("raise ImportError\n")
    sizes = ("--users", 90, "--movies", 400, "--dim", 8, "--k", 5, "--seen", 20, "--sample", 60)
    done = benchmark("top_k", *sizes, PYTHONPATH=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "90 users, 400 movies, 8 dimensions, k 5" in done.stdout and "for 60 users" in done.stdout
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[4:]]
    assert [row[0] for row in rows] == ["`topk.top_k`, exact, without seen movies", "`topk.top_k`, exact"]
    assert all(float(row[3].replace(",", "")) > 0 and row[4] == "1.000" for row in rows)
    assert "faiss is missing" in done.stderr and "usearch is missing" in done.stderr
    error = here("top_k", "--movies", 10, "--k", 11)
    assert error.startswith("top_k: ") and "--k at most --movies" in error


def test_softmax_cost_has_a_row_for_each_catalogue(here):
    rows = here("softmax_cost", "--movies", "2000,120000", "--users", "600").out.splitlines()
    assert [row.split()[1] for row in rows if row.startswith("│")] == ["2,000", "120,000"]


def test_several_processes_are_compared_with_one(tmp_path, random_interactions, graph_of):
    write_arrays(tmp_path / "graph.npz", **graph_of(random_interactions(80, 60))._asdict())
    done = benchmark("processes", "--graph", tmp_path / "graph.npz", "--epochs", "2", "--set", "embedding_dim=8")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["seconds"]) == {"1", "2"} and result["largest difference of a vector's entry"] < 1e-4


def test_ablation_has_a_row_for_each_variant(here, tmp_path, monkeypatch, checkerboard, graph_of):
    train, valid = checkerboard
    write_arrays(tmp_path / "data/graph/graph.npz", **graph_of(train)._asdict())
    for name, matrix in (("train", train), ("valid", valid)):
        user, item = matrix.nonzero()
        rows = pd.DataFrame({"user": user, "item": item, "rating": np.float32(3) + item % 2})
        write_table(rows, tmp_path / f"data/split/{name}.parquet")
    monkeypatch.chdir(tmp_path)
    rows = here("ablation", "--seeds", "1").out.splitlines()
    assert rows[0] == "| validation, 1 seeds | NDCG@20 | Recall@20 |" and len(rows) == 2 + 7 + 3
    assert [row.split(" | ")[0] for row in rows[2:5]] == [
        "| the default",
        "| the graph model alone",
        "| similar users alone",
    ]
    assert all(0 < float(row.split(" | ")[1].split(" ")[0]) <= 1 for row in rows[2:])


def test_the_time_of_a_fit_adds_up(split):
    done = benchmark("where_time_goes", "--split", split)
    assert done.returncode == 0, done.stderr
    rows = dict(line.strip("| ").split(" | ")[:2] for line in done.stdout.splitlines()[2:])
    seconds = {kind: float(value) for kind, value in rows.items()}
    assert {"matrix products", "messages over the graph (DGL)", "start-up (SVD)"} < set(seconds)
    assert seconds.pop("all") == pytest.approx(sum(seconds.values()), abs=0.05 * len(seconds))


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import peers

    return peers


def test_our_rows_beside_the_peers_come_from_published_split(peers, split, here, monkeypatch):
    result = json.loads(here("published_split", "--split", split, *QUICK).out)
    monkeypatch.setattr(peers, "figures_of", lambda *arguments: result)
    rows = peers.our_rows(["popularity", "model", "EASE"], split, "train")
    assert [row["name"] for row in rows] == list(peers.OURS.values())
    assert rows[0]["settings"].startswith("8 factors, 2 layers") and rows[1]["settings"].startswith("lambda 1,")
    assert [row["ndcg@20"] for row in rows] == [result[name]["ndcg@20"] for name in peers.OURS]
    table = peers.table([*rows, {"name": "ALS", "library": "implicit", "version": None, "error": "a | b"}])
    assert len(table.splitlines()) == 6 and table.endswith("| ALS (implicit) | – | – | – | – | error: a \\| b |")
    del result["EASE"]
    assert [row["name"] for row in peers.our_rows(["model", "EASE"], split, "train")] == [peers.OURS["model"]]


def test_an_unknown_peer_is_refused(here, split):
    error = here("peers", "--split", split, "--only", "ALS,nobody")
    assert error.startswith("peers: --only nobody: choose among model, EASE")
