"""Synthetic interactions: their layout, their distributions, and their true preferences."""

import filecmp
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from imports import ROOT

from movierec.data.cleaning import clean
from movierec.data.layouts import GENRES_100K, read_folder
from movierec.ranking.topk import evaluate, popularity_scorer
from movierec.utils.errors import UserError

sys.path.insert(0, str(ROOT / "benchmarks"))
import synthetic
from synthetic import Truth, generate, usual_shape

N_INTERACTIONS, N_USERS, N_MOVIES = 60_000, 700, 800  # more than one block of users


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "made"
    generate(folder, N_INTERACTIONS, 1, N_USERS, N_MOVIES)
    return folder


@pytest.fixture(scope="module")
def ratings(folder):
    return pd.read_csv(folder / "ratings.csv")


def test_a_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    names = ["ratings.csv", "movies.csv", "truth.npz"]
    generate(tmp_path / "again", N_INTERACTIONS, 1, N_USERS, N_MOVIES)
    generate(tmp_path / "other", N_INTERACTIONS, 2, N_USERS, N_MOVIES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert filecmp.cmpfiles(folder, tmp_path / "again", names, shallow=False) == (names, [], [])
    assert filecmp.cmpfiles(folder, tmp_path / "other", names, shallow=False) == ([], names, [])


def test_cleaning_keeps_every_row(folder, tmp_path):
    cleaned = clean(read_folder(folder), max_rejected=0, folder=tmp_path)
    assert not len(pd.read_csv(tmp_path / "rejected.csv"))
    assert cleaned.by_user.sum() == N_INTERACTIONS and len(cleaned.movies) == N_MOVIES
    assert cleaned.movies["Year"].notna().all()
    genres = set(cleaned.movies["Genres"].str.split("|").explode())
    assert genres == set(synthetic.GENRES)
    assert genres - set(GENRES_100K) == {"Children"}, "the name of Children's in the later releases"


def test_the_files_have_the_layout_of_ml_32m(folder):
    header, first = (folder / "ratings.csv").read_text().splitlines()[:2]
    assert header == "userId,movieId,rating,timestamp"
    user, movie, rating, timestamp = first.split(",")
    assert user == "1" and movie.isdigit() and len(rating) == 3 and len(timestamp) in (9, 10)
    assert (folder / "movies.csv").read_text().startswith("movieId,title,genres\n1,Movie 1 (")


def test_rows_are_sorted_by_user_and_movie_without_repeats(ratings):
    key = ratings["userId"] * (N_MOVIES + 1) + ratings["movieId"]
    assert (key.diff().dropna() > 0).all()
    assert ratings["userId"].unique().tolist() == list(range(1, N_USERS + 1))
    assert ratings["movieId"].between(1, N_MOVIES).all()


def test_users_and_movies_have_the_degrees_of_movielens(ratings):
    of_user, of_movie = ratings["userId"].value_counts(), np.sort(ratings["movieId"].value_counts())[::-1]
    assert of_user.min() >= 20 and of_user.max() <= N_MOVIES // 3
    assert of_user.median() < 0.75 * of_user.mean(), "a few users have many of the ratings"
    share = np.cumsum(of_movie) / of_movie.sum()
    # MovieLens 1M: the top 10% of movies have 44% of the ratings, the top 50% 92%.
    assert 0.3 < share[N_MOVIES // 10] < 0.6 and 0.85 < share[N_MOVIES // 2] < 0.97


def test_ratings_and_times_are_distributed_as_in_movielens(ratings):
    assert set(ratings["rating"]) == {half / 2 for half in range(1, 11)}
    assert 0.77 < (ratings["rating"] >= 3).mean() < 0.89
    assert ratings["timestamp"].between(synthetic.FIRST_TIME, synthetic.LAST_TIME).all()
    assert (ratings.groupby("userId")["timestamp"].nunique() > 10).all()


def test_usual_shapes_are_those_of_movielens():
    assert [usual_shape(n) for n in (100_000, 1_000_000, 32_000_000)] == [(943, 1682), (6040, 3706), (200_948, 84_432)]
    between = np.array([usual_shape(n) for n in (10_000, 300_000, 3_000_000, 10_000_000, 100_000_000)])
    assert (np.diff(between, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("n_users", "n_movies", "message"),
    [(60_000, 800, "1,200,000 to"), (100, 120, "2,000 to 4,000 interactions, not 60,000")],
)
def test_impossible_shapes_are_refused(tmp_path, n_users, n_movies, message):
    with pytest.raises(UserError, match=message):
        generate(tmp_path, N_INTERACTIONS, 1, n_users, n_movies)
    assert not list(tmp_path.iterdir())


def test_the_rows_of_one_block_of_users_exist_at_one_time(monkeypatch, tmp_path):
    sizes = []

    def count(path, batches):
        sizes.extend(batch.num_rows for batch in batches)
        path.touch()

    monkeypatch.setattr(synthetic, "write_ratings", count)
    generate(tmp_path, N_INTERACTIONS, 1, N_USERS, N_MOVIES)
    assert len(sizes) == -(-N_USERS // synthetic.BLOCK) and sum(sizes) == N_INTERACTIONS
    assert max(sizes) < 1.5 * synthetic.BLOCK / N_USERS * N_INTERACTIONS


def test_movies_are_drawn_with_the_stated_probabilities():
    """One movie for each of many users of the same taste: their frequencies are the softmax of the scores."""
    rng, n_users, n_movies = np.random.default_rng(0), 40_000, 12
    movie_tastes = synthetic.unit(rng.standard_normal((n_movies, synthetic.DIM))).astype(np.float32)
    movie_tastes[:3] = movie_tastes[0]  # above the ceiling
    slots = rng.integers(1, 9, n_movies)
    user_tastes = np.repeat(movie_tastes[:1], n_users, axis=0)
    urn = np.repeat(np.arange(n_movies, dtype=np.int32), slots)
    users, movies = synthetic.draw(rng, urn, user_tastes, movie_tastes, np.ones(n_users, dtype=np.int64))
    assert users.tolist() == list(range(n_users))
    odds = np.exp(Truth(np.log(slots), movie_tastes, user_tastes).scores(np.array([0]))[0])
    expected = odds / odds.sum()
    difference = np.abs(np.bincount(movies, minlength=n_movies) / n_users - expected)
    assert difference.max() < 5 * np.sqrt(expected.max() / n_users)


def test_a_user_can_rate_all_movies_but_none_twice():
    tastes = synthetic.unit(np.random.default_rng(1).standard_normal((30, synthetic.DIM))).astype(np.float32)
    urn, degrees = np.arange(30, dtype=np.int32), np.array([30, 7])
    users, movies = synthetic.draw(np.random.default_rng(0), urn, tastes[:2], tastes, degrees)
    assert movies[:30].tolist() == list(range(30)) and users.tolist() == [0] * 30 + [1] * 7
    assert (np.diff(movies[30:]) > 0).all()


def test_true_preferences_rank_above_popularity_and_chance(folder, ratings):
    truth, rng = Truth.load(folder / "truth.npz"), np.random.default_rng(0)
    held_out = rng.random(len(ratings)) < 0.2

    def matrix(rows):
        at = ratings["userId"][rows] - 1, ratings["movieId"][rows] - 1
        return sp.csr_matrix((np.ones(rows.sum(), np.float32), at), shape=(N_USERS, N_MOVIES))

    train, test = matrix(~held_out), matrix(held_out)
    scorers = {
        "truth": lambda users: torch.from_numpy(truth.scores(users)),
        "popularity": popularity_scorer(np.asarray(train.sum(axis=0), dtype=np.float32)[0]),
        "chance": lambda users: torch.from_numpy(rng.random((len(users), N_MOVIES), dtype=np.float32)),
    }
    ndcg = {name: evaluate(scorer, train, train, test, [20])["ndcg@20"] for name, scorer in scorers.items()}
    assert truth.scores(np.array([0, 1])).dtype == np.float32
    assert ndcg["truth"] > 1.5 * ndcg["popularity"] > 10 * ndcg["chance"], ndcg


def test_ratings_are_higher_for_movies_of_the_users_taste(folder, ratings):
    truth = Truth.load(folder / "truth.npz")
    fit = synthetic.cosines(truth.user_tastes[ratings["userId"] - 1], truth.movie_tastes[ratings["movieId"] - 1])
    assert np.corrcoef(fit, ratings["rating"])[0, 1] == pytest.approx(synthetic.TASTE_IN_RATING, abs=0.1)
