"""The MovieLens releases: where each comes from, its checksum, and how its files become three tables.

Every reader returns the same three tables, all columns still text, one row per line of the file, with
the line's number, so that each row can be judged and named (`judging`); lines that cannot be divided into
fields stand apart:

    users    line, UserID, Gender
    movies   line, MovieID, Title, Genres     genres separated by '|'
    ratings  line, UserID, MovieID, Rating, Timestamp

Users and movies are read whole; ratings stay in their file, to be read in blocks. A release without a
users table (the CSV ones) gives a `users` table with no rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from movierec.blocks import LinesFile, lines_file
from movierec.delimited import BROKEN_COLUMNS, Form, Table, parse_delimited, read_text
from movierec.errors import UserError
from movierec.own_data import CsvRows, ParquetRows, read_interactions, read_items

GROUPLENS = "https://files.grouplens.org/datasets/movielens/{name}.zip"


class Release(NamedTuple):
    """One release of MovieLens."""

    name: str
    title: str
    md5: str | None  # of the zip; None where GroupLens replaces the file from time to time
    layout: str

    @property
    def url(self) -> str:
        return GROUPLENS.format(name=self.name)


RELEASES = {
    release.name: release
    for release in (
        Release("ml-100k", "MovieLens 100K", "0e33842e24a9c977be4e0107933c0723", "100k"),
        Release("ml-1m", "MovieLens 1M", "c4d9eecfca2ab87c1945afe126590906", "1m"),
        Release("ml-10m", "MovieLens 10M", "ce571fd55effeba0271552578f2648bd", "10m"),
        Release("ml-20m", "MovieLens 20M", "cd245b17a1ae2cc31bb14903e1204af3", "csv"),
        Release("ml-25m", "MovieLens 25M", "6b51fb2759a8657d3bfcbfc42b592ada", "csv"),
        Release("ml-32m", "MovieLens 32M", "d472be332d4daa821edc399621853b57", "csv"),
        Release("ml-latest-small", "MovieLens Latest (small)", None, "csv"),
    )
}


def title_of(dataset: str, data_path: str) -> str:
    """What to call the data set that params.yaml names."""
    return RELEASES[dataset].title if dataset in RELEASES else f"the data in {data_path}"


# The order of the genre flags in ml-100k's u.item.
GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

USER_COLUMNS = ("UserID", "Gender")
MOVIE_COLUMNS = ("MovieID", "Title", "Genres")
RATING_COLUMNS = ("UserID", "MovieID", "Rating", "Timestamp")


class Tables(NamedTuple):
    """What a reader returns."""

    users: Table
    movies: Table | None  # None: those that are rated, known by their ids
    ratings: LinesFile | ParquetRows | CsvRows  # lines of RATING_COLUMNS, or a table of one's own


def without_file(rows: pd.DataFrame) -> Table:
    """A table that no file has."""
    return Table(rows, pd.DataFrame(columns=BROKEN_COLUMNS))


def read_dat(path: Path, encoding: str, n_fields: int, columns: tuple[str, ...]) -> Table:
    """A file of ml-1m or ml-10m: `::` between fields, no header."""
    return parse_delimited(path, read_text(path, encoding), Form("::", n_fields, dict(enumerate(columns))))


def ratings_dat(path: Path, encoding: str) -> LinesFile:
    """The ratings of ml-1m or ml-10m."""
    return lines_file(path, encoding, Form("::", 4, dict(enumerate(RATING_COLUMNS))))


def read_1m(folder: Path) -> Tables:
    """ml-1m: latin-1."""
    users = read_dat(folder / "users.dat", "latin-1", 5, USER_COLUMNS)
    return Tables(users, read_dat(folder / "movies.dat", "latin-1", 3, MOVIE_COLUMNS), ratings_dat(folder / "ratings.dat", "latin-1"))


def read_10m(folder: Path) -> Tables:
    """ml-10m: as ml-1m, but UTF-8, and without users."""
    return Tables(no_users(), read_dat(folder / "movies.dat", "utf-8", 3, MOVIE_COLUMNS), ratings_dat(folder / "ratings.dat", "utf-8"))


def read_100k(folder: Path) -> Tables:
    """ml-100k: tabs in u.data, `|` in u.item and u.user, latin-1, genres as 19 flags."""

    def read(name: str, n_fields: int, names: dict[int, str]) -> Table:
        return parse_delimited(folder / name, read_text(folder / name, "latin-1"), Form("|", n_fields, names))

    users = read("u.user", 5, {0: "UserID", 2: "Gender"})
    movies = read("u.item", 24, {0: "MovieID", 1: "Title", **{5 + i: genre for i, genre in enumerate(GENRES_100K)}})
    flags = movies.rows[list(GENRES_100K[1:])].eq("1").to_numpy()  # 'unknown' is no genre
    genres = ["|".join(np.array(GENRES_100K[1:])[row]) for row in flags]
    movies = movies._replace(rows=movies.rows.assign(Genres=genres)[["line", *MOVIE_COLUMNS]])
    return Tables(users, movies, lines_file(folder / "u.data", "latin-1", Form("\t", 4, dict(enumerate(RATING_COLUMNS)))))


def read_csv(folder: Path) -> Tables:
    """ml-20m and later: CSV with a header, UTF-8, half stars, no users."""
    path = folder / "movies.csv"
    text = read_text(path, "utf-8")
    movies = parse_delimited(path, text, csv_form(path, first_line(text), ("movieId", "title", "genres"), MOVIE_COLUMNS))
    movies.rows["Genres"] = movies.rows["Genres"].replace("(no genres listed)", "")
    path = folder / "ratings.csv"
    header = ("userId", "movieId", "rating", "timestamp")
    return Tables(no_users(), movies, lines_file(path, "utf-8", lambda first: csv_form(path, first, header, RATING_COLUMNS)))


def csv_form(path: Path, first: str, header: tuple[str, ...], columns: tuple[str, ...]) -> Form:
    """The form of a CSV file whose first line must be `header`."""
    if tuple(first.split(",")) != header:
        raise UserError(f"{path}, line 1: the header must be '{','.join(header)}', but it is {first[:80]!r}.")
    return Form(",", len(header), dict(enumerate(columns)), header=True, quoted=True)


def first_line(text: str) -> str:
    return text.split("\n", 1)[0]


def read_recbole(folder: Path) -> Tables:
    """RecBole atomic files: tabs, and a typed header such as `user_id:token`; `.item` and `.user` are optional.

    The movies' title and year stand apart, and genres are separated by blanks.
    """
    inter = only_file(folder, "*.inter")
    wanted = {"UserID": ("user_id",), "MovieID": ("item_id",), "Rating": ("rating",), "Timestamp": ("timestamp",)}
    ratings = lines_file(inter, "utf-8", lambda first: atomic_form(inter, first, wanted))
    users = no_users()
    if list(folder.glob("*.user")):
        users = read_atomic(only_file(folder, "*.user"), {"UserID": ("user_id",), "Gender": ("gender", "?")})
    if not list(folder.glob("*.item")):
        return Tables(users, None, ratings)
    movies = read_atomic(only_file(folder, "*.item"), {
        "MovieID": ("item_id",), "Title": ("movie_title", "title", "?"), "Year": ("release_year", "year", "?"),
        "Genres": ("class", "genre", "genres", "?"),
    })  # fmt: skip
    rows = movies.rows
    rows["Title"] = rows["Title"].where(~rows["Year"].str.fullmatch("[0-9]{4}"), rows["Title"] + " (" + rows["Year"] + ")")
    rows["Genres"] = rows["Genres"].str.split().str.join("|").replace("unknown", "")
    return Tables(users, movies._replace(rows=rows[["line", *MOVIE_COLUMNS]]), ratings)


def only_file(folder: Path, pattern: str) -> Path:
    """The one file of a folder that fits a pattern."""
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise UserError(f"{folder} must hold one {pattern} file, but holds {len(files)}; move the others away.")
    return files[0]


def read_own(folder: Path) -> Tables:
    """A table of interactions, and perhaps one of items."""
    interactions = read_interactions(only_table(folder, "interactions"))
    items = read_items(only_table(folder, "items")) if list(folder.glob("items.*")) else None
    return Tables(no_users(), items, interactions)


def only_table(folder: Path, name: str) -> Path:
    """The one file of that name, CSV or Parquet."""
    path = only_file(folder, f"{name}.*")
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"{path} must be {name}.csv or {name}.parquet.")
    return path


def read_atomic(path: Path, wanted: dict[str, tuple[str, ...]]) -> Table:
    """One RecBole file; the columns that it lacks are ""."""
    text = read_text(path, "utf-8")
    form = atomic_form(path, first_line(text), wanted)
    table = parse_delimited(path, text, form)
    return table._replace(rows=table.rows.assign(**{column: "" for column in wanted if column not in form.names.values()}))


def atomic_form(path: Path, first: str, wanted: dict[str, tuple[str, ...]]) -> Form:
    """The form of a RecBole file.

    Args:
        path: of the file.
        first: its first line.
        wanted: our column to the names that it may have there; '?' among them makes it optional.
    """
    header = first.split("\t")
    fields = [field.split(":")[0] for field in header]
    names = {}
    for column, known in wanted.items():
        position = next((fields.index(name) for name in known if name in fields), None)
        if position is not None:
            names[position] = column
        elif "?" not in known:
            raise UserError(f"{path}, line 1: the header lacks '{known[0]}:...'; it is '{' '.join(header)[:80]}'.")
    return Form("\t", len(fields), names, header=True)


def no_users() -> Table:
    """An empty users table."""
    return without_file(pd.DataFrame({"line": pd.Series(dtype="int64"), **{c: pd.Series(dtype="str") for c in USER_COLUMNS}}))


class Layout(NamedTuple):
    """How a release's files are named and read."""

    files: tuple[str, ...]  # glob patterns; the first ones, up to `n_needed`, tell the layout
    n_needed: int
    read: Callable[[Path], Tables]


LAYOUTS = {
    "1m": Layout(("users.dat", "movies.dat", "ratings.dat"), 3, read_1m),
    "10m": Layout(("movies.dat", "ratings.dat"), 2, read_10m),
    "100k": Layout(("u.data", "u.item", "u.user"), 3, read_100k),
    "csv": Layout(("movies.csv", "ratings.csv"), 2, read_csv),
    "recbole": Layout(("*.inter", "*.item", "*.user"), 1, read_recbole),
    "table": Layout(("interactions.*", "items.*"), 1, read_own),
}


def find_layout(folder: Path) -> Layout:
    """The layout that a folder's files have.

    Raises:
        UserError: it has none of the known ones.
    """
    for layout in LAYOUTS.values():
        if all(any(folder.glob(pattern)) for pattern in layout.files[: layout.n_needed]):
            return layout
    known = "; ".join(f"{name}: {', '.join(layout.files)}" for name, layout in LAYOUTS.items())
    raise UserError(f"{folder} holds no data set in a known layout. Known ones: {known}.")


def read_folder(folder: Path) -> Tables:
    """Read a data set in whichever layout it has.

    Raises:
        UserError: an unknown layout, a missing or empty file, or text in another encoding.
    """
    return find_layout(folder).read(folder)
