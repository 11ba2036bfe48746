"""The benchmarks: what they print, and what they refuse."""

import json
import os
import runpy
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from imports import ROOT

from movierec.storage import write_arrays


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
    command = [sys.executable, f"benchmarks/{name}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {key: str(value) for key, value in environment.items()}, capture_output=True, text=True)


@pytest.fixture
def here(monkeypatch, capsys):
    """Runs a benchmark in this process, which has imported already what a new one would: gives what it printed, or why it stopped."""

    def run(name, *arguments):
        script = ROOT / "benchmarks" / f"{name}.py"
        monkeypatch.syspath_prepend(script.parent)
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as stopped:  # a text goes to standard error, and the exit status is 1
            return stopped.code
        return capsys.readouterr().out

    return run


def test_published_split_prints_one_json_object(split):
    done = benchmark("published_split", "--split", split, "--seeds", "1,2", "--set", "epochs=2", "--set", "embedding_dim=8", "--set", "ease_lambdas=[1, 10]")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    names = {f"{metric}@{k}" for metric in ("recall", "ndcg", "precision", "hit_rate", "mrr") for k in (10, 20, 40)}
    for name in ("model", "EASE", "popularity"):
        assert names | {"valid", "fit_seconds", "evaluate_seconds"} <= set(result[name])
        assert set(result[name]["valid"]) == names
        assert all(0 <= result[name][key] <= 1 for key in names)
    seeds = result["model"]["seeds"]
    assert [run["seed"] for run in seeds] == [1, 2]
    assert result["model"]["ndcg@20"] == pytest.approx(np.mean([run["ndcg@20"] for run in seeds]), abs=1e-6)
    assert result["EASE"]["lambda"] in (1, 10)
    assert result["model"]["ndcg@20"] > 2 * result["popularity"]["ndcg@20"]
    assert result["params"]["epochs"] == 2 and result["versions"]["torch"] and result["threads"] >= 1 and result["peak_memory_mb"] > 50


def test_masking_valid_too_leaves_fewer_wrong_candidates(split, here):
    settings = ("--set", "epochs=1", "--set", "embedding_dim=8", "--set", "ease_lambdas=[1]")
    train, both = (json.loads(here("published_split", "--split", split, "--mask", mask, *settings)) for mask in ("train", "train+valid"))
    assert both["EASE"]["ndcg@20"] > train["EASE"]["ndcg@20"]
    assert both["EASE"]["valid"] == train["EASE"]["valid"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("valid.txt", None, "valid.txt is missing; --split needs a folder with train.txt, valid.txt and test.txt."),
        ("valid.txt", "", "valid.txt holds no interaction."),
        ("train.txt", "1 2 3\n4 x\n", "train.txt, line 2: '4 x' holds something that is not a whole number."),
        ("test.txt", "0 107\n" + "\n".join(f"{u * 10} {i * 7 + 100}" for u in range(2) for i in range(80)), "stand in an earlier file too"),
    ],
)
def test_a_split_that_cannot_be_used_is_refused(split, here, tmp_path, file, content, message):
    for name in ("train.txt", "valid.txt", "test.txt"):
        if (text := content if name == file else (split / name).read_text()) is not None:
            (tmp_path / name).write_text(text)
    said = here("published_split", "--split", tmp_path)
    assert said.startswith("published_split: ") and message in said


@pytest.mark.parametrize(
    ("setting", "message"),
    [("lr", "--set lr: write it as key=value."), ("lr=abc", "lr is 'abc', but it must be"), ("lrr=1", "unknown key 'lrr'; did you mean 'lr'?")],
)
def test_a_setting_that_is_not_allowed_is_refused(split, here, setting, message):
    said = here("published_split", "--split", split, "--set", setting)
    assert said.startswith("published_split: ") and message in said


def test_a_refusal_is_one_line_and_exit_status_1(split):
    done = benchmark("published_split", "--split", split, "--set", "lr")
    assert done.returncode == 1 and done.stderr == "published_split: --set lr: write it as key=value.\n"


SMALL = [f"--set={setting}" for setting in ("epochs=2", "embedding_dim=8", "ease_lambdas=[1, 10]", "next_dim=16", "next_epochs=8", "next_lr=0.02")]


@pytest.fixture
def sequences(tmp_path):
    """Everybody walks around a circle of 30 movies from somewhere; ids with gaps, and one line that repeats another."""
    lines = [f"{user * 3} {(user + step) % 30 * 10 + 5}" for user in range(90) for step in range(6 + user % 9)]
    (tmp_path / "sequences.txt").write_text("\n".join([*lines, lines[0]]) + "\n")
    return tmp_path / "sequences.txt"


def test_next_item_prints_one_json_object(sequences):
    done = benchmark("next_item", "--sequences", sequences, "--seeds", "1,2", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "90 users, 30 items; train 720, valid 90, test 90" in done.stderr and "1 lines repeat an earlier one" in done.stderr
    result = json.loads(done.stdout)
    names = {"ndcg@10", "hit_rate@10", "ndcg@20", "hit_rate@20"}
    for name in ("model", "EASE", "item-kNN", "popularity", "Markov chain"):
        assert names | {"valid", "fit_seconds", "evaluate_seconds"} <= set(result[name])
        assert set(result[name]["valid"]) == names and all(0 <= result[name][key] <= 1 for key in names)
    assert result["Markov chain"]["ndcg@10"] == 1, "what follows is certain"
    assert result["model"]["hit_rate@10"] > 0.9 > result["popularity"]["hit_rate@10"]
    assert [run["seed"] for run in result["model"]["seeds"]] == [1, 2]
    assert result["params"]["next_epochs"] == 8 and result["versions"]["dgl"] and result["peak_memory_mb"] > 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "sequences.txt is missing; --sequences needs a file with a line per interaction, 'user item'."),
        ("\n", "sequences.txt holds no interaction."),
        ("1 2\n\n1 2 3\n", "sequences.txt, line 3: '1 2 3' is not 'user item', two whole numbers."),
        ("1 2\n1 3\n", "leave_one_out leaves no interaction in valid, out of 2"),
    ],
)
def test_sequences_that_cannot_be_used_are_refused(here, tmp_path, content, message):
    if content is not None:
        (tmp_path / "sequences.txt").write_text(content)
    said = here("next_item", "--sequences", tmp_path / "sequences.txt")
    assert said.startswith("next_item: ") and message in said


def test_sequences_are_written_in_time_and_of_equal_times_in_the_files_order(here, tmp_path):
    ratings = ["2::30::1::7", "1::20::5::9", "1::10::3::9", "1::30::4::1"]
    with zipfile.ZipFile(tmp_path / "ml-1m.zip", "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "\n".join(ratings) + "\n")
        archive.writestr("ml-1m/movies.dat", "".join(f"{movie}::M (1999)::Drama\n" for movie in (10, 20, 30)))
        archive.writestr("ml-1m/users.dat", "1::F::1::1::1\n2::M::1::1::1\n")
    done = benchmark("write_sequences", tmp_path / "ml-1m.zip", tmp_path / "out.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text().splitlines() == ["1 30", "1 20", "1 10", "2 30"]
    assert "4 interactions of 2 users with 3 movies" in done.stdout
    for name, message in (("mine.zip", "no known release; its name must be one of ml-100k.zip"), ("ml-10m.zip", "ml-10m.zip is missing; it comes from")):
        said = here("write_sequences", tmp_path / name, tmp_path / "out2.txt")
        assert said.startswith("write_sequences: ") and message in said and not (tmp_path / "out2.txt").exists()


def test_top_k_says_what_exact_search_costs_and_that_it_is_exact(here, tmp_path):
    for library in ("faiss", "usearch"):  # as if they were not there
        (tmp_path / f"{library}.py").write_text("raise ImportError\n")
    done = benchmark("top_k", "--users", 90, "--movies", 400, "--dim", 8, "--k", 5, "--seen", 20, "--sample", 60, PYTHONPATH=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "90 users, 400 movies, 8 numbers each, k 5" in done.stdout and "asked for 60 users" in done.stdout
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[4:]]
    assert [row[0] for row in rows] == ["`ranking.top_k`, exact, without what they have seen", "`ranking.top_k`, exact"]
    assert all(float(row[3].replace(",", "")) > 0 and row[4] == "1.000" for row in rows)
    assert "faiss is missing" in done.stderr and "usearch is missing" in done.stderr
    said = here("top_k", "--movies", 10, "--k", 11)
    assert said.startswith("top_k: ") and "--k at most --movies" in said


def test_softmax_cost_has_a_row_for_each_catalogue():
    done = benchmark("softmax_cost", "--movies", "2000,120000", "--users", "600")
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("│")] == ["2,000", "120,000"]


def test_two_processes_are_compared_with_one(tmp_path, random_interactions, graph_of):
    write_arrays(tmp_path / "graph.npz", **graph_of(random_interactions(80, 60))._asdict())
    done = benchmark("processes", "--graph", tmp_path / "graph.npz", "--epochs", "2", "--set", "embedding_dim=8")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["seconds"]) == {"1", "2"} and result["largest difference of a vector's entry"] < 1e-4
