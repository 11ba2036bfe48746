"""The benchmarks: their results, and what they refuse."""

import importlib
import json
import os
import re
import runpy
import subprocess
import sys
import zipfile
from datetime import datetime, timedelta
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from imports import ROOT

from movierec.utils.arrays import write_arrays
from movierec.utils.errors import UserError
from movierec.utils.storage import write_table

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


def result_of(name, out, *arguments, **environment):
    """The result of a benchmark that is run as a process, and what it prints to standard error."""
    done = benchmark(name, "--out", out, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"Written to {out}"]
    return json.loads(out.read_text()), done.stderr


@pytest.fixture
def module(monkeypatch):
    """Imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def here(monkeypatch, capsys, tmp_path):
    """Runs a benchmark in this process, which is faster: gives its result, or the message of its error."""

    def run(name, *arguments):
        script, out = BENCHMARKS / f"{name}.py", tmp_path / "result.json"
        monkeypatch.syspath_prepend(BENCHMARKS)
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments), "--out", str(out)])
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as stopped:
            return stopped.code
        return json.loads(out.read_text()) if out.exists() else None

    return run


def test_a_result_says_where_it_comes_from(here):
    about = here("softmax_cost", "--movies", "2000", "--users", "60")["about"]
    command = about["command"].removeprefix("OMP_NUM_THREADS=1 ")
    assert command.startswith("python benchmarks/softmax_cost.py --movies 2000 --users 60 --out ")
    assert datetime.fromisoformat(about["date"]).utcoffset() == timedelta(0)
    assert re.fullmatch(r"[0-9a-f]{7,}\+?", about["commit"]) and about["seeds"] is None
    assert about["machine"]["processor"] and about["machine"]["cores"] >= 1 and about["machine"]["memory_gb"] > 0
    assert {"python", "torch", "dgl", "numpy"} <= set(about["versions"])
    assert about["threads"] >= 1 and about["peak_memory_mb"] > 50


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ([str(BENCHMARKS / "x.py"), "--set", "ease.lambdas=[1]"], "benchmarks/x.py --set 'ease.lambdas=[1]'"),
        (["benchmarks/x.py", "--split", str(ROOT / "benchmarks/data/a")], "benchmarks/x.py --split benchmarks/data/a"),
        (["benchmarks/x.py", "--split", "/elsewhere/a"], "benchmarks/x.py --split /elsewhere/a"),
    ],
)
def test_a_command_is_as_typed_in_the_root(module, monkeypatch, words, typed):
    bench = module("_bench")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert bench.command() == f"python {typed}"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv-peers/bin/python"))
    assert bench.command() == f"OMP_NUM_THREADS=1 .venv-peers/bin/python {typed}"


def test_published_split_has_the_model_and_the_baselines(split, tmp_path):
    settings = ("--set", "epochs=2", "--set", "embedding_dim=8", "--set", "ease.lambdas=[1, 10]")
    result, _ = result_of("published_split", tmp_path / "a.json", "--split", split, "--seeds", "1,2", *settings)
    assert result["data"] == {"users": 60, "items": 80, "train": 1200, "valid": 177, "test": 413}
    names = {f"{metric}@{k}" for metric in ("recall", "ndcg", "precision", "hit_rate", "mrr") for k in (10, 20, 40)}
    for name in ("model", "EASE", "item-kNN", "popularity"):
        assert names | {"valid", "fit_seconds", "evaluate_seconds"} <= set(result[name])
        assert set(result[name]["valid"]) == names
        assert all(0 <= result[name][key] <= 1 for key in names)
    seeds = result["model"]["seeds"]
    assert [run["seed"] for run in seeds] == [1, 2] and all(1 <= run["best_epoch"] <= 2 for run in seeds)
    assert result["model"]["ndcg@20"] == pytest.approx(np.mean([run["ndcg@20"] for run in seeds]), abs=1e-6)
    assert result["EASE"]["lambda"] in (1, 10)
    assert min(result[name]["ndcg@20"] for name in ("model", "item-kNN")) > 2 * result["popularity"]["ndcg@20"]
    assert result["params"]["epochs"] == 2 and result["params"]["ease"]["lambdas"] == [1, 10]
    assert result["about"]["seeds"] == [1, 2]


def test_masking_valid_too_leaves_fewer_wrong_candidates(split, here):
    arguments = ("published_split", "--split", split, *QUICK, "--mask")
    train, both = (here(*arguments, mask) for mask in ("train", "train+valid"))
    assert both["EASE"]["ndcg@20"] > train["EASE"]["ndcg@20"]
    assert both["EASE"]["valid"] == train["EASE"]["valid"]


@pytest.mark.parametrize(
    ("max_items", "error", "reason"),
    [(79, None, "80 items are more than ease.max_items (79)"), (80, MemoryError("no memory"), "no memory")],
)
def test_the_other_figures_stay_where_ease_is_left_out(split, here, monkeypatch, capsys, max_items, error, reason):
    if error:
        monkeypatch.setattr("movierec.baselines.ease", Mock(side_effect=error))
    result = here("published_split", "--split", split, *QUICK, "--set", f"ease.max_items={max_items}")
    assert f"EASE is left out: {reason}" in capsys.readouterr().err
    assert "EASE" not in result and {"model", "popularity"} <= set(result) and reason in result["left_out"]["EASE"]


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


def test_next_item_has_the_model_and_the_baselines(sequences, tmp_path):
    settings = (f"--set={setting}" for setting in SMALL)
    arguments = ("--sequences", sequences, "--seeds", "1,2", *settings)
    result, progress = result_of("next_item", tmp_path / "a.json", *arguments)
    assert result["data"] == {"users": 90, "items": 30, "train": 720, "valid": 90, "test": 90}
    assert "repeated interactions, left out: 1" in progress
    names = {"ndcg@10", "hit_rate@10", "ndcg@20", "hit_rate@20"}
    for name in ("model", "EASE", "item-kNN", "popularity", "Markov chain"):
        assert names | {"valid", "fit_seconds", "evaluate_seconds"} <= set(result[name])
        assert set(result[name]["valid"]) == names and all(0 <= result[name][key] <= 1 for key in names)
    assert result["Markov chain"]["ndcg@10"] == 1, "the next movie is certain"
    assert result["model"]["hit_rate@10"] > 0.9 > result["popularity"]["hit_rate@10"]
    assert [run["seed"] for run in result["model"]["seeds"]] == [1, 2]
    for run in result["model"]["seeds"]:
        assert [len(of) for of in run["shares"]] == [3, 3] and run["new_event_ms"] > 0 and "known_moment" not in run
    assert result["params"]["next"]["epochs"] == 8 and result["about"]["seeds"] == [1, 2]


def test_next_item_asks_at_the_targets_time_where_times_are_known(sequences, module, tmp_path):
    """Movies are a second apart, the last one a day later."""
    lines = [line.split() for line in sequences.read_text().splitlines()[:-1]]
    last = {user: place for place, (user, _) in enumerate(lines)}
    for place, line in enumerate(lines):
        line.append(str(1000 + place + 86_399 * (last[line[0]] == place)))
    sequences.write_text("\n".join(map(" ".join, lines)) + "\n")
    of = module("next_item")
    data = of.Data(of.read_sequences(sequences))
    known = data.at_test_times.histories
    assert data.has_times and known.exactly and set(known.waits.tolist()) == {86_400}
    assert not data.profiles["test"].histories.waits.any()
    settings = (f"--set={setting}" for setting in (*SMALL, "user_process=none", "item_process=none"))
    result, _ = result_of("next_item", tmp_path / "a.json", "--sequences", sequences, "--seeds", "1", *settings)
    assert set(result["model"]["known_moment"]) == {"ndcg@10", "hit_rate@10", "ndcg@20", "hit_rate@20"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "sequences.txt is missing; --sequences needs a file with a line per interaction, 'user item'"),
        ("\n", "sequences.txt has no interactions"),
        ("1 2\n\n1 2 3 4\n", "sequences.txt, line 3: '1 2 3 4' is not 'user item' or 'user item time', whole numbers"),
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
        archive.extractall(tmp_path)
    for source in ("ml-1m.zip", "ml-1m"):
        done = benchmark("write_sequences", tmp_path / source, tmp_path / "out.txt", "--out", tmp_path / "shares.json")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out.txt").read_text().splitlines() == ["1 30 1", "1 20 9", "1 10 9", "2 30 7"]
        assert "4 interactions of 2 users with 3 movies" in done.stdout
        shares = json.loads((tmp_path / "shares.json").read_text())
        assert (shares["same_second"], shares["within_minute"]) == (0.5, 1.0), "user 1 has gaps of 8 and 0 seconds"
    for name, message in (
        ("mine.zip", "neither a folder nor a known release; its name must be one of ml-100k.zip"),
        ("ml-10m.zip", "ml-10m.zip is missing; it comes from"),
    ):
        error = here("write_sequences", tmp_path / name, tmp_path / "out2.txt")
        assert error.startswith("write_sequences: ") and message in error and not (tmp_path / "out2.txt").exists()


def write_ml_1m(folder, rows):
    """Ratings as MovieLens 1M has them, from rows of user, movie, time and stars; 31 movies, ids with gaps."""
    folder.mkdir()
    lines = [f"{user + 7}::{movie * 10 + 5}::{stars}::{time}" for user, movie, time, stars in rows]
    (folder / "ratings.dat").write_text("\n".join(lines) + "\n")
    (folder / "movies.dat").write_text("".join(f"{movie * 10 + 5}::M{movie} (1999)::Drama\n" for movie in range(31)))
    users = sorted({user + 7 for user, *_ in rows})
    (folder / "users.dat").write_text("".join(f"{user}::F::1::1::1\n" for user in users))
    return folder


@pytest.fixture
def ratings_in_time(tmp_path):
    """Users walk around a circle of 30 movies, 12 each, one user after the other; every ninth comes back at the end."""
    rows = [(user, (user + step) % 30, 100 * user + step) for user in range(90) for step in range(12)]
    rows += [(user, (user + 12 + step) % 30, 10_000 + step) for user in range(0, 90, 9) for step in range(3)]
    rows += [(500, 0, 1)]  # too few of both
    return write_ml_1m(tmp_path / "ml-1m", [(user, movie, 10**9 + time, 4) for user, movie, time in rows])


def test_one_cut_in_time_has_all_kinds_of_targets(ratings_in_time, tmp_path):
    settings = (f"--set={setting}" for setting in SMALL)
    result, _ = result_of("one_cut_in_time", tmp_path / "a.json", ratings_in_time, "--seeds", "1", *settings)
    # Of 1,110 ratings, 111 are after the cut: 30 of the ten users who come back, 9 of user 83, and all 72 of the last
    # six users, whose first rating is no target. 84 users have three ratings or more before it.
    sizes = {"users": 90, "items": 30, "train": 915, "valid": 84, "test": 111, "test_users": 17, "targets": 105}
    assert result["data"] == sizes
    kinds = ("random", "successive", "first")
    for name in ("model", "EASE", "item-kNN", "popularity", "Markov chain"):
        of = result[name]
        assert set(of["first"]) == set(of["valid"]) == {"ndcg@10", "hit_rate@10"}
        assert all(
            0 <= values["ndcg@10"] <= values["hit_rate@10"] <= 1 for values in (of, *(of[kind] for kind in kinds))
        )
    assert all(of["ndcg@10"] == 1 for of in (result["Markov chain"], *(result["Markov chain"][kind] for kind in kinds)))
    assert result["model"]["hit_rate@10"] > 0.9 > result["popularity"]["hit_rate@10"]
    trends = [f"{of}, half-life {days} days" for of in ("popularity", "first items after a break") for days in (7, 30)]
    assert set(trends) <= set(result), "popularity by time"
    assert set(result["model"]["at_cut"]) == {"first"} and set(result["model"]["known_moment"]) == {*kinds, "last"}


def test_the_kinds_of_targets_are_those_of_a_known_scorer(module, ratings_in_time):
    """The scorer is right after six movies or fewer, and ranks the next movie last after more."""
    of = module("one_cut_in_time")
    ratings = of.interactions(ratings_in_time)
    data = of.Data(ratings)

    def scorers(profiles):
        lengths, last = profiles.histories.lengths, profiles.histories.items[profiles.histories.indptr[1:] - 1]
        assert (np.sort(profiles.matrix.indices) == np.sort(profiles.histories.items)).all()
        scores = np.zeros((len(last), 30), np.float32)
        scores[np.arange(len(last)), (last + 1) % 30] = np.where(lengths <= 6, 1, -1)
        return lambda users: torch.from_numpy(scores[users])

    found = data.figures(scorers)
    user, place = ratings["user"].to_numpy(), ratings.groupby("user").cumcount().to_numpy()
    after = ratings["timestamp"].to_numpy() > np.quantile(ratings["timestamp"], 0.9)
    targets = pd.DataFrame({"user": user, "right": place <= 6})[after & (place > 0)]
    by_user = targets.groupby("user")["right"]
    expected = {
        "last": by_user.last(),
        "random": by_user.mean(),
        "successive": targets["right"],
        "first": by_user.first(),
    }
    for kind, right in expected.items():
        assert found[kind] == pytest.approx({"ndcg@10": right.mean(), "hit_rate@10": right.mean()}, abs=1e-6), kind
    assert 0 == found["last"]["ndcg@10"] < found["random"]["ndcg@10"] < found["first"]["ndcg@10"]
    assert data.figures(scorers, targets=data.is_first)["successive"] == found["first"]


def test_the_moments_of_asking(module, ratings_in_time):
    data = module("one_cut_in_time").Data(module("one_cut_in_time").interactions(ratings_in_time))
    everyone = np.arange(len(data.targets))
    assert not data.before(everyone).histories.waits.any()
    first = data.is_first
    cut = data.before(everyone, "at_cut").histories
    assert first.sum() == 17 and (cut.waits[~first] == 0).all() and not cut.exactly
    came_back = first & (data.of_target % 9 == 0)
    assert (cut.waits[came_back] == data.cut - cut.last_times[came_back]).all() and cut.waits[came_back].min() > 0
    known = data.before(everyone, "known_moment").histories
    assert known.exactly and (known.waits == data.time[data.targets] - known.last_times).all()


def test_one_cut_in_time_needs_users_with_enough_ratings(here, ratings_in_time):
    lines = (ratings_in_time / "ratings.dat").read_text().splitlines()
    (ratings_in_time / "ratings.dat").write_text("\n".join(lines[:4]) + "\n")
    assert "no rating is left with min_rating 0 and k_core 5 (of 4)" in here("one_cut_in_time", ratings_in_time)


def test_the_spread_is_over_seeds_labels_and_each_use_of_random_numbers(here, sequences):
    settings = (f"--set={setting}" for setting in SMALL)
    result = here("spread", "--sequences", sequences, "--seeds", "1,2", *settings)
    whole, alone = result["whole"], result["next_movie"]
    ndcg = np.array(whole["ndcg@10"])  # by label and seed
    assert (
        ndcg.shape == (2, 2) and (ndcg > 0.5).all() and set(whole["deviation"]) == {"seeds", "labels", "both", "users"}
    )
    assert whole["deviation"]["both"] == pytest.approx(ndcg.std(ddof=1), abs=1e-6)
    for name, axis in (("labels", 0), ("seeds", 1)):
        assert whole["deviation"][name] == pytest.approx(np.sqrt((np.diff(ndcg, axis=axis) ** 2 / 2).mean()), abs=1e-6)
    assert list(alone) == ["initial embeddings", "batches", "negatives and targets"]
    assert len({of["ndcg@10"][0] for of in alone.values()}) == 1, "all start from the same seeds"


def test_relabelling_changes_the_order_alone(module, sequences):
    interactions = module("next_item").read_sequences(sequences)
    relabelled = module("spread").relabelled(interactions, 1)

    def walks(table):
        steps = table["item"].groupby(table["user"]).agg(list)
        return sorted(map(len, steps)), steps.map(len).tolist()

    assert walks(relabelled)[0] == walks(interactions)[0] and walks(relabelled)[1] != walks(interactions)[1]
    follows = {}
    for table in (interactions, relabelled):
        item, user = table["item"].to_numpy(), table["user"].to_numpy()
        pairs = set(zip(item[:-1][user[1:] == user[:-1]], item[1:][user[1:] == user[:-1]], strict=True))
        follows[len(follows)] = pairs
    assert len(follows[0]) == len(follows[1]) == 30, "each movie has one that follows it"
    assert module("spread").relabelled(interactions, 0) is interactions


DAY = 86400


@pytest.fixture
def ratings_by_day(tmp_path):
    """60 users walk around a circle of 30 movies, a step a day, over 29 days; at the end come a new user and movie."""
    rows = [(user, (user + step) % 30, DAY * (step + user % 5) + user, 4) for user in range(60) for step in range(25)]
    rows += [(99, movie, DAY * 26 + movie, 4) for movie in (3, 4, 5)] + [(99, 6, DAY * 27 + 9, 5)]
    rows += [(user, 30, DAY * 26 + 99, 5) for user in (2, 7)] + [(12, 30, DAY * 28 + 99, 5), (3, 29, DAY * 28 + 99, 1)]
    return write_ml_1m(tmp_path / "ml-1m", rows)


def test_a_replay_compares_the_services_on_the_same_targets(ratings_by_day, tmp_path):
    settings = (f"--set={setting}" for setting in SMALL)
    arguments = (ratings_by_day, "--days", "4", "--every", "2", "--figure", tmp_path / "a.png", *settings)
    result, progress = result_of("replay", tmp_path / "a.json", *arguments)
    # The days 25 to 28: 48, 36, 24 and 12 users go on; beside them user 99 (the first like is no target), and movie 30.
    assert [row["day"] for row in result["by_day"]] == ["1970-01-26", "1970-01-27", "1970-01-28", "1970-01-29"]
    assert [row["targets"] for row in result["by_day"]] == [48, 36 + 2 + 2, 24 + 1, 12 + 1]
    sizes = {"days": 4, "every": 2, "targets": 126, "of_new_users": 3, "of_new_movies": 3}
    assert result["data"] == sizes
    names = set(result["services"])
    assert names == set(result["by_day"][0]) - {"day", "targets"} and len(names) == 5
    for row in (*result["by_day"], result["services"]):
        assert all(0 <= row[name]["ndcg"] <= row[name]["hit_rate"] <= 1 for name in names)
    first = result["by_day"][0]
    assert first["trained once"] == first["updated daily"] == first["trained daily"], "nothing has come yet"
    for kind in ("of_new_users", "of_new_movies"):
        assert result["services"]["trained once"][kind]["ndcg"] <= result["services"]["updated at once"][kind]["ndcg"]
    assert result["services"]["trained once"]["of_new_movies"]["hit_rate"] == 0, "it does not know them"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG") and "1970-01-29: trained once" in progress


def test_the_rank_in_a_replay_is_among_unseen_movies_and_by_the_history(module, ratings_by_day):
    """By a scorer that ranks the movies from the one that comes after the last movie of the history on."""
    of = module("replay")
    data = of.read(ratings_by_day)
    midnights = DAY * np.arange(25, 29)
    replay = of.Replay(data, midnights, module("_bench").bench_params([]))
    asked = []

    def scorer(profiles):
        histories = profiles.histories
        asked.append(histories)
        assert (np.sort(profiles.matrix.indices) == np.sort(histories.items)).all()
        last = np.append(histories.items, 0)[np.where(histories.lengths > 0, histories.indptr[1:] - 1, -1)]
        away = (np.arange(30) - last[:, None] - 1) % 30
        return lambda users: torch.from_numpy(-away[users].astype(np.float32))

    keys = np.arange(30) * 10 + 5  # movie 30 is not known
    trained = Mock(names=np.arange(7, 67), place=np.arange(60))
    update = Mock(items=Mock(names=keys), users=trained, model=Mock(model=Mock(scorer=scorer)))
    targets = replay._targets(midnights[1])
    day, user = replay.time[targets] // DAY, replay.users[replay.user[targets]] - 7
    assert (day == 26).all() and (np.bincount(user, minlength=100)[[2, 7, 99]] == 2).all(), "99: two of three likes"
    walks = replay.item[targets] <= 295
    at_once = replay._ranks(update, targets, targets, replay.time[targets])
    assert (at_once[walks] == 0).all() and (at_once[~walks] == 30).all()
    assert asked[-1].exactly and (asked[-1].asked % DAY > 0).all()
    ends = replay._first_after(targets, midnights[0])
    frozen = replay._ranks(update, targets, ends, np.full(len(targets), midnights[1]))
    assert not asked[-1].exactly and asked[-1].users.max() < len(targets) - 1, "a history for each user once"
    # A day later the movie after the last one is seen, and so left out; user 99 had no history.
    assert (frozen[walks & (user < 60)] == 0).all()
    assert frozen[user == 99].tolist() == [2, 2], "the fourth and fifth movie from 1 on, without one or two seen"


def test_new_movies_are_found_by_their_features_and_first_users(ratings_by_day, tmp_path):
    settings = (f"--set={setting}" for setting in SMALL)
    result, _ = result_of("new_movies", tmp_path / "a.json", ratings_by_day, *settings)
    assert result["data"]["movies"] == 3
    assert [row["first_users"] for row in result["rows"]] == [0, 1, 3, 10, 30]
    counts = np.array([row["targets"] for row in result["rows"]])
    assert (np.diff(counts) < 0).all() and counts[0] == result["data"]["likes"]
    for row in result["rows"]:
        assert set(row["ndcg@10"]) == {"model", "number of first users", "at random"}
        assert all(0 <= of <= 1 for of in row["ndcg@10"].values()) and 0 <= row["share_of_lists"] <= 1


def test_top_k_times_exact_search_and_leaves_out_missing_libraries(here, tmp_path):
    for library in ("faiss", "usearch"):
        (tmp_path / f"{library}.py").write_text("raise ImportError\n")
    sizes = ("--users", 90, "--movies", 400, "--dim", 8, "--k", 5, "--seen", 20, "--sample", 60)
    result, progress = result_of("top_k", tmp_path / "a.json", *sizes, PYTHONPATH=tmp_path)
    assert (result["users"], result["movies"], result["k"], result["sample"]) == (90, 400, 5, 60)
    searches = [row["search"] for row in result["rows"]]
    assert searches == ["this project, exact, without seen movies", "this project, exact"]
    assert all(row["users_per_second"] > 0 and row["recall"] == 1 for row in result["rows"])
    assert "faiss is missing" in progress and "usearch is missing" in progress
    error = here("top_k", "--movies", 10, "--k", 11)
    assert error.startswith("top_k: ") and "--k at most --movies" in error


def test_softmax_cost_has_a_row_for_each_catalogue(here):
    small, large = here("softmax_cost", "--movies", "2000,120000", "--users", "600")["rows"]
    assert (small["movies"], large["movies"]) == (2000, 120_000)
    assert small["exact_seconds"] > 0 and small["sampled_seconds"] > 0
    assert large["exact_seconds"] is None and large["sampled_seconds"] > 0


def test_several_processes_are_compared_with_one(tmp_path, random_interactions, graph_of):
    write_arrays(tmp_path / "graph.npz", **graph_of(random_interactions(80, 60))._asdict())
    arguments = ("--graph", tmp_path / "graph.npz", "--epochs", 2, "--set", "embedding_dim=8")
    result, _ = result_of("processes", tmp_path / "a.json", *arguments)
    assert set(result["seconds"]) == {"1", "2"} and result["largest_difference"] < 1e-4
    assert 0 < result["ndcg@20"]["1"] == pytest.approx(result["ndcg@20"]["2"], abs=1e-3)
    assert (result["users"], result["movies"], result["epochs"]) == (80, 60, 2)
    assert result["speedup"] == pytest.approx(result["seconds"]["1"] / result["seconds"]["2"], rel=1e-3)


def test_ablation_has_a_row_for_each_variant(here, tmp_path, monkeypatch, checkerboard, graph_of):
    train, valid = checkerboard
    write_arrays(tmp_path / "data/graph/graph.npz", **graph_of(train)._asdict())
    for name, matrix in (("train", train), ("valid", valid)):
        user, item = matrix.nonzero()
        rows = pd.DataFrame({"user": user, "item": item, "rating": np.float32(3) + item % 2})
        write_table(rows, tmp_path / f"data/split/{name}.parquet")
    monkeypatch.chdir(tmp_path)
    variants = here("ablation", "--seeds", "1")["variants"]
    alone = ["the graph model alone", "similar users alone", "similar movies alone"]
    assert list(variants)[:4] == ["the default", *alone] and len(variants) == 8 + 3
    assert all(0 < of["ndcg@20"] <= 1 and 0 < of["recall@20"] <= 1 for of in variants.values())
    assert all(of["deviation"] == {"ndcg@20": 0, "recall@20": 0} for of in variants.values()), "of one seed"


def test_the_time_of_a_fit_adds_up(split, tmp_path):
    settings = ("--set", "epochs=2", "--set", "embedding_dim=8")
    result, _ = result_of("where_time_goes", tmp_path / "a.json", "--split", split, *settings)
    assert {"matrix products", "messages over the graph (DGL)", "start-up (SVD)"} < set(result["seconds"])
    assert result["whole"] == pytest.approx(sum(result["seconds"].values()), abs=1e-4)


def test_our_rows_beside_the_peers_come_from_published_split(module, split, here, monkeypatch):
    peers, result = module("peers"), here("published_split", "--split", split, *QUICK)
    monkeypatch.setattr(peers, "figures_of", lambda *arguments: result)
    rows = peers.our_rows(["popularity", "model", "EASE"], split, "train")
    assert [row["name"] for row in rows] == list(peers.OURS.values())
    assert rows[0]["settings"].startswith("8 factors, 2 layers") and rows[1]["settings"].startswith("lambda 1,")
    assert [row["ndcg@20"] for row in rows] == [result[name]["ndcg@20"] for name in peers.OURS]
    assert rows[0]["peak_memory_mb"] == result["about"]["peak_memory_mb"] and rows[1]["peak_memory_mb"] is None
    del result["EASE"]
    assert [row["name"] for row in peers.our_rows(["model", "EASE"], split, "train")] == [peers.OURS["model"]]


def test_the_figures_of_a_process_are_the_json_that_it_writes(module):
    peers = module("peers")
    code = "import sys; print('noise'); open(sys.argv[2], 'w').write('{\"ndcg@20\": 0.25}')"
    assert peers.figures_of([sys.executable, "-c", code], {}, None) == {"ndcg@20": 0.25}
    assert "ended with 3" in peers.figures_of([sys.executable, "-c", "exit(3)"], {}, None)["error"]
    assert "not done after" in peers.figures_of([sys.executable, "-c", "import time; time.sleep(9)"], {}, 0.2)["error"]


def test_an_unknown_peer_is_refused(here, split):
    error = here("peers", "--split", split, "--only", "ALS,nobody")
    assert error.startswith("peers: --only nobody: choose among model, EASE")


def test_a_release_is_split_into_lines_of_users(here, module, monkeypatch, tmp_path):
    def run_stages(project, log, done, skip):
        assert "train" in skip and "split" not in skip
        write_table(pd.DataFrame({"UserID": [5, 8]}), project / "data/split/users.parquet")
        write_table(pd.DataFrame({"MovieID": [10, 30, 70]}), project / "data/split/items.parquet")
        for path, pairs in (
            ("split/train", [(0, 2), (0, 0), (1, 1)]),
            ("split/valid", [(1, 0)]),
            ("test/test", [(0, 1)]),
        ):
            write_table(pd.DataFrame(pairs, columns=["user", "item"]), project / f"data/{path}.parquet")
        return {"split": {"seconds": 1.0}}

    monkeypatch.setattr(module("_project"), "run_stages", run_stages)
    here("write_split", "ml-100k", tmp_path / "split")
    texts = [(tmp_path / f"split/{part}.txt").read_text() for part in ("train", "valid", "test")]
    assert texts == ["5 70 10\n8 30\n", "8 10\n", "5 30\n"]
    monkeypatch.setattr(module("_project"), "run_stages", lambda *_: {"download": {"failed": "no archive"}})
    assert here("write_split", "ml-100k", tmp_path / "other") == "write_split: no archive"


def test_protocols_run_the_stages_up_to_evaluate(module, monkeypatch, tmp_path):
    protocols, copied = module("protocols"), []

    def copy_project(folder, settings):
        copied.append(settings)
        for path in ("data", "metrics/test"):
            (folder / path).mkdir(parents=True)
        for name in protocols.METRICS:
            (folder / f"metrics/test/{name}.json").write_text('{"model": 0.5}')

    def run_stages(project, log, done, skip):
        assert (project / "data/raw/ratings.csv").exists() and "download" in skip and "evaluate" not in skip
        done("clean", cost := {"seconds": 1.5} | ({"failed": "no space"} if "k_core=9" in copied[-1] else {}))
        return {"clean": cost}

    monkeypatch.setattr(protocols, "copy_project", copy_project)
    monkeypatch.setattr(protocols, "run_stages", run_stages)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/ratings.csv").touch()
    row = protocols.figures(["min_rating=4"], tmp_path / "raw")
    assert row == {"ndcg@20": {"model": 0.5}, "recall@20": {"model": 0.5}, "seconds": 1.5}
    with pytest.raises(UserError, match="k_core=9: no space"):
        protocols.figures(["k_core=9"], tmp_path / "raw")
    with pytest.raises(UserError, match="`dvc repro download` makes it"):
        protocols.figures([], tmp_path / "missing")
    for settings in protocols.PROTOCOLS:
        module("_bench").bench_params(list(settings))  # each is allowed


def test_published_figures_have_a_source_each():
    published = json.loads((BENCHMARKS / "published.json").read_text())
    rows = [row for name, of in published.items() if name != "sources" for row in of["rows"]]
    assert len(rows) > 20 and {row["source"] for row in rows} == set(published["sources"])
    assert all({"paper", "venue", "year", "repository", "protocol"} <= set(of) for of in published["sources"].values())
    figures = [value for row in rows for key, value in row.items() if "@" in key]
    assert all(0 < value < 1 for value in figures)
    assert {row["model"] for row in rows if not row["comparable"]} == {"HSTU-large", "LRURec", "SASRec, cross-entropy"}
