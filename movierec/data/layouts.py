"""Reading a data set in any known layout into three tables, all columns still text.

    users    line, UserID, Gender
    movies   line, MovieID, Title, Genres     genres separated by '|'
    ratings  line, UserID, MovieID, Rating (or Weight), Timestamp

Users and movies are read whole, ratings in blocks. A table that a layout lacks is None.

A table of your own, `interactions.csv` or `.parquet`, has columns user, item, rating or weight, and timestamp, under
these names or MovieLens' (userId, user_id, UserID, movieId and so on); others are ignored. `items.csv` or `.parquet`
has item, title and genres.
"""

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from movierec.data.parquet_file import ParquetFile, column_names
from movierec.data.text_file import Form, Table, TextFile, open_text, read_whole
from movierec.datasets.releases import find_layout
from movierec.utils.errors import UserError

USERS, MOVIES = ("UserID", "Gender"), ("MovieID", "Title", "Genres")
RATINGS = ("UserID", "MovieID", "Rating", "Timestamp")
# The genre flags in ml-100k's u.item, in their order; the first is 'unknown', which is no genre.
GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
# Our columns, and their names in other data sets, ignoring case and underscores; None: optional.
Names = dict[str, tuple[str | None, ...]]
INTERACTIONS: Names = {"UserID": ("user", "userid"), "MovieID": ("item", "itemid", "movie", "movieid")}
INTERACTIONS |= {"Rating": ("rating", None), "Weight": ("weight", None), "Timestamp": ("timestamp", None)}
ITEMS: Names = {"MovieID": INTERACTIONS["MovieID"], "Title": ("title", None), "Genres": ("genres", "genre", None)}
ATOMIC_INTERACTIONS: Names = {"UserID": ("userid",), "MovieID": ("itemid",)}
ATOMIC_INTERACTIONS |= {"Rating": ("rating",), "Timestamp": ("timestamp",)}
ATOMIC_USERS: Names = {"UserID": ("userid",), "Gender": ("gender", None)}
ATOMIC_ITEMS: Names = {"MovieID": ("itemid",), "Title": ("movietitle", "title", None)}
ATOMIC_ITEMS |= {"Year": ("releaseyear", "year", None), "Genres": ("class", "genre", "genres", None)}


class Tables(NamedTuple):
    """A data set."""

    users: Table | None  # None: those who rated
    movies: Table | None  # None: those that are rated
    ratings: Any  # a TextFile or a ParquetFile
    own_ids: bool = False  # ids may be text, and a movie without a title is called by its id


def read_folder(folder: Path) -> Tables:
    """Read a data set in whichever layout it has.

    Raises:
        UserError: an unknown layout, a missing or empty file, or text in another encoding.
    """
    readers = {"1m": _read_1m, "10m": _read_10m, "100k": _read_100k, "csv": _read_csv}
    return (readers | {"recbole": _read_recbole, "table": _read_own})[find_layout(folder)](folder)


def _plain(path: Path, encoding: str, delimiter: str, *, n_fields: int, names: Any) -> TextFile:
    """A file without header and quotes; `names` of its first fields, or by position."""
    names = names if isinstance(names, dict) else dict(enumerate(names))
    return open_text(path, encoding, Form(delimiter, n_fields, names))


def _read_1m(folder: Path) -> Tables:
    """ml-1m: `::` between fields, latin-1."""
    users = read_whole(_plain(folder / "users.dat", "latin-1", "::", n_fields=5, names=USERS))
    return _read_10m(folder, "latin-1")._replace(users=users)


def _read_10m(folder: Path, encoding: str = "utf-8") -> Tables:
    """ml-10m: as ml-1m, but UTF-8, and without users."""
    movies = read_whole(_plain(folder / "movies.dat", encoding, "::", n_fields=3, names=MOVIES))
    return Tables(None, movies, _plain(folder / "ratings.dat", encoding, "::", n_fields=4, names=RATINGS))


def _read_100k(folder: Path) -> Tables:
    """ml-100k: tabs in u.data, `|` in u.item and u.user, latin-1, genres as 19 flags."""
    users = read_whole(_plain(folder / "u.user", "latin-1", "|", n_fields=5, names={0: "UserID", 2: "Gender"}))
    names = {0: "MovieID", 1: "Title"} | {5 + i: genre for i, genre in enumerate(GENRES_100K)}
    movies = read_whole(_plain(folder / "u.item", "latin-1", "|", n_fields=24, names=names))
    known = np.array(GENRES_100K[1:])
    genres = ["|".join(known[row]) for row in movies.rows[list(known)].eq("1").to_numpy()]
    movies = movies._replace(rows=movies.rows.assign(Genres=genres)[["line", *MOVIES]])
    return Tables(users, movies, _plain(folder / "u.data", "latin-1", "\t", n_fields=4, names=RATINGS))


def _read_csv(folder: Path) -> Tables:
    """ml-20m and later: CSV with a header, UTF-8, half stars, no users."""

    def opened(path: Path, header: str, columns: tuple[str, ...]) -> TextFile:
        def form(first: str) -> Form:
            if first != header:
                raise UserError(f"{path}, line 1: the header must be '{header}', but it is {first[:80]!r}.")
            return Form(",", len(columns), dict(enumerate(columns)), header=True, quoted=True)

        return open_text(path, "utf-8", form)

    movies = read_whole(opened(folder / "movies.csv", "movieId,title,genres", MOVIES))
    movies.rows["Genres"] = movies.rows["Genres"].replace("(no genres listed)", "")
    return Tables(None, movies, opened(folder / "ratings.csv", "userId,movieId,rating,timestamp", RATINGS))


def _read_recbole(folder: Path) -> Tables:
    """RecBole atomic files: tabs, and a typed header such as `user_id:token`; `.item` and `.user` are optional.

    The movies' title and year are separate, and genres are separated by blanks.
    """

    def opened(pattern: str, known: Names) -> TextFile:
        path = _only_file(folder, pattern)

        def form(first: str) -> Form:
            fields = [field.split(":")[0] for field in first.split("\t")]
            return Form("\t", len(fields), find_columns(f"{path}, line 1", fields, known), header=True)

        return open_text(path, "utf-8", form)

    def whole(pattern: str, known: Names) -> Table | None:
        if not list(folder.glob(pattern)):
            return None
        table = read_whole(opened(pattern, known))
        return table._replace(rows=table.rows.assign(**{ours: "" for ours in known if ours not in table.rows}))

    ratings, users = opened("*.inter", ATOMIC_INTERACTIONS), whole("*.user", ATOMIC_USERS)
    if movies := whole("*.item", ATOMIC_ITEMS):
        rows = movies.rows
        with_year = rows["Title"] + " (" + rows["Year"] + ")"
        rows["Title"] = rows["Title"].where(~rows["Year"].str.fullmatch("[0-9]{4}"), with_year)
        rows["Genres"] = rows["Genres"].str.split().str.join("|").replace("unknown", "")
        movies = movies._replace(rows=rows[["line", *MOVIES]])
    return Tables(users, movies, ratings)


def _read_own(folder: Path) -> Tables:
    """A table of interactions, and perhaps one of items."""

    def opened(name: str, known: Names) -> TextFile | ParquetFile:
        path = _only_file(folder, f"{name}.*")
        if path.suffix == ".parquet":
            columns = column_names(path)
            places = find_columns(str(path), columns, known)
            return ParquetFile(path, {ours: columns[place] for place, ours in places.items()})
        if path.suffix != ".csv":
            raise UserError(f"{path} must be {name}.csv or {name}.parquet.")

        def form(first: str) -> Form:
            try:
                fields = next(csv.reader([first]))
            except csv.Error as error:
                raise UserError(f"{path}, line 1: {error}.") from None
            return Form(",", len(fields), find_columns(str(path), fields, known), header=True, quoted=True)

        return open_text(path, "utf-8", form)

    interactions = opened("interactions", INTERACTIONS)
    if {"Rating", "Weight"} <= set(interactions.names):
        raise UserError(f"{interactions.path}: it has a rating and a weight; leave one in.")
    items = read_whole(opened("items", ITEMS)) if list(folder.glob("items.*")) else None
    if items:
        title, genres = items.rows.get("Title", items.rows["MovieID"]), items.rows.get("Genres", "")
        rows = items.rows.assign(Title=title, Genres=genres)
        items = items._replace(rows=rows[["line", *MOVIES]])
    return Tables(None, items, interactions, own_ids=True)


def find_columns(where: str, fields: list[str], known: Names) -> dict[int, str]:
    """The places of our columns among the fields of a header, for those that it has.

    Raises:
        UserError: a required one is missing, or two fields could be the same one.
    """
    found: dict[int, str] = {}
    for ours, names in known.items():
        places = [place for place, field in enumerate(fields) if field.strip().lower().replace("_", "") in names]
        if len(places) > 1:
            same = " and ".join(fields[place] for place in places)
            raise UserError(f"{where}: its columns {same} mean the same; leave one in.")
        if not places and None not in names:
            raise UserError(f"{where}: no column is called '{names[0]}'; it has {', '.join(fields)[:80]!r}.")
        found |= dict.fromkeys(places, ours)
    return found


def _only_file(folder: Path, pattern: str) -> Path:
    """The one file of a folder that matches a pattern."""
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        raise UserError(f"{folder} must hold one {pattern} file, but holds {len(files)}; move the others away.")
    return files[0]
