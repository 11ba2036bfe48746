"""Cleaning: the rows that are kept, and the line and reason of each rejected one."""

from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import clean_folder, write_files

from movierec.data import text_file
from movierec.data.cleaning import clean, degree_curves
from movierec.data.layouts import read_folder
from movierec.data.rules import RATED_AGAIN, STARS_REASON, TIME_REASON
from movierec.datasets.own_files import file_hash
from movierec.utils.errors import UserError

ID = "is not a whole number from 0 to 2147483647"
MOVIES = [("1", "Heat (1995)", "Action|Crime"), ("2", "Matrix, The (1999)", "Action")]
USERS = [("1", "F"), ("2", "M")]
GOOD = ("1", "1", "5", "100")


@pytest.fixture
def cleaned(tmp_path):
    """Clean tables from rows in the layout of ml-1m, or of ml-10m if there are no users."""

    def clean_rows(ratings, movies=MOVIES, users=USERS):
        tables = {"movies.dat": movies, "ratings.dat": ratings}
        tables |= {"users.dat": [(*user, "1", "10", "48067") for user in users]} if users else {}
        files = {name: "".join("::".join(fields) + "\n" for fields in rows) for name, rows in tables.items()}
        return clean_folder(write_files(tmp_path, files))

    return clean_rows


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("x", "1", "5", "1"), f"UserID {ID}"),
        (("-1", "1", "5", "1"), f"UserID {ID}"),
        (("99999999999999999999", "1", "5", "1"), f"UserID {ID}"),
        (("", "", "", ""), f"UserID {ID}"),
        (("2", "1.5", "5", "1"), f"MovieID {ID}"),
        (("2", "1", "6", "1"), STARS_REASON),
        (("2", "1", "0", "1"), STARS_REASON),
        (("2", "1", "4.25", "1"), STARS_REASON),
        (("2", "1", "nan", "1"), STARS_REASON),
        (("2", "1", "5", "978300760000"), TIME_REASON),
        (("2", "1", "5", "-5"), TIME_REASON),
        (("2", "3", "5", "1"), "movie not in the movies table"),
        (("3", "1", "5", "1"), "user not in the users table"),
    ],
)
def test_a_bad_rating_is_rejected_with_line_and_reason(cleaned, row, reason):
    tables = cleaned([GOOD, row, ("2", "2", "4", "9")])
    assert tables.ratings["UserID"].tolist() == [1, 2]
    assert tables.rejected.values.tolist() == [["ratings", 2, reason, "|".join(row)]]
    assert tables.summary["ratings"] == {"read": 3, "kept": 2, "rejected": {reason: 1}}


def test_of_a_pair_rated_again_the_latest_is_kept_in_any_order(cleaned):
    rows = [
        ("1", "1", "5", "100"),
        ("1", "1", "2", "300"),
        ("1", "1", "3", "200"),
        ("2", "1", "1", "7"),
        ("2", "1", "4", "7"),
    ]
    for order in (rows, rows[::-1]):
        tables = cleaned(order)
        assert sorted(tables.ratings["Rating"].tolist()) == [2, 4]
        assert tables.summary["ratings"]["rejected"] == {RATED_AGAIN: 3}


RATING = st.tuples(*[st.sampled_from("123")] * 2, st.sampled_from("12345"), st.sampled_from("6789"))


@settings(max_examples=settings().max_examples // 4)
@given(rows=st.lists(RATING, min_size=1, max_size=12))
def test_of_each_pair_the_kept_rating_is_the_latest_then_the_highest(tmp_path_factory, rows):
    text = "user,item,rating,timestamp\n" + "".join(",".join(row) + "\n" for row in rows)
    tables = clean_folder(write_files(tmp_path_factory.mktemp("pairs"), {"interactions.csv": text}))
    best = {}
    for at, (user, movie, stars, time) in enumerate(rows):
        best[user, movie] = max(best.get((user, movie), ()), (time, stars, at))
    kept = sorted(at for *_, at in best.values())
    assert tables.ratings.astype(int).values.tolist() == [list(map(int, rows[at])) for at in kept]
    assert tables.rejected["line"].tolist() == [at + 2 for at in range(len(rows)) if at not in kept]


def test_types_and_order(cleaned):
    tables = cleaned([("2", "2", "4.5", "881250949.0"), GOOD])
    assert tables.ratings.dtypes.astype(str).tolist() == ["int32", "int32", "float32", "int64"]
    assert tables.ratings.values.tolist() == [[2, 2, 4.5, 881250949], [1, 1, 5, 100]], "the file's order stays"
    assert tables.users["Gender"].tolist() == ["F", "M"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Heat (1995)", ("Heat", 1995)),
        ("City, The (Cité des enfants perdus, La) (1995)", ("The City (La Cité des enfants perdus)", 1995)),
        ("Eye of Vichy, The (Oeil de Vichy, L') (1993)", ("The Eye of Vichy (L'Oeil de Vichy)", 1993)),
        ("Postman, The (a.k.a. Postino, Il)", ("The Postman (a.k.a. Il Postino)", None)),
        ("Good, The Bad and The Ugly, The (1966)", ("The Good, The Bad and The Ugly", 1966)),
        ("Paris, Texas (1984)", ("Paris, Texas", 1984)),
        ("Me, Myself, I (2000)", ("Me, Myself, I", 2000)),
        ("Winslow Boy, The", ("The Winslow Boy", None)),
        ("Land Before Time III (1995) (V)", ("Land Before Time III", 1995)),
        ("Series (1994-1996)", ("Series", 1994)),
        ("Series (1994–1996)", ("Series", 1994)),
        ("Series (1994–96)", ("Series", 1994)),
        ("Series (1994-)", ("Series", 1994)),
        ("Series (1994-19960)", ("Series (1994-19960)", None)),
        ("Series (1994-١٩٩٦)", ("Series (1994-١٩٩٦)", None)),
        ("Odd (١٩٩٥)", ("Odd (١٩٩٥)", None)),
        ("Odd 1995)", ("Odd 1995)", None)),
        ("1984 (1984)", ("1984", 1984)),
        ("2001", ("2001", None)),
        ("unknown", ("unknown", None)),
        ("(1995)", ("(1995)", 1995)),
        ("Odd (0012)", ("Odd (0012)", None)),
    ],
)  # fmt: skip
def test_the_year_is_split_from_the_title(cleaned, title, expected):
    movie = cleaned([("1", "1", "5", "1")], movies=[("1", title, "")]).movies.iloc[0]
    assert (movie["Title"], None if pd.isna(movie["Year"]) else movie["Year"]) == expected


def test_movies_without_a_title_or_with_a_repeated_id_are_rejected(cleaned):
    movies = [("1", "A (2000)", ""), ("2", " ", ""), ("1", "B (2000)", ""), ("x", "C", ""), ("2", "D", "")]
    tables = cleaned([("1", "1", "5", "1")], movies=movies)
    assert tables.movies["Title"].tolist() == ["A", "D"], "a rejected row does not count as the first of its id"
    assert tables.rejected[["table", "line", "reason"]].values.tolist() == [
        ["movies", 2, "no title"],
        ["movies", 3, "MovieID stands twice"],
        ["movies", 4, f"MovieID {ID}"],
    ]


def test_users_with_a_bad_or_repeated_id_are_rejected(cleaned):
    tables = cleaned([GOOD], users=[("2", "M"), ("x", "F"), ("1", "F"), ("2", "F")])
    assert tables.users.values.tolist() == [[1, "F"], [2, "M"]], "sorted by id"
    assert tables.rejected[["table", "line", "reason"]].values.tolist() == [
        ["users", 2, f"UserID {ID}"],
        ["users", 4, "UserID stands twice"],
    ]


def test_a_gender_that_is_neither_is_unknown(cleaned):
    assert cleaned([GOOD], users=[("1", "f"), ("2", "x")]).users["Gender"].tolist() == ["F", "unknown"]


def test_without_a_users_table_the_users_are_those_with_a_kept_rating(cleaned):
    tables = cleaned([("7", "1", "5", "1"), ("3", "1", "5", "1"), ("9", "1", "0", "1")], users=[])
    assert tables.users.values.tolist() == [[3, "unknown"], [7, "unknown"]]
    assert tables.summary["users"] == {"read": 0, "kept": 0, "rejected": {}}


@pytest.mark.parametrize(("name", "titles"), [("x.inter", ["movie 3", "movie 7"]), ("interactions.csv", ["3", "7"])])
def test_without_a_movies_table_the_movies_are_those_with_a_kept_rating(tmp_path, name, titles):
    rows = "user_id,item_id,rating,timestamp\n1,7,5,1\n1,3,4,1\n1,9,0,1\n"
    tables = clean_folder(write_files(tmp_path, {name: rows.replace(",", "\t") if name == "x.inter" else rows}))
    assert tables.movies["MovieID"].tolist() == [3, 7] and tables.movies["Title"].tolist() == titles
    assert tables.movies["Year"].isna().all() and tables.movies["Genres"].eq("").all()
    assert tables.summary["movies"] == {"read": 2, "kept": 2, "rejected": {}}


def test_without_any_kept_rating_there_is_an_error(cleaned):
    with pytest.raises(UserError, match=f"ratings.dat: .* 1 rows .* 1 {STARS_REASON}"):
        cleaned([("1", "1", "9", "1")])


def test_too_many_rejected_rows_of_any_table_are_an_error(tmp_path, cleaned):
    cleaned([GOOD], movies=[*MOVIES, ("x", "C", "")])
    with pytest.raises(UserError, match=r"movies.dat: 1 of 3 rows \(33.3%\).*line 3: 'x\|C\|'"):
        clean(read_folder(tmp_path), 0.3, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*")), "nothing is left behind"


def test_ratings_are_counted_by_stars_users_and_movies(tmp_path):
    ratings = "1::7::5::1\n1::8::3.5::1\n1::9::5::1\n2::7::1::1\n"
    write_files(tmp_path, {"movies.dat": "7::A::\n8::B::\n9::C::\n", "ratings.dat": ratings})
    counts = clean(read_folder(tmp_path), 0, tmp_path / "out")
    assert counts.stars.to_dict("list") == {"rating": [1.0, 3.5, 5.0], "ratings": [1, 1, 2]}
    assert counts.by_user.tolist() == [3, 1] and counts.by_movie.tolist() == [2, 1, 1]


def test_weights_are_counted_by_powers_of_two(tmp_path):
    rows = "".join(f"{number},1,{weight}\n" for number, weight in enumerate([1, 1.5, 2, 7.9, 8, 0.3, 1000]))
    write_files(tmp_path, {"interactions.csv": "user,item,weight\n" + rows})
    stars = clean(read_folder(tmp_path), 0, tmp_path / "out").stars
    assert stars.to_dict("list") == {"rating": [0.25, 1, 2, 4, 8, 512], "ratings": [1, 2, 1, 1, 1, 1]}


def test_degrees_fall_with_the_rank():
    curves = degree_curves(np.array([1, 3]), np.array([2, 1, 1]))
    assert curves.query("series == 'users'")[["rank", "ratings"]].to_numpy().tolist() == [[1, 3], [2, 1]]
    assert curves.query("series == 'movies'")["ratings"].tolist() == [2, 1, 1]
    assert len(degree_curves(np.full(5000, 2), np.array([10_000]))) <= 201, "a long curve is thinned out"


# --- the fast reader and the exact one give the same ---------------------------------------------

NUMBERS = ["1", "2", "3", "007", "0", "10", "2147483647", "2147483648", "1".zfill(19), "1" * 19]
NUMBERS += ["", "x", "-1", "1.0", "é", "1e1", '"', "\x1f", " 1"]
NUMBER = st.one_of(st.sampled_from(NUMBERS), st.integers(0, 30).map(str))
STARS = st.sampled_from(["5", "0.5", "4.50", "3.0", "3.7", "0", "", "05", "5.", "nan"])
TIMES = ["0", "1", "978300760", "978300760.0", "978300760.5", "4294967296", "4294967297", "", "1000000000"]
SMALL = st.sampled_from("123")
ROW = st.one_of(
    st.tuples(SMALL, SMALL, st.sampled_from(["5", "0.5", "4.50"]), SMALL),
    st.tuples(NUMBER, NUMBER, STARS, st.sampled_from(TIMES)),
    st.lists(NUMBER, max_size=5),
)
PEOPLE = {"users.dat": "1::F::1::1::1\n2::M::1::1::1\n", "movies.dat": "1::A::\n2::B::\n3::C::\n"}
FILMS = {"movies.csv": "movieId,title,genres\n1,A,\n2,B,\n3,C,\n"}
OWN = "user,item,rating,timestamp\n"
# Separator, file of ratings, its header, and the other files.
LAYOUTS = {
    "1m": ("::", "ratings.dat", "", PEOPLE),
    "csv": (",", "ratings.csv", "userId,movieId,rating,timestamp\n", FILMS),
    "recbole": ("\t", "x.inter", "timestamp:float\tuser_id:token\titem_id:token\trating:float\n", {}),
    "table": (",", "interactions.csv", OWN, {}),
    "table with items": (",", "interactions.csv", OWN, {"items.csv": "item,title\n1,A\nx,B\n7,\n"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(
    rows=st.lists(ROW, max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    tail=st.sampled_from(["", "\n", "\n\n\n"]),
    latin=st.booleans(),
)
@settings(max_examples=settings().max_examples // 6)
def test_the_fast_reader_and_the_exact_one_give_the_same(tmp_path_factory, layout, rows, end, tail, latin):
    folder = tmp_path_factory.mktemp("same")
    separator, name, header, others = LAYOUTS[layout]
    if layout == "recbole":
        rows = [[*row[3:4], *row[:3], *row[4:]] for row in rows]
    text = header + "\n".join(separator.join(row) for row in rows) + tail
    write_files(folder, others | {name: text.replace("\n", end).encode("latin-1" if latin else "utf-8")})

    def results(out, look):
        with mock.patch("movierec.data.source.look", look):
            try:
                made = clean(read_folder(folder), 1.0, folder / out)
            except UserError as error:
                return str(error)
        hashes = [file_hash(folder / out / file, "md5") for file in ("ratings.parquet", "rejected.csv")]
        counts = (made.stars.to_dict(), made.by_user.tolist(), made.by_movie.tolist())
        return made.summary, made.users.to_dict(), made.movies.astype(object).to_dict(), counts, hashes

    exact = results("exact", lambda path, form: text_file.look(path, form)._replace(plain=False))
    assert repr(results("fast", text_file.look)) == repr(exact)


def test_text_of_two_encodings_is_latin_1_as_a_whole_where_that_is_expected(tmp_path):
    ratings = "é::1::5::1\n".encode() + "é::2::5::1\n1::1::5::1\n".encode("latin-1")
    write_files(tmp_path, PEOPLE | {"ratings.dat": ratings})
    assert clean_folder(tmp_path).rejected["row"].tolist() == ["Ã©|1|5|1", "é|2|5|1"]
