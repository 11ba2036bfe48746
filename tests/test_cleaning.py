"""Cleaning: which rows stay, and the line and reason of each that does not."""

import pandas as pd
import pytest
from in_memory import clean_folder

from movierec.cleaning import clean as clean_tables
from movierec.errors import UserError
from movierec.movielens import read_folder

MOVIES = [("1", "Heat (1995)", "Action|Crime"), ("2", "Matrix, The (1999)", "Action")]
USERS = [("1", "F"), ("2", "M")]


@pytest.fixture
def clean(tmp_path):
    """Cleans what `tables` gives."""

    def clean_files(files):
        for name, rows in files.items():
            (tmp_path / name).write_text("".join("::".join(fields) + "\n" for fields in rows))
        return clean_folder(tmp_path)

    return clean_files


def tables(ratings, movies=MOVIES, users=USERS):
    """The files of ml-1m, or of ml-10m where there are no users."""
    files = {"movies.dat": movies, "ratings.dat": ratings}
    return files | {"users.dat": [(*user, "1", "10", "48067") for user in users]} if users else files


GOOD = ("1", "1", "5", "100")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("x", "1", "5", "1"), "UserID is not a whole number from 0 to 2147483647"),
        (("-1", "1", "5", "1"), "UserID is not a whole number from 0 to 2147483647"),
        (("99999999999999999999", "1", "5", "1"), "UserID is not a whole number from 0 to 2147483647"),
        (("", "", "", ""), "UserID is not a whole number from 0 to 2147483647"),
        (("2", "1.5", "5", "1"), "MovieID is not a whole number from 0 to 2147483647"),
        (("2", "1", "6", "1"), "Rating is not in whole or half stars from 0.5 to 5"),
        (("2", "1", "0", "1"), "Rating is not in whole or half stars from 0.5 to 5"),
        (("2", "1", "4.25", "1"), "Rating is not in whole or half stars from 0.5 to 5"),
        (("2", "1", "nan", "1"), "Rating is not in whole or half stars from 0.5 to 5"),
        (("2", "1", "5", "978300760000"), "Timestamp is not in seconds from 0 to 4294967296"),
        (("2", "1", "5", "-5"), "Timestamp is not in seconds from 0 to 4294967296"),
        (("2", "3", "5", "1"), "movie not in the movies table"),
        (("3", "1", "5", "1"), "user not in the users table"),
    ],
)
def test_a_bad_rating_is_set_aside_with_line_and_reason(clean, row, reason):
    cleaned = clean(tables([GOOD, row, ("2", "2", "4", "9")]))
    assert cleaned.ratings["UserID"].tolist() == [1, 2]
    assert cleaned.rejected.values.tolist() == [["ratings", 2, reason, "|".join(row)]]
    assert cleaned.summary["ratings"] == {"read": 3, "kept": 2, "rejected": {reason: 1}}


def test_of_a_pair_rated_again_the_latest_stays_whatever_the_order(clean):
    rows = [("1", "1", "5", "100"), ("1", "1", "2", "300"), ("1", "1", "3", "200"), ("2", "1", "1", "7"), ("2", "1", "4", "7")]
    for order in (rows, rows[::-1]):
        cleaned = clean(tables(order))
        assert sorted(cleaned.ratings["Rating"].tolist()) == [2, 4]
        assert cleaned.summary["ratings"]["rejected"] == {"the user rated the movie again, later": 3}


def test_types_and_order(clean):
    cleaned = clean(tables([("2", "2", "4.5", "881250949.0"), GOOD]))
    assert cleaned.ratings.dtypes.astype(str).tolist() == ["int32", "int32", "float32", "int64"]
    assert cleaned.ratings.values.tolist() == [[2, 2, 4.5, 881250949], [1, 1, 5, 100]], "the file's order stays"
    assert cleaned.users["Gender"].tolist() == ["F", "M"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Heat (1995)", ("Heat", 1995)),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)", ("City of Lost Children, The (Cité des enfants perdus, La)", 1995)),
        ("Land Before Time III (1995) (V)", ("Land Before Time III", 1995)),
        ("Series (1994-1996)", ("Series", 1994)),
        ("1984 (1984)", ("1984", 1984)),
        ("2001", ("2001", None)),
        ("unknown", ("unknown", None)),
        ("(1995)", ("(1995)", 1995)),
        ("Odd (0012)", ("Odd (0012)", None)),
    ],
)  # fmt: skip
def test_the_year_is_split_from_the_title(clean, title, expected):
    cleaned = clean(tables([("1", "1", "5", "1")], movies=[("1", title, "")]))
    movie = cleaned.movies.iloc[0]
    assert (movie["Title"], None if pd.isna(movie["Year"]) else movie["Year"]) == expected


def test_movies_without_a_title_or_with_an_id_that_stands_twice_are_set_aside(clean):
    movies = [("1", "A (2000)", ""), ("2", " ", ""), ("1", "B (2000)", ""), ("x", "C", "")]
    cleaned = clean(tables([("1", "1", "5", "1")], movies=movies))
    assert cleaned.movies["Title"].tolist() == ["A"]
    assert cleaned.rejected[["line", "reason"]].values.tolist() == [
        [2, "no title"],
        [3, "MovieID stands twice"],
        [4, "MovieID is not a whole number from 0 to 2147483647"],
    ]


def test_without_a_users_table_the_users_are_those_who_rated(clean):
    cleaned = clean(tables([("7", "1", "5", "1"), ("3", "1", "5", "1")], users=[]))
    assert cleaned.users.values.tolist() == [[3, "unknown"], [7, "unknown"]]


def test_a_gender_that_is_neither_is_unknown(clean):
    assert clean(tables([GOOD], users=[("1", "f"), ("2", "x")])).users["Gender"].tolist() == ["F", "unknown"]


def test_nothing_left_is_an_error(clean):
    with pytest.raises(UserError, match="ratings.dat: not one of its 1 rows can be used: 1 Rating is not in whole or half stars from 0.5 to 5.$"):
        clean(tables([("1", "1", "9", "1")]))


def test_the_ratings_are_counted_by_stars_users_and_movies(tmp_path):
    files = {"movies.dat": "7::A::\n8::B::\n9::C::\n", "ratings.dat": "1::7::5::1\n1::8::3.5::1\n1::9::5::1\n2::7::1::1\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    cleaned = clean_tables(read_folder(tmp_path), 0, tmp_path / "out")
    assert cleaned.stars.to_dict("list") == {"rating": [1.0, 3.5, 5.0], "ratings": [1, 1, 2]}
    assert cleaned.by_user.tolist() == [3, 1] and cleaned.by_movie.tolist() == [2, 1, 1]
