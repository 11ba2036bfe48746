"""Params that do not go together with the data or the machine: stopped with the key, its value, and what is allowed."""

from types import SimpleNamespace

import pandas as pd
import pytest

from movierec.errors import UserError
from movierec.feasible import check_feasible

MOVIES = pd.DataFrame({"Genres": ["Drama", "Drama|War", "Comedy"] * 20, "Year": pd.array([1990, 2000, None] * 20, dtype="Int16")})
PARAMS = {
    "top_k": 20, "only_genres": "any", "not_genres": "none", "only_years": "any", "ease_max_items": 20_000, "kernel_max_nodes": 20_000, "device": "cpu",
}  # fmt: skip


def check(n_users=100, movies=MOVIES, memory=2**34, **params):
    check_feasible(SimpleNamespace(**PARAMS | params), n_users, movies, memory, has_gpu=lambda: False)


def test_the_default_params_go_together_with_a_laptop_and_movielens():
    many = pd.DataFrame({"Genres": ["Drama"] * 84_432, "Year": pd.array([2000] * 84_432, dtype="Int16")})
    check(6_040, many.head(3_706))
    check(200_948, many)  # EASE and the kernels are left out


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"top_k": 61}, "top_k is 61, but only 60 movies have liked ratings; it must be at most that."),
        ({"top_k": 41, "only_genres": "Drama"}, "top_k is 41, but only 40 movies pass only_genres, not_genres and only_years; ask for less."),
        ({"only_genres": "War", "only_years": "1990"}, "only_genres, not_genres and only_years: no movie passes the filters; ask for less."),
        ({"only_genres": "drama", "not_genres": "Drama"}, "only_genres, not_genres and only_years: no movie passes the filters; ask for less."),
        ({"only_genres": "Dramma"}, "only_genres, not_genres and only_years: no movie has the genre 'Dramma'; did you mean 'Drama'?"),
        ({"only_years": "2000-1990"}, "only_genres, not_genres and only_years: the years are '2000-1990', but must be one, or a first and a last: "
         "1994 or 1990-1999."),
        ({"device": "cuda"}, "device is 'cuda', but torch sees no CUDA device here; set it to cpu."),
        ({"n_users": 100_000, "kernel_max_nodes": 200_000}, "kernel_max_nodes is 200,000, and there are 100,000 users: their kernel would need 149 GiB of "
         "memory for dense matrices, but this machine has 16 GiB; set kernel_max_nodes below 100,000, which leaves that part out."),
        ({"memory": 50_000, "ease_max_items": 60, "kernel_max_nodes": 0}, "ease_max_items is 60, and there are 60 movies: EASE would need 0 GiB of memory "
         "for dense matrices, but this machine has 0 GiB; set ease_max_items below 60, which leaves that part out."),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_named(params, message):
    with pytest.raises(UserError) as error:
        check(**params)
    assert str(error.value) == f"params.yaml: {message}"


def test_ease_for_the_catalogue_of_movielens_32m_is_refused_before_it_is_tried():
    many = pd.DataFrame({"Genres": ["Drama"] * 84_432, "Year": pd.array([2000] * 84_432, dtype="Int16")})
    with pytest.raises(UserError, match="ease_max_items is 90,000, and there are 84,432 movies: EASE would need 106 GiB of memory"):
        check(200_948, many, memory=24 * 2**30, ease_max_items=90_000)


def test_alone_or_with_one_movie_there_is_nothing_to_recommend():
    for n_users, movies in ((1, MOVIES), (100, MOVIES.head(1))):
        with pytest.raises(UserError, match="a recommender needs 2 of each, and better hundreds"):
            check(n_users, movies)
