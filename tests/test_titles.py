"""What a person types, and the movie that is meant."""

import numpy as np
import pytest

from movierec.errors import UserError
from movierec.titles import Titles

MOVIES = [
    ("Heat", 1995), ("Toy Story", 1995), ("Toy Story 2", 1999), ("Matrix, The", 1999), ("Sabrina", 1954), ("Sabrina", 1995), ("M", 1931),
    ("Star Wars: Episode IV - A New Hope", 1977), ("Star Wars: Episode V - The Empire Strikes Back", 1980), ("Seven (Se7en)", 1995),
    ("Professional, The (a.k.a. Leon: The Professional)", 1994), ("2001: A Space Odyssey", 1968), ("Amélie", 2001), ("Untitled", 0),
    ("Terminator, The", 1984), ("Terminator 2: Judgment Day", 1991), ("Good, The Bad and The Ugly, The", 1966), ("Schindler's List", 1993),
    ("Blade Runner", 1982), ("L'Avventura", 1960), ("Thelma & Louise", 1991),
]  # fmt: skip
TITLES = Titles([title for title, _ in MOVIES], np.array([year for _, year in MOVIES]))


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("Heat (1995)", "Heat"), ("heat", "Heat"), ("HEAT 1995", "Heat"), ("toy story", "Toy Story"), ("toy story 2", "Toy Story 2"),
        ("the matrix", "Matrix, The"), ("Matrix, The (1999)", "Matrix, The"), ("matrix", "Matrix, The"), ("m", "M"),
        ("empire strikes back", "Star Wars: Episode V - The Empire Strikes Back"), ("se7en", "Seven (Se7en)"), ("seven", "Seven (Se7en)"),
        ("leon: the professional", "Professional, The (a.k.a. Leon: The Professional)"), ("2001: a space odyssey", "2001: A Space Odyssey"),
        ("2001", "2001: A Space Odyssey"), ("amelie", "Amélie"), ("AMÉLIE", "Amélie"), ("untitled", "Untitled"), ("blade runer", "Blade Runner"),
        ("Blaed Runner", "Blade Runner"), ("terminater", "Terminator, The"), ("the good, the bad and the ugly", "Good, The Bad and The Ugly, The"),
        ("schindlers list", "Schindler's List"), ("thelma and louise", "Thelma & Louise"), ("avventura", "L'Avventura"), ("Sabrina (1954)", "Sabrina"),
    ],
)  # fmt: skip
def test_a_title_is_found_however_it_is_typed(query, title):
    assert TITLES.titles[TITLES.find(query)] == title


def test_a_year_tells_movies_of_one_name_apart():
    assert TITLES.years[TITLES.find("sabrina 1995")] == 1995 and TITLES.years[TITLES.find("Sabrina (1954)")] == 1954


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sabrina", "'sabrina' may be Sabrina (1954) or Sabrina (1995); say which, with its year."),
        ("star wars", "'star wars' may be Star Wars: Episode IV - A New Hope (1977) or Star Wars: Episode V - The Empire Strikes Back (1980); say which."),
        ("bladder runs", "no movie is called 'bladder runs'; the nearest are Blade Runner (1982)"),
        ("heat (1996)", "no movie is called 'heat (1996)'; the nearest are Heat (1995)"),
        ("terminatr 3", "no movie is called 'terminatr 3'; the nearest are Terminator"),
        ("", "'' is no title."), ("?!", "'?!' is no title."),
    ],
)  # fmt: skip
def test_what_is_not_clear_lists_what_it_may_be(query, message):
    with pytest.raises(UserError) as error:
        TITLES.find(query)
    assert str(error.value).startswith(message)


def test_every_movie_is_found_by_its_own_name_and_year():
    for index in range(len(MOVIES)):
        assert TITLES.find(TITLES.shown(index)) == index
