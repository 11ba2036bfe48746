"""Params that do not go together with the data or the machine: an error with the key, its value and the way out."""

import os
import re

import pandas as pd
import pytest
import torch
from stage_runner import run_stage, set_up

GENRES, YEARS = ["Drama", "Drama|War", "Comedy"], [1990, 2000, None]
CHECKED = "data/checked.txt"
GIB = 2**30
FILTERS = "only_genres, not_genres and only_years"


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Runs the stage with some users, movies, bytes of memory and params: the message of its error, or None."""

    def run(n_users=100, n_movies=60, memory=16 * GIB, has_gpu=False, **params):
        system = os.sysconf
        sizes = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": memory}
        monkeypatch.setattr(os, "sysconf", lambda name: sizes[name] if name in sizes else system(name))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
        for folder in ("data/split", "data/clean"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        movies = pd.DataFrame({"MovieID": range(n_movies, 0, -1), "Title": "A"})
        movies["Genres"] = (GENRES * n_movies)[:n_movies]
        movies["Year"] = pd.array((YEARS * n_movies)[:n_movies], dtype="Int16")
        unrated = pd.DataFrame({"MovieID": [0], "Title": ["B"], "Genres": ["Western"], "Year": [1950]})
        pd.concat([movies, unrated]).to_parquet(tmp_path / "data/clean/movies.parquet")
        movies[["MovieID"]].to_parquet(tmp_path / "data/split/items.parquet")
        pd.DataFrame({"UserID": range(n_users)}).to_parquet(tmp_path / "data/split/users.parquet")
        message = run_stage("check", set_up(tmp_path, **params), monkeypatch)
        assert (tmp_path / CHECKED).exists() == (message is None)
        return message

    return run


@pytest.mark.parametrize(("n_users", "n_movies"), [(6_040, 3_706), (200_948, 84_432), (2, 20)])
def test_the_default_params_go_together_with_movielens_and_a_laptop(check, n_users, n_movies):
    assert check(n_users, n_movies) is None  # EASE and the Gaussian processes of MovieLens 32M are left out


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"top_k": 61}, "top_k is 61, but only 60 movies have positive interactions; ask for less"),
        ({"top_k": 41, "only_genres": "Drama"}, f"top_k is 41, but only 40 movies pass {FILTERS}"),
        ({"only_genres": "War", "only_years": "1990"}, f"{FILTERS}: no movie passes the filters"),
        ({"only_genres": "drama", "not_genres": "Drama"}, f"{FILTERS}: no movie passes the filters"),
        ({"only_genres": "Dramma"}, f"{FILTERS}: no movie has the genre 'Dramma'; did you mean 'Drama'"),
        ({"only_genres": "Western"}, f"{FILTERS}: no movie has the genre 'Western'"),
        ({"only_years": "2000-1990"}, "only_years is '2000-1990': .* 1994 or 1990-1999"),
        ({"device": "cuda"}, "device is 'cuda', but torch sees no CUDA device here; set it to cpu"),
        ({"n_users": 100_000, "user_process": "dense"},
         "user_process is dense, and 100,000 would need 149 GiB .* has 16 GiB; use auto"),
        ({"n_movies": 50_000, "item_process": "dense"},
         "item_process is dense, and 50,000 would need 37 GiB .* has 16 GiB; "),
        ({"memory": 50_000, "ease": {"max_items": 60}},
         "ease.max_items is 60, and 60 would need 0 GiB .* has 0 GiB; set it below 60"),
        ({"n_users": 200_948, "n_movies": 84_432, "memory": 24 * GIB, "ease": {"max_items": 90_000}},
         "ease.max_items is 90,000, and 84,432 would need 106 GiB .* has 24 GiB"),
    ],
)  # fmt: skip
def test_params_that_do_not_go_together_are_named(check, params, message):
    found = check(**params)
    assert re.match(f"check: params.yaml: {message}", found) and "\n" not in found


@pytest.mark.parametrize(
    "params",
    [
        {"top_k": 60},
        {"top_k": 40, "only_genres": "Drama"},
        {"only_genres": "war", "only_years": "1990-2000"},
        {"memory": 16 * 60**2, "n_users": 60, "ease": {"max_items": 60}},
        {"memory": 50_000, "ease": {"max_items": 59}},
        {"n_users": 100_000, "user_process": "auto"},
    ],
)
def test_params_at_the_limit_go_together(check, params):
    assert check(**{"top_k": 20} | params) is None


@pytest.mark.parametrize(("n_users", "n_movies"), [(1, 60), (100, 1)])
def test_one_user_or_one_movie_is_too_few(check, n_users, n_movies):
    assert f"only {n_users} users and {n_movies} movies have positive interactions; 2 are needed" in check(
        n_users, n_movies
    )


def test_a_gpu_that_torch_sees_may_be_used(check):
    assert check(device="cuda", has_gpu=True) is None
