"""Titles of movies as data sets write them."""

import pytest

from movierec.utils.movie_titles import title_and_year


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Matrix, The (1999)", ("The Matrix", 1999)), ("Heat (1995)", ("Heat", 1995)), ("2001", ("2001", None)),
        ("American in Paris, An (1951)", ("An American in Paris", 1951)), ("(1995)", ("(1995)", 1995)),
        ("Avventura, L' (a.k.a. Adventure, The) (1960)", ("L'Avventura (a.k.a. The Adventure)", 1960)),
        ("Paris, Texas (1984)", ("Paris, Texas", 1984)), ("Odd (0012)", ("Odd (0012)", None)),
        ("Series (1994–96)", ("Series", 1994)), ("Corrina, Corrina", ("Corrina, Corrina", None)),
        ("matrix, the", ("matrix, the", None)),
    ],
)  # fmt: skip
def test_a_title_is_as_people_say_it_and_the_year_beside_it(text, expected):
    assert title_and_year(text) == expected
