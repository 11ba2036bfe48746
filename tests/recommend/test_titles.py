"""Finding movies by titles as people type them."""

import numpy as np
import pytest

from movierec.recommend.titles import Titles, Unclear, names_of, normalise
from movierec.utils.errors import UserError

EPISODES = ["Star Wars: Episode IV - A New Hope", "Star Wars: Episode V - The Empire Strikes Back"]
MOVIES = [
    ("Heat", 1995), ("Toy Story", 1995), ("Toy Story 2", 1999), ("Matrix, The", 1999), ("Sabrina", 1954),
    ("Sabrina", 1995), ("M", 1931), (EPISODES[0], 1977), (EPISODES[1], 1980), ("Seven (Se7en)", 1995),
    ("Professional, The (a.k.a. Leon: The Professional)", 1994), ("2001: A Space Odyssey", 1968), ("Amélie", 2001),
    ("Untitled", 0), ("Terminator, The", 1984), ("Terminator 2: Judgment Day", 1991),
    ("Good, The Bad and The Ugly, The", 1966), ("Schindler's List", 1993), ("Blade Runner", 1982),
    ("L'Avventura", 1960), ("Thelma & Louise", 1991), ("Twelve Monkeys (12 Monkeys)", 1995),
]  # fmt: skip
TITLES = Titles([title for title, _ in MOVIES], np.array([year for _, year in MOVIES]))


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("Heat (1995)", "Heat"), ("heat", "Heat"), ("HEAT 1995", "Heat"), ("toy story", "Toy Story"),
        ("toy story 2", "Toy Story 2"), ("the matrix", "Matrix, The"), ("Matrix, The (1999)", "Matrix, The"),
        ("matrix", "Matrix, The"), ("m", "M"), ("empire strikes back", EPISODES[1]), ("se7en", "Seven (Se7en)"),
        ("seven", "Seven (Se7en)"), ("leon: the professional", "Professional, The (a.k.a. Leon: The Professional)"),
        ("2001: a space odyssey", "2001: A Space Odyssey"), ("2001", "2001: A Space Odyssey"), ("amelie", "Amélie"),
        ("AMÉLIE", "Amélie"), ("untitled", "Untitled"), ("blade runer", "Blade Runner"),
        ("Blaed Runner", "Blade Runner"), ("terminater", "Terminator, The"),
        ("the good, the bad and the ugly", "Good, The Bad and The Ugly, The"),
        ("schindlers list", "Schindler's List"), ("thelma and louise", "Thelma & Louise"),
        ("avventura", "L'Avventura"), ("Sabrina (1954)", "Sabrina"), ("bad", "Good, The Bad and The Ugly, The"),
        ("twelv monkiys", "Twelve Monkeys (12 Monkeys)"),
    ],
)  # fmt: skip
def test_a_title_is_found_however_it_is_typed(query, title):
    assert TITLES.titles[TITLES.find(query)] == title


@pytest.mark.parametrize(("query", "year"), [("sabrina 1995", 1995), ("Sabrina (1954)", 1954)])
def test_a_year_tells_movies_of_one_title_apart(query, year):
    assert TITLES.years[TITLES.find(query)] == year


@pytest.mark.parametrize("index", range(len(MOVIES)))
def test_every_movie_is_found_by_its_own_title_and_year(index):
    assert TITLES.find(TITLES.shown(index)) == index


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("sabrina", ["may be Sabrina (1954) or Sabrina (1995)", "year"]),
        ("star wars", [f"may be {EPISODES[0]} (1977) or {EPISODES[1]} (1980)"]),
        ("bladder runs", ["no movie", "closest are Blade Runner (1982)"]),
        ("heat (1996)", ["no movie", "closest are Heat (1995)"]),
        ("terminatr 3", ["no movie", "closest are Terminator"]),
        ("iv", ["no movie"]),
        ("", ["no title"]),
        ("?!", ["no title"]),
    ],
)
def test_an_unclear_title_is_an_error_with_the_candidates(query, parts):
    with pytest.raises(UserError) as error:
        TITLES.find(query)
    assert all(part in str(error.value) for part in [f"'{query}'", *parts]), error.value


@pytest.mark.parametrize("year", [1899, 1950, 2015])
def test_a_year_may_be_of_three_centuries(year):
    remakes = Titles(["Cinderella"] * 3, np.array([1899, 1950, 2015]))
    assert remakes.years[remakes.find(f"cinderella {year}")] == year


@pytest.mark.parametrize(("n", "last"), [(6, " or Part 5 of the saga"), (7, ", or 1 more"), (40, ", or 34 more")])
def test_of_many_candidates_some_are_listed_and_a_year_picks_any(n, last):
    parts = Titles([f"Part {number} of the saga" for number in range(n)], np.arange(1950, 1950 + n))
    with pytest.raises(UserError, match=rf"may be Part 0 of the saga \(1950\), .*\(1954\).*{last}.*; say which"):
        parts.find("the saga")
    assert parts.find(f"the saga ({1949 + n})") == n - 1


def found(query, *titles):
    """The title that is found, or what the error says."""
    catalogue = Titles(list(titles), np.zeros(len(titles), int))
    try:
        return titles[catalogue.find(query)]
    except UserError as error:
        return str(error)


@pytest.mark.parametrize(("n", "wrong", "known"), [(25, 4, True), (12, 2, False)])
def test_a_typo_leaves_84_of_100_letters_right(n, wrong, known):
    assert (found("A" * (n - wrong) + "B" * wrong, "A" * n) == "A" * n) == known  # 84 and 83.3 of 100


@pytest.mark.parametrize(("n", "clear"), [(25, True), (26, False)])
def test_the_nearest_title_leads_by_four_of_100(n, clear):
    near, next_best = "A" * (n - 2) + "BB", "A" * (n - 3) + "CCC"  # 92 and 88, or 92.3 and 88.5 of 100
    assert found("A" * n, near, next_best) == (
        near if clear else f"'{'A' * n}' may be {near} or {next_best}; say which."
    )


def test_the_best_name_of_a_movie_counts():
    near, other = f"{'A' * 23}BB ({'A' * 22}CCC)", "A" * 22 + "DDD"  # 92 and 88, and 88
    assert found("A" * 25, near, other) == near


@pytest.mark.parametrize(("shared", "other", "known"), [(9, 1, True), (17, 3, False)])
def test_a_part_of_a_title_makes_up_90_of_100(shared, other, known):
    """With a blank and the other letters, `shared` letters are 2 * 9 / (9 + 11) and 2 * 17 / (17 + 21) alike."""
    title = "A" * shared + " and what comes after it"
    assert (found("A" * shared + " " + "B" * other, title) == title) == known


def test_the_three_closest_titles_are_named():
    message = "no movie is called 'Alpha Zulu Yankee'; the closest are Alpha One, Alpha Two or Alpha Six."
    assert found("Alpha Zulu Yankee", "Alpha One", "Alpha Two", "Alpha Six", "Bravo") == message


@pytest.mark.parametrize(
    ("title", "expected"),
    [("Matrix, The", "matrix"), ("the MATRIX", "matrix"), ("Amélie", "amelie"), ("Tom & Jerry's", "tom and jerrys")],
)
def test_titles_are_compared_without_case_articles_accents_and_signs(title, expected):
    assert normalise(title) == expected


def test_a_movie_has_the_names_in_its_parentheses_too():
    names = {"city the a k a la ville die stadt", "city", "ville", "stadt"}
    assert names_of("City, The (a.k.a. La Ville) (Die Stadt)") == names


def test_what_is_before_a_colon_is_a_name_that_yields_to_full_ones():
    titles = ["Terminator 2: Judgment Day", "Terminator, The", "Batman: Mask of the Phantasm", "Batman", "Saga: One"]
    found = Titles([*titles, "Saga: Two"], np.array([1991, 1984, 1993, 1989, 2001, 2002]))
    for query, index in (("terminator 2", 0), ("terminatr 2", 0), ("terminatr", 1), ("batman", 3), ("saga 2002", 5)):
        assert found.find(query) == index, query
    with pytest.raises(Unclear, match=r"'saga' may be Saga: One \(2001\) or Saga: Two \(2002\)") as error:
        found.find("saga")
    assert error.value.candidates == [4, 5]
