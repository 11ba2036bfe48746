"""The layouts of data sets: the files of each, and where our columns are in them.

    users    UserID, Gender
    movies   MovieID, Title, Genres     genres separated by '|'
    ratings  UserID, MovieID, Rating (or Weight), Timestamp

A table that a layout lacks is None. In a table of one's own, the header has the columns' names.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from movierec.data.columns import ATOMIC, ITEMS, RATINGS, USERS, by_name, by_place, check_look_alikes, with_year
from movierec.data.engine import literal, quote
from movierec.data.source import Source
from movierec.data.text_file import Form, first_record
from movierec.datasets.releases import find_layout, matching
from movierec.utils.errors import UserError

# The genre flags in ml-100k's u.item, in their order; the first is 'unknown', which is no genre.
GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
NUMBER = r"[0-9]+(\.[0-9]+)?"
BY_PLACE = {"UserID": "f0", "MovieID": "f1", "Rating": "f2", "Timestamp": "f3"}


class Tables(NamedTuple):
    """A data set."""

    ratings: Source
    users: Source | None = None  # None: those who rated
    movies: Source | None = None  # None: those that are rated
    own: bool = False  # ids and times may be of any kind, and a movie without a title is called by its id
    closed: bool = True  # a rated movie must be in the table of movies
    scale: float = 5  # the highest rating
    zeros_are_none: bool = False  # a rating of 0 stands for an interaction without one


def read_folder(folder: Path, columns: Mapping[str, str] | None = None, scale: float = 5) -> Tables:
    """Find the tables of a data set in whichever layout it has.

    Args:
        folder: that holds it.
        columns: for tables of one's own, the names of our columns (user, item, rating, weight, timestamp, title,
            genres); `auto` looks for known names, `none` leaves a column out.
        scale: for tables of one's own, the highest rating.

    Raises:
        UserError: an unknown layout, a missing or empty file, or columns that are not clear.
    """
    layout = find_layout(folder)
    if layout in FIXED:
        return FIXED[layout](folder)
    tables = OWN[layout](folder, columns or {})
    return tables._replace(own=True, scale=10 if tables.zeros_are_none else scale)


# --- MovieLens -----------------------------------------------------------------------------------


def _read_1m(folder: Path) -> Tables:
    """ml-1m: `::` between fields, latin-1."""
    fields, columns = "UserID Gender Age Occupation Zip-code", {"UserID": "f0", "Gender": "f1"}
    users = by_place(folder / "users.dat", fields, Form("::", latin=True), columns)
    return _read_10m(folder, latin=True)._replace(users=users)


def _read_10m(folder: Path, latin: bool = False) -> Tables:
    """ml-10m: as ml-1m, but UTF-8, and without users."""
    form, columns = Form("::", latin=latin), {"MovieID": "f0", "Title": "f1", "Genres": "f2"}
    movies = by_place(folder / "movies.dat", "MovieID Title Genres", form, columns)
    return Tables(by_place(folder / "ratings.dat", FIELDS, form, BY_PLACE), movies=movies)


def _read_100k(folder: Path) -> Tables:
    """ml-100k: tabs in u.data, `|` in u.item and u.user, latin-1, genres as 19 flags."""
    bars = Form("|", latin=True)
    flags = ", ".join(f"CASE WHEN f{n} = '1' THEN {quote(GENRES_100K[n - 5])} END" for n in range(6, 24))
    columns = {"MovieID": "f0", "Title": "f1", "Genres": f"concat_ws('|', {flags})"}
    movies = by_place(folder / "u.item", " ".join(["MovieID Title Released Video URL", *GENRES_100K]), bars, columns)
    movies.used.update(dict.fromkeys(GENRES_100K[1:], "genre"))
    users = by_place(folder / "u.user", "UserID Age Gender Occupation Zip-code", bars, {"UserID": "f0", "Gender": "f2"})
    return Tables(by_place(folder / "u.data", FIELDS, Form("\t", latin=True), BY_PLACE), users, movies)


def _read_csv(folder: Path) -> Tables:
    """ml-20m and later: CSV with a header, UTF-8, half stars, no users."""

    def opened(path: Path, header: str, wanted: tuple[str, ...]) -> Source:
        _, fields = first_record(path, CSV)
        if fields != header.split(","):
            raise UserError(f"{path}, line 1: the header must be '{header}', but it is {','.join(fields)[:80]!r}.")
        return by_name(path, wanted, CSV, {})

    movies = opened(folder / "movies.csv", "movieId,title,genres", ITEMS)
    return Tables(opened(folder / "ratings.csv", "userId,movieId,rating,timestamp", RATINGS), movies=movies)


# --- one's own -----------------------------------------------------------------------------------


def _read_recbole(folder: Path, names: Mapping[str, str]) -> Tables:
    """RecBole atomic files: tabs, and a typed header such as `user_id:token`; `.item` and `.user` are optional.

    The movies' title and year are separate, and genres are separated by blanks.
    """

    def opened(pattern: str, wanted: tuple[str, ...]) -> Source | None:
        return by_name(only_file(folder, pattern), wanted, ATOMIC, names) if matching(folder, pattern) else None

    movies, ratings = opened("*.item", ITEMS), by_name(only_file(folder, "*.inter"), RATINGS, ATOMIC, names)
    if movies and "Genres" in movies.columns:
        words = f"regexp_replace(trim({movies.columns['Genres']}), '\\s+', '|', 'g')"
        movies.columns["Genres"] = f"nullif({words}, 'unknown')"
    return Tables(_checked(ratings, names), opened("*.user", USERS), movies)


def _read_table(folder: Path, names: Mapping[str, str]) -> Tables:
    """A table of interactions, and perhaps one of items."""
    ratings = _own_table(only_file(folder, "interactions.*"), RATINGS, names)
    items = matching(folder, "items.*")
    return Tables(ratings, movies=_own_table(only_file(folder, "items.*"), ITEMS, names) if items else None)


def _read_file(folder: Path, names: Mapping[str, str]) -> Tables:
    """One CSV or Parquet file by any name, of interactions."""
    (path,) = [*matching(folder, "*.csv"), *matching(folder, "*.parquet")]
    return Tables(_own_table(path, RATINGS, names))


def _own_table(path: Path, wanted: tuple[str, ...], names: Mapping[str, str]) -> Source:
    """CSV or Parquet with names of columns, which CSV may lack, as Amazon's user,item,rating,timestamp does."""
    if path.suffix not in (".csv", ".parquet") or (path.suffix == ".csv" and path.is_dir()):
        raise UserError(f"{path} must be {path.stem}.csv or {path.stem}.parquet, a file.")
    if path.suffix == ".parquet":
        source = by_name(path, wanted, None, names)
    else:
        _, fields = first_record(path, CSV)
        if wanted is RATINGS and len(fields) in (3, 4) and all(re.fullmatch(NUMBER, field) for field in fields[2:]):
            places = " ".join(f"field-{n}" for n in range(1, len(fields) + 1))
            return by_place(path, places, CSV, dict(list(BY_PLACE.items())[: len(fields)]))
        source = by_name(path, wanted, CSV, names)
    return _checked(source, names) if wanted is RATINGS else source


def _checked(ratings: Source, names: Mapping[str, str]) -> Source:
    """A table of interactions whose columns are clear."""
    if {"Rating", "Weight"} <= set(ratings.columns):
        way_out = "leave one in, or set columns.rating or columns.weight in params.yaml to none"
        raise UserError(f"{ratings.path}: it has a rating and a weight; {way_out}.")
    check_look_alikes(ratings, names)
    return ratings


def _read_book_crossing(folder: Path, names: Mapping[str, str]) -> Tables:
    """Book-Crossing: as published with semicolons, latin-1 and escaped quotes, at Kaggle as CSV; ratings go to 10."""
    ratings, books = matching(folder, "*Ratings.csv")[0], matching(folder, "*Books.csv")
    form = Form(";", quoted=True, escape="\\", latin=True) if ratings.name.startswith("BX-") else CSV
    movies = by_name(books[0], ITEMS, form, names) if books else None
    return Tables(by_name(ratings, RATINGS, form, names), movies=movies, closed=False, zeros_are_none=True)


def _read_kaggle(folder: Path, names: Mapping[str, str]) -> Tables:
    """Kaggle's "The Movies Dataset": MovieLens' ratings and TMDB's metadata, whose ids the links connect."""
    path = folder / "movies_metadata.csv"
    ratings = (matching(folder, "ratings.csv") + matching(folder, "ratings_small.csv"))[0]
    links = ratings.with_name(ratings.name.replace("ratings", "links"))
    if not links.is_file():
        reason = f"{path.name} has the ids of TMDB, and {ratings.name} those of MovieLens"
        raise UserError(f"{links} is missing, but {reason}; add it, from the same data set.")
    header, fields = first_record(path, CSV)
    if missing := {"id", "title", "release_date", "genres"} - set(fields):
        raise UserError(f"{path}: no column is called {' or '.join(sorted(missing))}.")
    of = {field: f"f{n}" for n, field in enumerate(fields)}
    id_of = f"SELECT min(movieId) FROM read_csv({literal(links)}, header = true, all_varchar = true)"
    year = f"left({of['release_date']}, 4)"
    genres = f"array_to_string(regexp_extract_all({of['genres']}, '''name'': ''([^'']*)''', 1), '|')"
    columns = {"MovieID": f"({id_of} WHERE tmdbId = {of['id']})", "Title": with_year(of["title"], year)}
    columns["Genres"] = genres
    used = {"id": "item", "title": "title", "release_date": "year", "genres": "genres"}
    movies = Source(path, fields, columns, used, form=CSV, header=header, only="MovieID IS NOT NULL")
    return Tables(by_name(ratings, RATINGS, CSV, names), movies=movies)


def _read_lastfm(folder: Path, names: Mapping[str, str]) -> Tables:
    """Last.fm of HetRec 2011: numbers of plays of artists."""
    plays, artists = by_name(folder / "user_artists.dat", RATINGS, TABS, names), matching(folder, "artists.dat")
    columns = {"MovieID": "f0", "Title": "f1"}
    movies = by_place(artists[0], "id name url pictureURL", TABS, columns, header=1) if artists else None
    return Tables(plays, movies=movies, closed=False)


def _read_lastfm_360k(folder: Path, names: Mapping[str, str]) -> Tables:
    """Last.fm 360K: numbers of plays of artists by their names, as many have no id."""
    columns = {"UserID": "f0", "MovieID": "f2", "Weight": "f3"}
    return Tables(by_place(folder / "usersha1-artmbid-artname-plays.tsv", "user artist-id artist plays", TABS, columns))


def _read_lightgcn(folder: Path, names: Mapping[str, str]) -> Tables:
    """LightGCN's train.txt: a line is a user and their items."""
    columns = {"UserID": "f0", "MovieID": "f1"}
    return Tables(by_place(folder / "train.txt", "user items", Form(" ", lists=True), columns))


CSV, TABS = Form(",", quoted=True), Form("\t", latin=True)
FIELDS = "UserID MovieID Rating Timestamp"
FIXED: dict[str, Callable[[Path], Tables]] = {"1m": _read_1m, "10m": _read_10m, "100k": _read_100k, "csv": _read_csv}
OWN: dict[str, Callable[[Path, Mapping[str, str]], Tables]] = {
    "recbole": _read_recbole,
    "table": _read_table,
    "book-crossing": _read_book_crossing,
    "book-crossing-kaggle": _read_book_crossing,
    "kaggle": _read_kaggle,
    "kaggle-small": _read_kaggle,
    "lastfm": _read_lastfm,
    "lastfm-360k": _read_lastfm_360k,
    "lightgcn": _read_lightgcn,
    "file": _read_file,
}


def only_file(folder: Path, pattern: str) -> Path:
    """The one file of a folder that matches a pattern."""
    files = matching(folder, pattern)
    if len(files) != 1:
        count = f"holds {len(files)} ({', '.join(path.name for path in files)})"
        raise UserError(f"{folder} must hold one {pattern} file, but {count}; move the others away.")
    return files[0]
