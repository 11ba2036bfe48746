"""Filters of movies by genre and year."""

import numpy as np
import pytest

from movierec.recommend.filters import Filters
from movierec.utils.errors import UserError

MOVIES = np.array(["Drama", "Comedy|War", "War", "", "Film-Noir|Drama"], object), np.array([1981, 1990, 0, 1999, 2001])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [0, 1, 2, 3, 4]),
        (Filters(genres=("drama",)), [0, 4]),
        (Filters(genres=("Drama", "Comedy")), [0, 1, 4]),
        (Filters(genres=("film-noir",)), [4]),
        (Filters(not_genres=("WAR",)), [0, 3, 4]),
        (Filters(not_genres=("War", "Drama")), [3]),
        (Filters(genres=("War",), not_genres=("Comedy",)), [2]),
        (Filters(years=(1990, 1999)), [1, 3]),
        (Filters(("War", "Drama"), ("Comedy",), (1981, 2000)), [0]),
    ],
)
def test_movies_pass_by_genre_and_year(filters, expected):
    allowed = filters.allowed(*MOVIES)
    assert allowed.dtype == bool
    assert np.flatnonzero(allowed).tolist() == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("any", "none", "any"), Filters()),
        (("Drama|War", "none", "any"), Filters(genres=("Drama", "War"))),
        (("any", "Horror|War", "any"), Filters(not_genres=("Horror", "War"))),
        (("any", "none", "1994"), Filters(years=(1994, 1994))),
        (("Drama", "War", " 1990 - 1999"), Filters(("Drama",), ("War",), (1990, 1999))),
    ],
)
def test_filters_are_read_from_text(texts, expected):
    assert Filters.from_text(*texts) == expected


@pytest.mark.parametrize("years", ["90s", "1999-1990", "", "199", "1990-1999-2000"])
def test_text_that_is_no_range_of_years_is_an_error(years):
    with pytest.raises(UserError, match=f"'{years}'.*1994 or 1990-1999"):
        Filters.from_text("any", "none", years)


@pytest.mark.parametrize(
    ("filters", "parts"),
    [
        (Filters(("Dram",)), ["'Dram'", "did you mean 'Drama'?"]),
        (Filters((), ("dram",)), ["'dram'", "did you mean 'Drama'?"]),
        (Filters(("Opera",)), ["'Opera'", "Comedy, Drama, Film-Noir, War"]),
        (Filters(("Drama",), ("Drama",)), ["no movie passes"]),
        (Filters(years=(1900, 1950)), ["no movie passes"]),
    ],
)
def test_filters_that_no_movie_can_pass_are_an_error(filters, parts):
    with pytest.raises(UserError) as error:
        filters.allowed(*MOVIES)
    assert all(part in str(error.value) for part in parts), error.value
