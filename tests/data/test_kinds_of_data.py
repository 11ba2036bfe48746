"""Columns of any kind, and the layouts that people have, as clean tables."""

import contextlib
import csv
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import clean_folder, write_files
from pyarrow import parquet

from movierec.data.engine import Engine
from movierec.data.layouts import read_folder
from movierec.data.rules import ADDED, NO_RATING, TIME_REASON
from movierec.data.source import View
from movierec.utils.errors import UserError


@pytest.fixture(params=["csv", "parquet"])
def kind(request):
    return request.param


@pytest.fixture
def first(kind):
    """The line of a table's first row."""
    return 2 if kind == "csv" else 1


@pytest.fixture
def write(kind, tmp_path):
    """Writes tables as CSV or Parquet; the folder."""

    def write_tables(**tables):
        for name, columns in tables.items():
            frame, path = pd.DataFrame(columns), tmp_path / f"{name}.{kind}"
            frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
        return tmp_path

    return write_tables


def values(frame):
    return frame.astype(object).where(frame.notna(), None).values.tolist()


# --- kinds of columns ----------------------------------------------------------------------------


def write_arrow(folder, name="interactions", **columns):
    """Write a Parquet table with exactly these Arrow columns; the folder."""
    parquet.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


MOMENT = 1_426_325_213  # 2015-03-14 09:26:53 UTC


@pytest.mark.parametrize(
    ("column", "seconds"),
    [
        (pa.array([MOMENT], pa.timestamp("s")), MOMENT),
        (pa.array([MOMENT * 1000 + 999], pa.timestamp("ms")), MOMENT),
        (pa.array([MOMENT * 10**6], pa.timestamp("us", tz="Europe/Berlin")), MOMENT),
        (pa.array([MOMENT * 10**9 + 1], pa.timestamp("ns")), MOMENT),
        (pa.array([16508], pa.date32()), 16508 * 86400),
        (pa.array([16508 * 86_400_000], pa.date64()), 16508 * 86400),
        (pa.array([MOMENT * 1000]), MOMENT),
        (pa.array([MOMENT * 10**6]), MOMENT),
        (pa.array([MOMENT * 10**9]), MOMENT),
        (pa.array([float(MOMENT)]), MOMENT),
        (pa.array(["2015-03-14T09:26:53Z"]), MOMENT),
        (pa.array(["2015-03-14 11:26:53+02:00"]), MOMENT),
        (pa.array(["2015-03-14"]), 16508 * 86400),
        (pa.array([2**24 - 1], pa.float32()), 2**24 - 1),
    ],
)
def test_times_of_any_kind_become_seconds(tmp_path, column, seconds):
    folder = write_arrow(tmp_path, user=["a"], item=["x"], timestamp=column)
    assert clean_folder(folder, 0).ratings["Timestamp"].tolist() == [seconds]


def test_times_in_floats_of_32_bits_are_an_error(tmp_path):
    folder = write_arrow(tmp_path, user=["a"], item=["x"], timestamp=pa.array(np.array([MOMENT], np.float32)))
    with pytest.raises(
        UserError, match=r"Timestamp 14263252\d\d is in a column of floats.*16,777,216; write it as int"
    ):
        clean_folder(folder)


def test_one_time_that_is_far_off_does_not_change_the_unit_of_the_others(write, first):
    times = [MOMENT, MOMENT + 1, MOMENT * 1000]
    tables = clean_folder(write(interactions={"user": [1, 2, 3], "item": [1, 2, 3], "timestamp": times}))
    assert tables.ratings["Timestamp"].tolist() == times[:2]
    assert tables.rejected[["line", "reason"]].values.tolist() == [[first + 2, TIME_REASON]]


@pytest.mark.parametrize("scale", [10, 100])
def test_ratings_above_the_scale_stop_with_the_way_out_and_are_read_with_it(write, scale):
    stars = np.arange(1, 11) * scale / 10
    folder = write(interactions={"user": range(10), "item": [1] * 10, "rating": stars})
    for max_rejected in (0.01, 1):
        with pytest.raises(UserError, match=rf"ratings go up to {scale}, .*rating_scale in params\.yaml is 5; set it"):
            clean_folder(folder, max_rejected)
    assert clean_folder(folder, 0, scale=scale).ratings["Rating"].tolist() == [half / 2 for half in range(1, 11)]


def test_weights_of_a_pair_add_up_and_are_counted(write, first):
    plays = {"user": ["a", "a", "b", "a"], "item": ["x"] * 4, "weight": [1, 2, 5, 0.5], "timestamp": [9, 7, 1, 3]}
    tables = clean_folder(write(interactions=plays), 0)
    assert values(tables.ratings) == [[0, 0, 3.5, 9], [1, 0, 5, 1]]
    assert tables.summary["ratings"] == {"read": 4, "kept": 2, "rejected": {ADDED: 2}}
    assert tables.rejected["line"].tolist() == [first + 1, first + 3]


@pytest.mark.parametrize("column", ["rating", "weight"])
def test_too_many_repeated_pairs_are_an_error_with_their_number(write, column):
    folder = write(interactions={"user": [1, 1, 1, 2], "item": [1] * 4, column: [5, 4, 3, 2]})
    assert len(clean_folder(folder, 0, max_repeated=0.5).ratings) == 2
    with pytest.raises(UserError, match=r"2 of 4 rows \(50\.0%\) repeat .* max_repeated in params\.yaml \(0\.4\)"):
        clean_folder(folder, 0, max_repeated=0.4)


def test_genres_may_be_a_list_and_none_are_listed_once(tmp_path):
    write_arrow(tmp_path, user=[1], item=[1])
    genres = [["Drama", "War", "Drama"], ["(no genres listed)"], None]
    tables = clean_folder(write_arrow(tmp_path, "items", item=[1, 2, 3], title=["A", "B", "C"], genres=genres))
    assert tables.movies["Genres"].tolist() == ["Drama|War", "", ""]
    write_arrow(tmp_path, "items", item=[1], genres=[[{"name": "Drama"}]])
    with pytest.raises(UserError, match=r"items\.parquet: column genres is list<.*struct.*; make it text"):
        clean_folder(tmp_path)


def test_a_folder_of_parts_is_one_table(tmp_path):
    folder = tmp_path / "interactions.parquet"
    folder.mkdir()
    for part in (1, 2):
        parquet.write_table(pa.table({"user": [part], "item": ["x"]}), folder / f"part-{part}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-1.parquet.crc").touch()
    assert clean_folder(tmp_path).users["UserID"].tolist() == [1, 2]


def test_titles_and_genres_lose_what_could_change_a_terminal(tmp_path):
    items = 'item,title,genres\n1,"\x1b[2J\x1b[31mRed\x07 \u202eeh\u2066t\nHeat (1995)",A\x1b|B\n'
    folder = write_files(tmp_path, {"interactions.csv": "user,item\n1,1\n", "items.csv": items})
    assert values(clean_folder(folder).movies) == [[1, "Red eht Heat", 1995, "A|B"]]


FIELD = st.text(st.sampled_from('ab,"\n\r 0'), min_size=1, max_size=4).filter(str.strip)


@given(rows=st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=8, unique_by=lambda row: row[:2]),
       end=st.sampled_from(["\n", "\r\n"]))  # fmt: skip
@settings(max_examples=settings().max_examples // 3)
def test_any_valid_csv_gives_the_rows_of_pythons_csv(tmp_path_factory, rows, end):
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("user", "item", "note"), *rows])
    folder = write_files(tmp_path_factory.mktemp("csv"), {"interactions.csv": out.getvalue()})
    tables = read_folder(folder)
    with contextlib.closing(Engine(folder / "scratch")) as engine:
        found = View(engine, "x", tables.ratings).frame()
    read = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert found["UserID"].tolist() == [row["user"] for row in read]
    assert found["MovieID"].tolist() == [row["item"] for row in read]


# --- layouts that people have --------------------------------------------------------------------

METADATA = '''adult,genres,id,overview,release_date,title
False,"[{'id': 1, 'name': 'Drama'}, {'id': 2, 'name': ""War""}]",862,"Two lines,
and ""quotes""",1995-10-30,Toy Story
 - Written by X,0.06,/a.jpg
False,[],8844,,,Jumanji
False,"[{'id': 3, 'name': 'Comedy'}]",99,not rated,2001-01-01,Other
'''


@pytest.mark.parametrize("small", ["", "_small"])
def test_kaggles_movies_have_the_ids_of_movielens(tmp_path, small):
    ratings = "userId,movieId,rating,timestamp\n7,1,4.0,9\n7,2,0.5,8\n"
    links = "movieId,imdbId,tmdbId\n1,0114709,862\n2,0113497,8844\n3,1,\n"
    files = {"movies_metadata.csv": METADATA, f"ratings{small}.csv": ratings, f"links{small}.csv": links}
    tables = clean_folder(write_files(tmp_path, files))
    assert values(tables.movies) == [[1, "Toy Story", 1995, "Drama"], [2, "Jumanji", None, ""]]
    assert values(tables.ratings) == [[7, 1, 4, 9], [7, 2, 0.5, 8]]
    assert tables.rejected[["line", "reason"]].values.tolist() == [[4, "not 6 fields"]]
    (tmp_path / f"links{small}.csv").unlink()
    with pytest.raises(UserError, match=rf"links{small}\.csv is missing, but movies_metadata\.csv has the ids of TMDB"):
        read_folder(tmp_path)


BX_RATINGS = '"User-ID";"ISBN";"Book-Rating"\n"8";"034545104X";"0"\n"9";"034545104X";"10"\n"9";"0155061224";"5"\n'
BX_BOOKS = '"ISBN";"Book-Title";"Year-Of-Publication"\n"034545104X";"The \\"Best\\"; Caf\xe9";"2002"\n'


def test_book_crossing(tmp_path):
    files = {"BX-Book-Ratings.csv": BX_RATINGS, "BX-Books.csv": BX_BOOKS.encode("latin-1")}
    tables = clean_folder(write_files(tmp_path, files))
    assert tables.movies.drop(columns="MovieID").astype(object).where(lambda of: of.notna(), None).values.tolist() == [
        ["0155061224", None, "", "0155061224"],
        ['The "Best"; Café', 2002, "", "034545104X"],
    ]
    assert tables.ratings["Rating"].tolist() == [5, 2.5]
    assert tables.summary["ratings"]["rejected"] == {NO_RATING: 1}


@pytest.mark.parametrize("name", ["interactions.csv", "ratings_Beauty.csv", "All_Beauty.csv"])
def test_amazons_ratings_have_no_header(tmp_path, name):
    rows = "A39HTATAQ9V7YF,0205616461,5.0,1369699200\nA3JM6GV9MNOF9X,0558925278,3.0,1355443200\n"
    tables = read_folder(write_files(tmp_path, {name: rows}))
    assert tables.ratings.described == (
        f"{name}: field-1 as user, field-2 as item, field-3 as rating, field-4 as timestamp"
    )
    found = clean_folder(tmp_path, 0)
    assert found.movies["Name"].tolist() == ["0205616461", "0558925278"]
    assert found.ratings[["Rating", "Timestamp"]].values.tolist() == [[5, 1369699200], [3, 1355443200]]


def test_last_fm_has_numbers_of_plays(tmp_path):
    plays = "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n"
    artists = 'id\tname\turl\tpictureURL\n51\tDuran "Duran\tx\ty\n'
    tables = clean_folder(write_files(tmp_path, {"user_artists.dat": plays, "artists.dat": artists}), 0)
    assert tables.movies["Title"].tolist() == ['Duran "Duran', "52"] and tables.ratings["Rating"].max() == 13883


def test_last_fm_360k_calls_artists_by_name(tmp_path):
    rows = "00000c\t3bd73256\tbetty blowtorch\t2137\n00000c\t\tdie Ärzte\t1099\n"
    tables = clean_folder(write_files(tmp_path, {"usersha1-artmbid-artname-plays.tsv": rows}), 0)
    assert tables.movies["Title"].tolist() == ["betty blowtorch", "die Ärzte"]
    assert tables.ratings["Rating"].tolist() == [2137, 1099]


def test_lightgcns_lists_of_items_are_pairs(tmp_path):
    tables = clean_folder(write_files(tmp_path, {"train.txt": "0 5 7 \n1\n2 x 5\n"}))
    assert tables.movies["Name"].tolist() == ["5", "7", "x"] and tables.users["UserID"].tolist() == [0, 2]
    assert tables.ratings[["UserID", "MovieID"]].values.tolist() == [[0, 0], [0, 1], [2, 2], [2, 0]]


def test_clean_says_which_columns_it_uses(tmp_path):
    files = {"interactions.csv": "note,user_id,ISBN,Rating\nx,1,2,3\n", "items.csv": "item,title,price\n2,A,9\n"}
    tables = read_folder(write_files(tmp_path, files))
    assert (
        tables.ratings.described == "interactions.csv: user_id as user, ISBN as item, Rating as rating; not used: note"
    )
    assert tables.movies.described == "items.csv: item as item, title as title; not used: price"
