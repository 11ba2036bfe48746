"""The layouts of data sets, on small files."""

import contextlib
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from in_memory import clean_folder, write_files

from movierec.data.engine import Engine
from movierec.data.layouts import GENRES_100K, read_folder
from movierec.data.source import View
from movierec.utils.errors import UserError

RATINGS_1M = "1::10::5::978300760\n2::10::3::978300761\n"
USER_ITEM = b"user,item\n"


def rows(source):
    """The rows of a source: line, and our columns as text."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Engine(Path(folder, "scratch"))) as engine:
        return list(View(engine, "x", source).frame().itertuples(index=False, name=None))


def test_ml_1m(tmp_path):
    movies = "10::Misérables, Les (1995)::Drama|Musical\n".encode("latin-1")
    files = {"users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n", "movies.dat": movies, "ratings.dat": RATINGS_1M}
    tables = read_folder(write_files(tmp_path, files))
    assert rows(tables.users) == [(1, "1", "F"), (2, "2", "M")]
    assert rows(tables.movies) == [(1, "10", "Misérables, Les (1995)", "Drama|Musical")]
    assert rows(tables.ratings) == [(1, "1", "10", "5", "978300760"), (2, "2", "10", "3", "978300761")]
    assert not tables.own


def test_ml_10m_has_no_users_and_is_utf_8(tmp_path):
    files = {"movies.dat": "10::Misérables, Les (1995)::Drama\n", "ratings.dat": "1::10::4.5::9\n"}
    tables = read_folder(write_files(tmp_path, files))
    assert tables.users is None
    assert rows(tables.movies) == [(1, "10", "Misérables, Les (1995)", "Drama")]
    assert rows(tables.ratings) == [(1, "1", "10", "4.5", "9")]


def test_ml_100k(tmp_path):
    flags = "|".join("1" if genre in ("Animation", "Comedy") else "0" for genre in GENRES_100K)
    films = f"1|Toy Story (1995)|01-Jan-1995||http://x|{flags}\n2|unknown||||1{'|0' * 18}\n"
    files = {"u.user": "1|24|M|technician|85711\n", "u.item": films, "u.data": "196\t1\t3\t881250949\n"}
    tables = read_folder(write_files(tmp_path, files))
    assert rows(tables.users) == [(1, "1", "M")]
    assert rows(tables.movies) == [(1, "1", "Toy Story (1995)", "Animation|Comedy"), (2, "2", "unknown", "")]
    assert rows(tables.ratings) == [(1, "196", "1", "3", "881250949")]


def test_csv_releases(tmp_path):
    films = '1,"American President, The (1995)",Comedy|Drama\n2,"A ""B"" (2000)",(no genres listed)\n'
    ratings = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n"
    files = {"movies.csv": f"movieId,title,genres\n{films}", "ratings.csv": ratings}
    tables = read_folder(write_files(tmp_path, files))
    assert tables.users is None
    expected = [
        (2, "1", "American President, The (1995)", "Comedy|Drama"),
        (3, "2", 'A "B" (2000)', "(no genres listed)"),
    ]
    assert rows(tables.movies) == expected
    assert clean_folder(tmp_path).movies["Genres"].tolist() == ["Comedy|Drama", ""]
    assert rows(tables.ratings) == [(2, "1", "1", "4.0", "964982703")]


RECBOLE = {
    "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
    "x.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tKolya\t1996\tComedy Drama\n",
    "x.user": "user_id:token\tage:token\tgender:token\n196\t49\tM\n",
}


def test_recbole_files(tmp_path):
    tables = read_folder(write_files(tmp_path, RECBOLE))
    assert rows(tables.users) == [(2, "196", "M")]
    assert rows(tables.movies) == [(2, "242", "Kolya (1996)", "Comedy|Drama")]
    assert rows(tables.ratings) == [(2, "196", "242", "3", "881250949")]
    assert tables.own, "tokens are text"


def test_recbole_interactions_alone(tmp_path):
    header = "timestamp:float\titem_id:token\tuser_id:token\trating:float\n"
    tables = read_folder(write_files(tmp_path, {"x.inter": header + "9\t7\t1\t5\n8\t7\t2\t4\n"}))
    assert tables.users is tables.movies is None
    assert rows(tables.ratings) == [(2, "1", "7", "5", "9"), (3, "2", "7", "4", "8")]
    assert clean_folder(tmp_path).movies.astype(object).values.tolist() == [[7, "movie 7", pd.NA, ""]]


def test_recbole_columns_may_be_missing_but_for_ids_and_ratings(tmp_path):
    files = {"x.item": "item_id:token\n242\n", "x.user": "user_id:token\n196\n"}
    tables = read_folder(write_files(tmp_path, RECBOLE | files))
    assert rows(tables.users) == [(2, "196")] and rows(tables.movies) == [(2, "242")]


def test_a_recbole_year_is_part_of_the_title_only_if_it_is_one(tmp_path):
    films = "item_id:token\ttitle:token_seq\tyear:token\tgenre:token_seq\n1\tQ\t\tunknown\n2\tR\t95\tWar\n"
    tables = read_folder(write_files(tmp_path, RECBOLE | {"x.item": films}))
    assert rows(tables.movies) == [(2, "1", "Q", ""), (3, "2", "R", "War")]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_own_tables(tmp_path, kind):
    items = pd.DataFrame({"price": [1.5], "genre": ["Hot|Wet"], "title": ["Tea (1999)"], "item_id": ["tea"]})
    interactions = pd.DataFrame({"item": ["tea"], "weight": [3], "note": ["x"], "UserID": ["bob"], "timestamp": [9]})
    for name, frame in (("items", items), ("interactions", interactions)):
        path = tmp_path / f"{name}.{kind}"
        frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    first = 2 if kind == "csv" else 1
    tables = read_folder(tmp_path)
    assert tables.users is None and tables.own
    assert rows(tables.movies) == [(first, "tea", "Tea (1999)", "Hot|Wet")]
    assert list(tables.ratings.columns) == ["UserID", "MovieID", "Weight", "Timestamp"]
    assert rows(tables.ratings) == [(first, "bob", "tea", "3", "9")]


def test_own_items_without_a_title_are_called_by_their_ids(tmp_path):
    tables = read_folder(write_files(tmp_path, {"interactions.csv": b"user,item\n1,tea\n", "items.csv": "item\ntea\n"}))
    assert rows(tables.movies) == [(2, "tea")]
    assert clean_folder(tmp_path).movies["Title"].tolist() == ["tea"]


def test_windows_line_ends_and_byte_order_mark_change_nothing(tmp_path):
    plain = {"movies.dat": "10::Amélie (2001)::Comedy\n", "ratings.dat": "1::10::4::9\n2::10::5::9\n"}
    marked = {name: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() for name, text in plain.items()}
    ratings, _, movies, *_ = read_folder(write_files(tmp_path, plain))
    expected = [rows(movies), rows(ratings)]
    ratings, _, movies, *_ = read_folder(write_files(tmp_path, marked))
    assert [rows(movies), rows(ratings)] == expected


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x.txt": "1"}, "holds no data set in a known layout"),
        ({"movies.dat": "1::A::B\n", "ratings.dat": ""}, "ratings.dat is empty"),
        ({"movies.dat": b"1::Ok::B\n2::Mis\xe9rables::B\n", "ratings.dat": "1"}, "movies.dat, line 2: not utf-8"),
        ({"movies.csv": "id,title,genres\n", "ratings.csv": "1"},
         "movies.csv, line 1: the header must be 'movieId,title,genres', but it is 'id,title,genres'"),
        ({"a.inter": "user_id:token\trating:float\n1\t2\n"},
         "a.inter, line 1: no column is called 'item'; it has 'user_id, rating'"),
        ({"a.inter": "1", "b.inter": "1"}, "must hold one .*inter file, but holds 2"),
        ({"interactions.csv": USER_ITEM, "interactions.parquet": b""}, "must hold one .* file, but holds 2"),
        ({"interactions.tsv": b"user\titem\n"}, "interactions.tsv must be interactions.csv or interactions.parquet"),
        ({"interactions.csv": USER_ITEM, "items.json": b"{}"}, "items.json must be items.csv or items.parquet"),
        ({"interactions.csv": USER_ITEM, "items.csv": b"title\n1\n"}, "items.csv: no column is called 'item'"),
        ({"interactions.csv": b"user,item,rating,weight\n1,2,3,4\n"}, "interactions.csv: .*a rating and a weight"),
        ({"interactions.parquet": b"PAR1 cut off"}, "interactions.parquet is not readable"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_are_named(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        clean_folder(write_files(tmp_path, files))
