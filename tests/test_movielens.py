"""Readers: each release's format, on small files."""

from pathlib import Path

import pandas as pd
import pytest
from in_memory import clean_folder, rows_of

from movierec.blocks import LinesFile
from movierec.delimited import Form, parse_delimited
from movierec.errors import UserError
from movierec.movielens import GENRES_100K, read_folder

RATINGS_1M = "1::10::5::978300760\n2::10::3::978300761\n"


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def rows(table):
    frame = rows_of(table) if isinstance(table, LinesFile) else table.rows
    return list(frame.itertuples(index=False, name=None))


def test_ml_1m(tmp_path):
    tables = read_folder(write(tmp_path, {
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
        "movies.dat": "10::Misérables, Les (1995)::Drama|Musical\n".encode("latin-1"),
        "ratings.dat": RATINGS_1M,
    }))  # fmt: skip
    assert rows(tables.users) == [(1, "1", "F"), (2, "2", "M")]
    assert rows(tables.movies) == [(1, "10", "Misérables, Les (1995)", "Drama|Musical")]
    assert rows(tables.ratings) == [(1, "1", "10", "5", "978300760"), (2, "2", "10", "3", "978300761")]


def test_ml_10m_has_no_users_and_utf8(tmp_path):
    tables = read_folder(write(tmp_path, {"movies.dat": "10::Misérables, Les (1995)::Drama\n", "ratings.dat": "1::10::4.5::9\n"}))
    assert rows(tables.users) == []
    assert rows(tables.movies) == [(1, "10", "Misérables, Les (1995)", "Drama")]
    assert rows(tables.ratings) == [(1, "1", "10", "4.5", "9")]


def test_ml_100k(tmp_path):
    flags = ["1" if genre in ("Animation", "Comedy") else "0" for genre in GENRES_100K]
    tables = read_folder(write(tmp_path, {
        "u.user": "1|24|M|technician|85711\n",
        "u.item": f"1|Toy Story (1995)|01-Jan-1995||http://x|{'|'.join(flags)}\n2|unknown||||1{'|0' * 18}\n",
        "u.data": "196\t1\t3\t881250949\n",
    }))  # fmt: skip
    assert rows(tables.users) == [(1, "1", "M")]
    assert rows(tables.movies) == [(1, "1", "Toy Story (1995)", "Animation|Comedy"), (2, "2", "unknown", "")]
    assert rows(tables.ratings) == [(1, "196", "1", "3", "881250949")]


def test_csv_releases(tmp_path):
    tables = read_folder(write(tmp_path, {
        "movies.csv": 'movieId,title,genres\n1,"American President, The (1995)",Comedy|Drama\n2,"A ""B"" (2000)",(no genres listed)\n',
        "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n",
    }))  # fmt: skip
    assert rows(tables.users) == []
    assert rows(tables.movies) == [(2, "1", "American President, The (1995)", "Comedy|Drama"), (3, "2", 'A "B" (2000)', "")]
    assert rows(tables.ratings) == [(2, "1", "1", "4.0", "964982703")]


def test_recbole_atomic_files(tmp_path):
    tables = read_folder(write(tmp_path, {
        "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n",
        "x.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n242\tKolya\t1996\tComedy Drama\n",
        "x.user": "user_id:token\tage:token\tgender:token\n196\t49\tM\n",
    }))  # fmt: skip
    assert rows(tables.users) == [(2, "196", "M")]
    assert rows(tables.movies) == [(2, "242", "Kolya (1996)", "Comedy|Drama")]
    assert rows(tables.ratings) == [(2, "196", "242", "3", "881250949")]


def test_recbole_interactions_alone(tmp_path):
    header = "timestamp:float\titem_id:token\tuser_id:token\trating:float\n"
    tables = read_folder(write(tmp_path, {"x.inter": header + "9\t7\t1\t5\n8\t7\t2\t4\n"}))
    assert rows(tables.ratings) == [(2, "1", "7", "5", "9"), (3, "2", "7", "4", "8")]
    assert clean_folder(tmp_path).movies.astype(object).values.tolist() == [[7, "movie 7", pd.NA, ""]]


def test_windows_line_ends_and_byte_order_mark_change_nothing(tmp_path):
    files = {"movies.dat": "10::Amélie (2001)::Comedy\n", "ratings.dat": "1::10::4::9\n2::10::5::9\n"}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = read_folder(write(tmp_path / "a", files))
    marked = read_folder(write(tmp_path / "b", {n: b"\xef\xbb\xbf" + t.replace("\n", "\r\n").encode() for n, t in files.items()}))
    for one, other in zip(plain, marked):
        assert rows(one) == rows(other)


def test_a_line_with_another_number_of_fields_stands_apart_with_its_number_and_text():
    table = parse_delimited(Path("x"), "1::2::3\n1::2\n\n4::5::6::7\n7::8::9", Form("::", 3, {0: "a", 2: "c"}))
    assert rows(table) == [(1, "1", "3"), (3, "", ""), (5, "7", "9")]
    assert table.broken.values.tolist() == [[2, "not 3 fields", "1::2"], [4, "not 3 fields", "4::5::6::7"]]


def test_line_numbers_count_the_header():
    table = parse_delimited(Path("x"), "h,h\n1,2\n1\n3,4", Form(",", 2, {0: "a", 1: "b"}, header=True))
    assert rows(table) == [(2, "1", "2"), (4, "3", "4")] and table.broken["line"].tolist() == [3]


def test_an_open_quote_costs_its_own_line_and_no_other():
    table = parse_delimited(Path("x"), 'h,h\n1,"a\n2,b\n3,"c ""d"" e"', Form(",", 2, {0: "a", 1: "b"}, header=True, quoted=True))
    assert rows(table) == [(3, "2", "b"), (4, "3", 'c "d" e')]
    assert table.broken.values.tolist() == [[2, "a quote is not closed", '1,"a']]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x.txt": "1"}, "holds no data set in a known layout"),
        ({"movies.dat": "1::A::B\n", "ratings.dat": ""}, "ratings.dat is empty"),
        ({"movies.dat": b"1::Ok::B\n2::Mis\xe9rables::B\n", "ratings.dat": "1"}, r"movies.dat, line 2: not utf-8 text"),
        ({"movies.csv": "id,title,genres\n", "ratings.csv": "1"}, "the header must be 'movieId,title,genres', but it is 'id,title,genres'"),
        ({"a.inter": "user_id:token\trating:float\n1\t2\n"}, "the header lacks 'item_id:...'"),
        ({"a.inter": "1", "b.inter": "1"}, "must hold one .*inter file, but holds 2"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        read_folder(write(tmp_path, files))
